// Package acme has the real bridge obtain a certificate of a real ACME server, pebble, on loopback. It is a module of its own,
// so that pebble stays out of the bridge's go.mod.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

func TestMain(m *testing.M) {
	// Pebble waits at random before it validates, and answers some requests with an error, to
	// see whether a client can stand it. The latter it may.
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	bridge.Main(m)
}

const domain = "bridge.test"

// server is an ACME server that validates by TLS-ALPN-01 at a port of this host.
type server struct {
	directory string
	authority string // file with the authority of its own certificate
	roots     *x509.CertPool
	stop      func()
}

func startServer(t *testing.T, tlsPort string) *server {
	t.Helper()
	port, err := strconv.Atoi(tlsPort)
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "of a test"}})
	validator := va.New(quiet, 1, port, false, startDNS(t), store)
	web := wfe.New(quiet, store, validator, issuer, []string{"pebble.test"}, false, false, 1, 1)

	own := certtest.New(t)
	pair := certtest.Load(t, own.Issue(t, "127.0.0.1"))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	serving := &http.Server{Handler: web.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := serving.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("pebble: %v", err)
		}
	}()
	s := &server{directory: "https://" + l.Addr().String() + wfe.DirectoryPath, authority: own.File, roots: x509.NewCertPool()}
	s.stop = func() {
		_ = serving.Close()
		<-done
	}
	t.Cleanup(s.stop)
	if !s.roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM()) {
		t.Fatal("pebble has no root")
	}
	return s
}

// startDNS starts a name server that knows every name as this host.
func startDNS(t *testing.T) (addr string) {
	t.Helper()
	addr = "127.0.0.1:" + bridge.FreePort(t)
	names, err := challtestsrv.New(challtestsrv.Config{Log: log.New(io.Discard, "", 0), DNSAddrs: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	names.SetDefaultDNSIPv4("127.0.0.1")
	names.SetDefaultDNSIPv6("")
	go names.Run()
	t.Cleanup(names.Shutdown)
	return addr
}

// env is that of a bridge with a certificate of the server.
func (s *server) env(port, cache string) []string {
	return []string{
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:" + port,
		"TREBLE_BRIDGE_INGRESS_TLS_ACME_DOMAINS=" + domain,
		"TREBLE_BRIDGE_INGRESS_TLS_ACME_ACCEPT_TERMS=true",
		"TREBLE_BRIDGE_INGRESS_TLS_ACME_DIRECTORY=" + s.directory,
		"TREBLE_BRIDGE_INGRESS_TLS_ACME_CA_FILE=" + s.authority,
		"TREBLE_BRIDGE_INGRESS_TLS_ACME_CACHE=" + cache,
	}
}

// post posts an event, and returns the certificate that the bridge showed.
func post(p *bridge.Process, roots *x509.CertPool, name string) (*x509.Certificate, error) {
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	body := bridge.ReadEvent(fmt.Sprint("acme-", time.Now().UnixNano()), 0, 20)
	req, err := http.NewRequest(http.MethodPost, "https://"+p.Addrs.Ingress+"/webhook", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+bridge.Token)
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Proto != "HTTP/2.0" {
		return nil, fmt.Errorf("answered %s %s", resp.Proto, resp.Status)
	}
	return resp.TLS.PeerCertificates[0], nil
}

// TestACME: the bridge obtains its certificate before the first client comes, serves with it, keeps it over a
// restart without the ACME server, and its own commands trust it.
func TestACME(t *testing.T) {
	port := bridge.FreePort(t)
	s := startServer(t, port)
	dir := t.TempDir()
	env := s.env(port, "")
	p := bridge.ServeOn(t, dir, env...)
	bridge.AwaitTrue(t, time.Minute, "there is a certificate", func() bool {
		return p.Metrics(t)["treble_bridge_certificate_expiry_timestamp_seconds"] > float64(time.Now().Unix())
	})
	first, err := post(p, s.roots, domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.VerifyHostname(domain); err != nil {
		t.Error(err)
	}
	if _, err := post(p, s.roots, "stranger.test"); err == nil {
		t.Error("there is a certificate for a domain that is not configured")
	}
	for name, want := range map[string]os.FileMode{"acme": 0o700 | os.ModeDir, "acme/" + domain: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
		}
	}
	commands(t, p, env)
	p.Stop()

	s.stop()
	p = bridge.ServeOn(t, dir, env...)
	second, err := post(p, s.roots, domain)
	if err != nil || !second.Equal(first) {
		t.Errorf("after a restart: another certificate, or none: %v", err)
	}
}

// commands runs those that post to the bridge, and doctor.
func commands(t *testing.T, p *bridge.Process, env []string) {
	env = append([]string{
		"TREBLE_BRIDGE_DATA_DIR=" + p.DataDir, "TREBLE_BRIDGE_OPS_ADDR=" + p.Addrs.Ops, "TREBLE_BRIDGE_AUTH_BEARER=" + bridge.Token,
	}, env...)
	if out := bridge.MustCommand(t, env, "send", "message.read", "--count", "2"); !strings.Contains(out, "200: 2") {
		t.Errorf("send: %s", out)
	}
	out, errs, code := bridge.Command(t, env, "doctor", "--json")
	var list struct {
		Checks []struct{ Name, Of, Status string }
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("doctor: exit code %d, %v\n%s%s", code, err, out, errs)
	}
	found := 0
	for _, c := range list.Checks {
		if c.Name == "certificate" || c.Name == "probe" {
			found++
			if c.Status != "pass" {
				t.Errorf("doctor: %s %s: %s", c.Name, c.Of, c.Status)
			}
		}
	}
	if found != 2 {
		t.Errorf("doctor has %d of the checks certificate and probe:\n%s", found, out)
	}
}

// TestACMEWithoutServer: while the ACME server cannot be reached the bridge runs, publishes, and says what is
// missing, once.
func TestACMEWithoutServer(t *testing.T) {
	port := bridge.FreePort(t)
	s := startServer(t, port)
	s.stop()
	p := bridge.Serve(t, s.env(port, "")...)
	bridge.AwaitTrue(t, time.Minute, "the log says it", func() bool {
		return strings.Contains(p.Output.String(), "no certificate: ingress.tls.acme")
	})
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: s.roots, ServerName: domain, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", p.Addrs.Ingress)
	if err == nil {
		_ = conn.Close()
		t.Error("a handshake without a certificate")
	}
	var refused net.Error
	if errors.As(err, &refused) && refused.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client is left waiting: %v", err)
	}
	p.Stop()
}
