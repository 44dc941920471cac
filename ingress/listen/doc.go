// Package listen stands between the public listener's port and HTTP: it ends TLS, with a certificate in
// files or from an ACME server, and reads the header of the PROXY protocol.
package listen
