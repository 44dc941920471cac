// Package listen stands between a port and HTTP: it listens, serves and shuts down for the public listener and that of operators, ends TLS, with a certificate in
// files or from an ACME server, and reads the header of the PROXY protocol.
package listen
