// Package ingress is the HTTP side of the bridge: it takes the requests of
// Treble, lets them in or not, hands what they carry to an [Accepter], and
// answers. [Server] is the public listener, [Ops] the one for operators.
//
// A request passes, in this order: its route (404, 405), authentication (401),
// the number of requests in flight (429), reading the body (408, 413), parsing
// (400, 415, 422), and accepting (200, 413, 503, 504).
// Authentication comes first of what looks at the request itself, so that an
// outsider learns nothing but the paths; and before the body is read.
package ingress
