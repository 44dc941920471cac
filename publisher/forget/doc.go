// Package forget decides which messages are of a person, by telephone number or by
// session, and deletes them from streams. What a data directory keeps is erased by
// package publisher, which asks a Person about each message.
package forget
