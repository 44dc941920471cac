// Package forget decides which messages are of a person, by telephone number or by
// session, and deletes them from streams, from the set-aside and from the copies of
// damaged bytes.
//
// The journals are not rewritten. What is published leaves them by itself, within
// journal.retain and a minute, and until then it would heal a loss: so before a message is
// deleted from a stream, the bridge notes that it is removed on purpose. A running
// bridge is told through its Handler. What is not published yet was promised, and has to be
// published before it can be deleted.
//
// A Run is safe to be cut off and run again, knowing nothing but the number. Of some
// messages only the session tells whose they are, and only another message, with the
// number, tells that the session is the person's. So those go first, everywhere, and
// those with the number last.
package forget
