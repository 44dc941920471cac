package diagnose

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

// natsCheck is the name of the check that NATS can be reached.
const natsCheck = "nats"

// unreachable says why there is no connection, as far as it can be told apart,
// and never repeats a URL as it was given: it may hold a password.
func unreachable(ctx context.Context, o Options, err error) Check {
	var unknown x509.UnknownAuthorityError
	hosts := o.hosts()
	where := strings.Join(hosts, ", ")
	fail := func(detail string, args ...any) Check {
		return check(natsCheck, "", Fail, "%s: %s", where, fmt.Sprintf(detail, args...))
	}
	switch {
	case natsconfig.LoginRefused(err):
		key := o.Client.NATS.CredentialKey()
		return fail("NATS refuses the credentials (%s)", key).set(key, secretsWanted[key])
	case errors.As(err, &unknown):
		return fail("the certificate of the server is of an authority that is not known here").set("nats.tls.ca_file", "<file with the authority's certificate>")
	case errors.Is(err, nats.ErrSecureConnWanted), errors.Is(err, nats.ErrSecureConnRequired):
		scheme := "tls://"
		if o.websocket() {
			scheme = "wss://"
		}
		return fail("the server and nats.url do not agree about TLS; a server with handshake_first needs nats.tls.handshake_first").set("nats.url", scheme+hosts[0])
	}
	for _, h := range hosts {
		if answers(ctx, h) {
			return fail("something answers at %s, and the connection fails: %v", h, err).shell("nats --server %s server check connection", h)
		}
	}
	if o.embedded() {
		return fail("nothing answers; it is the embedded NATS, which runs with the bridge").shell("treble-bridge serve")
	}
	host, port, _ := net.SplitHostPort(hosts[0])
	if o.websocket() {
		return fail("nothing answers at this address").server(`websocket: {listen: "%s", tls: {cert_file: <file>, key_file: <file>}}`, hosts[0])
	}
	return fail("nothing answers at this address").shell("nats-server --jetstream --addr %s --port %s", host, port)
}

// defaultPorts are those of the schemes of nats.url.
var defaultPorts = map[string]string{"nats": "4222", "tls": "4222", "ws": "80", "wss": "443"}

// websocket reports whether NATS is reached through a websocket.
func (o Options) websocket() bool {
	servers := o.Client.NATS.Servers()
	return len(servers) > 0 && servers[0] != nil && (servers[0].Scheme == "ws" || servers[0].Scheme == "wss")
}

// hosts are the addresses to connect to, without anything secret.
func (o Options) hosts() []string {
	if o.embedded() {
		return []string{o.Client.Addr}
	}
	var hosts []string
	for _, u := range o.Client.NATS.Servers() {
		if u == nil {
			continue
		}
		port := u.Port()
		if port == "" {
			port = defaultPorts[u.Scheme]
		}
		hosts = append(hosts, net.JoinHostPort(u.Hostname(), port))
	}
	if len(hosts) == 0 {
		return []string{"nats.url"}
	}
	return hosts
}

// secretsWanted say what has to stand in each key of natsconfig.Config.CredentialKey.
var secretsWanted = map[string]string{
	"nats.embedded.token_file": "<file with the token that the running bridge has>",
	"nats.embedded.token":      "<the token that the running bridge has>",
	"nats.credentials_file":    "<file of a user that NATS knows>",
	"nats.nkey_file":           "<file with the seed of a user that NATS knows>",
	"nats.password_file":       "<file with the password of the user in nats-server.conf>",
	"nats.password":            "<password of the user in nats-server.conf>",
	"nats.token_file":          "<file with the token in nats-server.conf>",
	"nats.token":               "<token in nats-server.conf>",
	"nats.url":                 "<URL with the user and the password, or the token, in nats-server.conf>",
}

// answers reports whether something listens at an address.
func answers(ctx context.Context, addr string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err == nil
}
