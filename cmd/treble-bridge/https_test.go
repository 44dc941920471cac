package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/doctor"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// The commands of the bridge's own host trust the certificates that are configured, of HTTPS and of
// the embedded NATS, and doctor says how long they are valid.
func TestCommandsOfABridgeWithTLS(t *testing.T) {
	ca := certtest.New(t)
	web, nats := ca.Issue(t, "bridge.test"), ca.Issue(t, "nats.test", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10 * time.Minute) })
	c := clitest.Config(t)
	c.Ingress.TLS.CertFile, c.Ingress.TLS.KeyFile = web.Certificate, web.Key
	c.NATS.Embedded.TLS = publisher.EmbeddedTLSConfig{CertFile: nats.Certificate, KeyFile: nats.Key}
	b := clitest.Start(t, c)
	defer b.Stop(t)
	for name, v := range map[string]string{
		"INGRESS_TLS_CERT_FILE": web.Certificate, "INGRESS_TLS_KEY_FILE": web.Key,
		"NATS_EMBEDDED_TLS_CERT_FILE": nats.Certificate, "NATS_EMBEDDED_TLS_KEY_FILE": nats.Key,
		"DATA_DIR": c.DataDir, "AUTH_BEARER": clitest.Secret,
	} {
		t.Setenv("TREBLE_BRIDGE_"+name, v)
	}
	if code, out, errs := clitest.Command(t.Context(), "", "send", "message.read", "--count", "3"); code != cli.ExitFine || !strings.Contains(out, "200: 3") {
		t.Errorf("send: exit %d, %s%s", code, out, errs)
	}
	if got := b.Post(t, "{}"); got != http.StatusBadRequest {
		t.Errorf("plain HTTP: %d", got)
	}
	natstest.Eventually(t, "tail shows the events", func() bool {
		out, _ := b.Command(t, cli.ExitFine, "tail", "--no-follow", "--since", "1h", "--json")
		return strings.Count(out, "\n") == 3
	})
	code, out, errs := clitest.Command(t.Context(), "", "doctor", "--json")
	var list doctor.ChecklistJSON
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("doctor: exit %d, %v, %s", code, err, errs)
	}
	got := map[string]string{}
	for _, check := range list.Checks {
		if check.Name == "certificate" || check.Name == "probe" {
			got[check.Name+" "+check.Of] = fmt.Sprint(check.Status, ": ", check.Detail)
		}
	}
	for of, want := range map[string]string{
		"certificate ingress.tls.cert_file":       "pass: valid until ",
		"certificate nats.embedded.tls.cert_file": "warn: it expires in 0 days, ",
		"probe default": "pass: ",
	} {
		if !strings.HasPrefix(got[of], want) {
			t.Errorf("%s: got %q, want %q", of, got[of], want)
		}
	}
}

// A certificate that expired is named at the start and by doctor, and does not keep the bridge from
// publishing what is in its journal.
func TestExpiredCertificate(t *testing.T) {
	files := certtest.New(t).Issue(t, "bridge.test", certtest.Expired)
	c := clitest.Config(t)
	c.Ingress.TLS.CertFile, c.Ingress.TLS.KeyFile = files.Certificate, files.Key
	b := clitest.Start(t, c)
	b.Stop(t)
	t.Setenv("TREBLE_BRIDGE_INGRESS_TLS_CERT_FILE", files.Certificate)
	t.Setenv("TREBLE_BRIDGE_INGRESS_TLS_KEY_FILE", files.Key)
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", clitest.Secret)
	if _, out, _ := clitest.Command(t.Context(), "", "doctor", "--no-probe", "--data-dir", c.DataDir); !strings.Contains(out, "the certificate expired at") || !strings.Contains(out, "openssl x509") {
		t.Errorf("doctor:\n%s", out)
	}
	if _, out, errs := clitest.Command(t.Context(), "", "config", "check", "--data-dir", c.DataDir); !strings.Contains(out+errs, "ingress.tls.cert_file: the certificate expired at") {
		t.Errorf("config check: %s%s", out, errs)
	}
}
