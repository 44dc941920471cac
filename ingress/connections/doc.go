// Package connections wraps the connections that net/http serves: it bounds them, in all and from
// each address, refuses requests that are too expensive or ambiguous before net/http reads them,
// and counts connections that never send a request.
package connections
