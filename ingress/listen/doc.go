// Package listen serves HTTP on a port, for the public listener and the ops listener: it shuts down in order,
// terminates TLS, with a certificate from files or from an ACME server, and reads the header of the PROXY protocol.
package listen
