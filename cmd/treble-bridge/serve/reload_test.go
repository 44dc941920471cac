package serve_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// mount is a directory as Kubernetes makes one of a Secret: each file is a link through ..data, and an
// update exchanges that link alone.
type mount struct {
	dir      string
	versions int
}

func (m *mount) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mount) update(t *testing.T, files map[string][]byte) {
	t.Helper()
	m.versions++
	version := fmt.Sprintf("..version-%d", m.versions)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(m.path(version), 0o700))
	for name, b := range files {
		must(os.WriteFile(filepath.Join(m.path(version), name), b, 0o600))
		if m.versions == 1 {
			must(os.Symlink(filepath.Join("..data", name), m.path(name)))
		}
	}
	must(os.Symlink(version, m.path("..new")))
	must(os.Rename(m.path("..new"), m.path("..data")))
}

// secretFiles are a certificate, its key, and bearer tokens.
func secretFiles(t *testing.T, ca *certtest.Authority, tokens ...string) map[string][]byte {
	t.Helper()
	pair := ca.Issue(t, "bridge.test")
	files := map[string][]byte{"bearer": []byte(strings.Join(tokens, "\n"))}
	for name, from := range map[string]string{"tls.crt": pair.Certificate, "tls.key": pair.Key} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	return files
}

// reloading is a bridge with a configuration file, and secrets as Kubernetes mounts them.
type reloading struct {
	*clitest.Process
	file    string
	secrets mount
	ingress string // where it listens
}

func startReloading(t *testing.T, ca *certtest.Authority, tokens ...string) *reloading {
	t.Helper()
	r := &reloading{file: filepath.Join(t.TempDir(), "bridge.yaml"), secrets: mount{dir: t.TempDir()}}
	r.secrets.update(t, secretFiles(t, ca, tokens...))
	r.configure(t, "")
	r.Process = clitest.StartProcess(t, "serve", "--config", r.file)
	natstest.Eventually(t, "the bridge is ready", func() bool {
		_, ready := r.Readyz(t)
		return strings.Contains(ready, `"ready"`)
	})
	r.ingress = r.Addrs(t).Ingress
	return r
}

// configure writes the configuration with more lines, in one step.
func (r *reloading) configure(t *testing.T, more string) {
	t.Helper()
	text := fmt.Sprintf("auth: {bearer_file: %s}\ningress: {tls: {cert_file: %s, key_file: %s}}\n%s",
		r.secrets.path("bearer"), r.secrets.path("tls.crt"), r.secrets.path("tls.key"), more)
	if err := datadir.ReplaceFile(r.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *reloading) metric(t *testing.T, name string) string {
	t.Helper()
	_, metrics := clitest.Ops(t, r.Addrs(t).Ops, "/metrics")
	found := regexp.MustCompile(`(?m)^treble_bridge_` + name + ` (\S+)$`).FindStringSubmatch(metrics)
	if found == nil {
		t.Fatalf("there is no metric %s", name)
	}
	return found[1]
}

// reloads returns the number of successful reloads.
func (r *reloading) reloads() int {
	return strings.Count(r.Errs.String(), "the configuration was read again")
}

// post posts an event, and returns the status and the serial number of the certificate.
func (r *reloading) post(client *http.Client, token, body string) (status int, serial string, err error) {
	req, err := http.NewRequest(http.MethodPost, "https://"+r.ingress+"/webhook", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.TLS.PeerCertificates[0].SerialNumber.String(), err
}

func newTLSClient(ca *certtest.Authority, keepAlive bool, protocols ...string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: ca.Pool(), ServerName: "bridge.test", NextProtos: protocols},
		DisableKeepAlives: !keepAlive, ForceAttemptHTTP2: len(protocols) == 0,
	}}
}

