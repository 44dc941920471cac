// Package connections stands between a listener and net/http: it bounds the connections, in all and
// from each address, refuses what is too expensive or ambiguous before net/http reads it, and counts
// what never becomes a request.
package connections
