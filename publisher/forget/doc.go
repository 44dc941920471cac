// Package forget decides which messages are of a person, by telephone number or by
// session, and deletes them: from streams by itself, from a data directory through
// package publisher, which asks a Person about each message. The journal of a
// running bridge can be erased by nobody but the bridge, which is asked through its
// Door.
//
// A Run is safe to be cut off and run again, knowing nothing but the number. Of some
// messages only the session tells whose they are, and only another message, with the
// number, tells that the session is the person's. So those go first, everywhere, and
// those with the number last.
package forget
