package certificate_test

import (
	"crypto/tls"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value/certificate"
	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
)

func TestLoad(t *testing.T) {
	a := certtest.New(t)
	good, other := a.Issue(t, "bridge.test"), a.Issue(t, "bridge.test")
	empty := t.TempDir() + "/empty"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		files certificate.Files
		want  string // part of the error; "": none
	}{
		{"good", good, ""},
		{"missing", certificate.Files{Certificate: good.Certificate, Key: "/nonexistent"}, "/nonexistent"},
		{"both-missing", certificate.Files{Certificate: "/nowhere", Key: "/nonexistent"}, "/nowhere"},
		{"other-key", certificate.Files{Certificate: good.Certificate, Key: other.Key}, "private key does not match"},
		{"empty", certificate.Files{Certificate: empty, Key: good.Key}, empty},
		{"exchanged", certificate.Files{Certificate: good.Key, Key: good.Certificate}, good.Key},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tt.files.Load()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if err == nil && c.Leaf.DNSNames[0] != "bridge.test" {
				t.Errorf("the certificate is of %v", c.Leaf.DNSNames)
			}
		})
	}
}

func TestCheckTime(t *testing.T) {
	leaf := certtest.Load(t, certtest.New(t).Issue(t, "bridge.test")).Leaf
	for at, want := range map[time.Time]string{
		time.Now():                       "",
		leaf.NotAfter.Add(time.Second):   "expired at",
		leaf.NotBefore.Add(-time.Second): "is valid from",
	} {
		if err := certificate.CheckTime(leaf, at); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("at %s: got %v, want %q", at, err, want)
		}
	}
}

// A client that pins the file connects by an address that is not in the certificate, and to no
// server with another certificate of the same authority.
func TestPinnedTrustsOneCertificate(t *testing.T) {
	a := certtest.New(t)
	for _, name := range []string{"bridge.test", "192.0.2.7"} {
		ours, theirs := a.Issue(t, name), a.Issue(t, name)
		pinned, err := certificate.Pinned(ours.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			files certificate.Files
			ok    bool
		}{{ours, true}, {theirs, false}} {
			loaded := certtest.Load(t, tt.files)
			if err := shake(t, &tls.Config{GetCertificate: certificate.NewPair(&loaded).GetCertificate}, pinned); (err == nil) != tt.ok {
				t.Errorf("%s: got %v, want success %v", name, err, tt.ok)
			}
		}
	}
}

// A certificate that is exchanged is that of the next handshake.
func TestUseExchangesTheCertificate(t *testing.T) {
	a := certtest.New(t)
	old, next := certtest.Load(t, a.Issue(t, "bridge.test")), certtest.Load(t, a.Issue(t, "bridge.test"))
	pair := certificate.NewPair(&old)
	for _, want := range []*tls.Certificate{&old, &next} {
		pair.Use(want)
		client := &tls.Config{RootCAs: a.Pool(), ServerName: "bridge.test", VerifyConnection: func(s tls.ConnectionState) error {
			if !s.PeerCertificates[0].Equal(want.Leaf) {
				t.Error("another certificate than the one in use")
			}
			return nil
		}}
		if err := shake(t, &tls.Config{GetCertificate: pair.GetCertificate}, client); err != nil {
			t.Error(err)
		}
		if got, err := pair.GetCertificate(nil); err != nil || !got.Leaf.Equal(want.Leaf) {
			t.Error("Leaf is another certificate")
		}
	}
}

// shake returns the error of the client's handshake.
func shake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // the client says what it thinks of it
			_ = conn.Close()
		}
	}()
	defer func() {
		_ = l.Close()
		<-ended
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return tls.Client(conn, client).HandshakeContext(t.Context())
}
