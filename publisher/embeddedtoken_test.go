package publisher_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// The embedded server lets nobody in without the token that is made in data_dir, which stays the
// same, is for this user alone, and is in no log.
func TestEmbeddedMakesAToken(t *testing.T) {
	var log natstest.LogBuffer
	o := options(t, "")
	o.Log = log.Logger()
	token := ""
	for range 2 {
		o.Metrics = nil
		p := open(t, o)
		b, err := os.ReadFile(filepath.Join(o.DataDir, datadir.NATSToken))
		if err != nil || !regexp.MustCompile(`^[a-z2-7]{26}\n$`).Match(b) || token != "" && token != string(b) {
			t.Fatalf("the token is %q (before: %q), %v", b, token, err)
		}
		token = string(b)
		if info, err := os.Stat(filepath.Join(o.DataDir, datadir.NATSToken)); err != nil || info.Mode() != 0o600 {
			t.Errorf("its file: %v, %v; want mode 0600", info.Mode(), err)
		}
		for _, opts := range [][]nats.Option{nil, {nats.Token("another-token-of-some-length")}} {
			if nc, err := nats.Connect("nats://"+p.NATSAddr(), opts...); err == nil {
				nc.Close()
				t.Error("connected without the token")
			}
		}
		natstest.Connect(t, "nats://"+p.NATSAddr(), nats.Token(strings.TrimSpace(token)))
		openEmbedded(t, o, p.NATSAddr())
		closed(t, p)
	}
	if strings.Contains(log.String(), strings.TrimSpace(token)) {
		t.Errorf("the token is in the log:\n%s", &log)
	}
}

func TestEmbeddedOpen(t *testing.T) {
	o := options(t, "")
	o.NATS.Embedded.Open = true
	p := open(t, o)
	natstest.Connect(t, "nats://"+p.NATSAddr())
	openEmbedded(t, o, p.NATSAddr())
	if _, err := os.Stat(filepath.Join(o.DataDir, datadir.NATSToken)); err == nil {
		t.Error("a token was made")
	}
}

// A token that is configured is the only one, also beside one that was made once.
func TestEmbeddedConfiguredToken(t *testing.T) {
	o := options(t, "")
	if err := datadir.WriteFile(o.DataDir, datadir.NATSToken, []byte("the-token-of-another-time\n")); err != nil {
		t.Fatal(err)
	}
	o.NATS.Embedded.Token = "a-token-of-16-bytes"
	p := open(t, o)
	if nc, err := nats.Connect("nats://"+p.NATSAddr(), nats.Token("the-token-of-another-time")); err == nil {
		nc.Close()
		t.Error("connected with the token that does not count")
	}
	openEmbedded(t, o, p.NATSAddr())
}

// With a certificate others speak TLS, the bridge's commands trust that certificate alone, and
// the bridge publishes as ever.
func TestEmbeddedTLS(t *testing.T) {
	authority := certtest.New(t)
	issued := authority.Issue(t, "bridge.test")
	o := options(t, "")
	o.NATS.Embedded.Token = "a-token-of-16-bytes"
	o.NATS.Embedded.TLS = publisher.EmbeddedTLSConfig{CertFile: issued.Certificate, KeyFile: issued.Key}
	p := open(t, o)
	accept(t, p, "one")
	token := nats.Token("a-token-of-16-bytes")
	trusting := func(name string) nats.Option {
		return nats.Secure(&tls.Config{RootCAs: authority.Pool(), ServerName: name, MinVersion: tls.VersionTLS12})
	}
	natstest.Connect(t, "nats://"+p.NATSAddr(), token, trusting("bridge.test"))
	for name, opts := range map[string][]nats.Option{"another-name": {token, trusting("other.test")}, "without-tls": {token}} {
		if nc, err := nats.Connect("nats://"+p.NATSAddr(), opts...); err == nil {
			nc.Close()
			t.Errorf("%s: connected", name)
		}
	}
	if got := tokenInTheClear(t, p.NATSAddr()); got != "" {
		t.Errorf("the server answers a client without TLS %q", got)
	}
	openEmbedded(t, o, p.NATSAddr())
	o.NATS.Embedded.TLS.CertFile = authority.Issue(t, "bridge.test").Certificate
	o.NATS.Embedded.TLS.KeyFile = ""
	other := clientOptions(o)
	other.Addr = p.NATSAddr()
	if c, err := client.Open(t.Context(), other); err == nil {
		c.Close()
		t.Error("a command trusts another certificate")
	}
}

// openEmbedded connects as a command does on the host of the bridge.
func openEmbedded(t *testing.T, o publisher.Options, addr string) {
	t.Helper()
	as := clientOptions(o)
	as.NATS, as.Addr = as.NATS.WithDataDir(o.DataDir), addr
	clienttest.Open(t, as)
}

// tokenInTheClear returns what the server says to a client that sends its token without TLS.
func tokenInTheClear(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, 4096)
	if _, err := conn.Read(b); err != nil { // INFO
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("CONNECT {\"auth_token\":\"a-token-of-16-bytes\"}\r\nPING\r\n")); err != nil {
		return ""
	}
	n, _ := conn.Read(b)
	if strings.HasPrefix(string(b[:n]), "PONG") {
		return string(b[:n])
	}
	return ""
}

// A certificate that is exchanged is that of the next connection; those that are there live on.
func TestEmbeddedCertificateIsExchanged(t *testing.T) {
	authority := certtest.New(t)
	issued := authority.Issue(t, "bridge.test")
	o := options(t, "")
	o.NATS.Embedded.TLS = publisher.EmbeddedTLSConfig{CertFile: issued.Certificate, KeyFile: issued.Key}
	p := open(t, o)
	connect := func() (*nats.Conn, string) {
		token, err := os.ReadFile(filepath.Join(o.DataDir, datadir.NATSToken))
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect("nats://"+p.NATSAddr(), nats.Token(strings.TrimSpace(string(token))), nats.NoReconnect(),
			nats.Secure(&tls.Config{RootCAs: authority.Pool(), ServerName: "bridge.test", MinVersion: tls.VersionTLS12}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		state, err := nc.TLSConnectionState()
		if err != nil {
			t.Fatal(err)
		}
		return nc, state.PeerCertificates[0].SerialNumber.String()
	}
	before, first := connect()
	next := certtest.Load(t, authority.Issue(t, "bridge.test"))
	p.UseCertificate(&next)
	if _, second := connect(); second == first || second != next.Leaf.SerialNumber.String() {
		t.Errorf("the next connection has the certificate %s, want %s", second, next.Leaf.SerialNumber)
	}
	if err := before.Flush(); err != nil {
		t.Errorf("the connection of before: %v", err)
	}
}