// Secrets and certificates are exchanged under load, several times, without one good request that is
// refused, over connections that stay and over new ones, with HTTP/1.1 and HTTP/2.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t)
	name := func(i int) string { return fmt.Sprintf("token-of-the-rotation-%d", i) }
	r := startReloading(t, ca, name(0))
	body := clitest.Sample(t, "message.read")
	var token atomic.Pointer[string]
	use := func(s string) { token.Store(&s) }
	use(name(0))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	var posted atomic.Int64
	for _, client := range []*http.Client{newTLSClient(ca, true), newTLSClient(ca, true, "http/1.1"), newTLSClient(ca, false), newTLSClient(ca, false, "http/1.1")} {
		load.Go(func() {
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if status, _, err := r.post(client, *token.Load(), body); status != http.StatusOK {
					t.Errorf("a good request: %d, %v", status, err)
					return
				}
				posted.Add(1)
			}
		})
	}
	fresh := newTLSClient(ca, false)
	_, before, err := r.post(fresh, name(0), body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		old, next := name(i), name(i+1)
		done := r.reloads()
		r.secrets.update(t, secretFiles(t, ca, old, next))
		natstest.Eventually(t, "the new secret counts too", func() bool { return r.reloads() > done })
		_, serial, err := r.post(fresh, next, body)
		if err != nil || serial == before {
			t.Errorf("rotation %d: the certificate is still the old one (%v)", i, err)
		}
		use(next)
		at := posted.Load()
		natstest.Eventually(t, "nobody uses the old secret", func() bool { return posted.Load() > at+20 })
		done = r.reloads()
		r.secrets.update(t, secretFiles(t, ca, next))
		natstest.Eventually(t, "the old secret is gone", func() bool { return r.reloads() > done })
		status, serial, err := r.post(fresh, old, body)
		if err != nil || status != http.StatusUnauthorized {
			t.Errorf("rotation %d: the old secret: %d, %v, want 401", i, status, err)
		}
		before = serial
	}
	stop()
	load.Wait()
	t.Logf("%d requests, 6 reloads", posted.Load())
	r.Stop(t)
}

// What is wrong changes nothing, and log, metric and /readyz say so, until it is put right.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t)
	const token = "token-that-stays-good"
	r := startReloading(t, ca, token)
	client := newTLSClient(ca, false)
	works := func(when string) {
		t.Helper()
		body := clitest.Sample(t, "message.read")
		if status, _, err := r.post(client, token, body); status != http.StatusOK {
			t.Errorf("%s: %d, %v", when, status, err)
		}
	}
	good := secretFiles(t, ca, token)
	otherKey := secretFiles(t, ca, token)
	otherKey["tls.crt"] = good["tls.crt"]
	empty := secretFiles(t, ca, token)
	empty["bearer"] = nil
	for _, tt := range []struct {
		name, want string
		spoil      func()
	}{
		{"key", "ingress.tls.cert_file", func() { r.secrets.update(t, otherKey) }},
		{"secrets", "auth.bearer_file", func() { r.secrets.update(t, empty) }},
		{"yaml", "bridge.yaml", func() { r.configure(t, "log: {level: [\n") }},
		{"unknown", "ingres", func() { r.configure(t, "ingres: {max_body: 1MiB}\n") }},
	} {
		tt.spoil()
		var got string
		natstest.Eventually(t, tt.name+" is refused", func() bool {
			_, got = r.Readyz(t)
			return strings.Contains(got, tt.want)
		})
		if !strings.Contains(got, `"status":"degraded"`) || !strings.Contains(got, "treble-bridge config check") {
			t.Errorf("%s: /readyz: %s", tt.name, got)
		}
		if got := r.metric(t, "config_last_reload_successful"); got != "0" {
			t.Errorf("%s: the metric is %s", tt.name, got)
		}
		works(tt.name)
		r.secrets.update(t, good)
		r.configure(t, "")
		natstest.Eventually(t, "it is put right", func() bool {
			_, ready := r.Readyz(t)
			return r.metric(t, "config_last_reload_successful") == "1" && strings.Contains(ready, `"status":"ready"`)
		})
		works("after " + tt.name)
	}
	if log := r.Errs.String(); strings.Contains(log, token) || !strings.Contains(log, "is refused: the one before stays in effect") {
		t.Errorf("the log:\n%s", log)
	}
}

// At SIGHUP the configuration is read again too; what cannot change then is named.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	r := startReloading(t, certtest.New(t), "token-of-the-hangup-test")
	r.Signal(t, syscall.SIGHUP)
	natstest.Eventually(t, "it reads nothing new", func() bool { return r.reloads() == 1 })
	r.configure(t, "log: {level: debug}\npublisher: {max_age: 100h}\n")
	natstest.Eventually(t, "it takes over the level", func() bool {
		log := r.Errs.String()
		return strings.Contains(log, `"changed":["log.level"]`) && strings.Contains(log, `wait for a restart","keys":["publisher.max_age"]`)
	})
	code, out, errs := clitest.Command(t.Context(), clitest.Sample(t, "message.read"), "send", "-", "--config", r.file, "--data-dir", r.Dir)
	if code != cli.ExitFine {
		t.Errorf("send: exit %d, %s%s", code, out, errs)
	}
	natstest.Eventually(t, "an accepted delivery is logged", func() bool {
		return strings.Contains(r.Errs.String(), `"level":"debug"`) && strings.Contains(r.Errs.String(), `"msg":"accepted"`)
	})
	r.Stop(t)
}
