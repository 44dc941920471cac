package config_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

func TestMergeKeepsWhatNeedsARestart(t *testing.T) {
	was := config.Default()
	was.NATS.URL = "nats://a"
	was.Ingress.TLS.CertFile = "old.pem"
	next := was
	next.Log.Level, next.Auth.BearerFile, next.Ingress.MaxBody = "debug", "secrets", 1
	next.Limits.EventsPerSecond++
	next.Sources = []ingress.SourceConfig{{Name: "a"}}
	next.Ingress.TLS.CertFile = "new.pem"
	next.NATS.URL, next.Ingress.Addr, next.NATS.Embedded.TLS.CertFile = "nats://b", ":1", "f"
	merged, changed, waiting := was.Merge(&next)
	if want := []string{"log.level", "ingress.max_body", "ingress.tls.cert_file", "auth.bearer_file", "limits.events_per_second", "sources"}; !reflect.DeepEqual(changed, want) {
		t.Errorf("changed: got %q, want %q", changed, want)
	}
	if want := []string{"ingress.addr", "nats.url", "nats.embedded.tls.cert_file"}; !reflect.DeepEqual(waiting, want) {
		t.Errorf("waiting: got %q, want %q", waiting, want)
	}
	want := next
	want.NATS, want.Ingress.Addr = was.NATS, was.Ingress.Addr
	if !reflect.DeepEqual(merged, want) {
		t.Errorf("got %+v, want %+v", merged, want)
	}
	next.Ingress.TLS.CertFile = ""
	if merged, _, waiting := was.Merge(&next); merged.Ingress.TLS.CertFile != "old.pem" || !slices.Contains(waiting, "ingress.tls.cert_file") {
		t.Errorf("the end of TLS does not wait for a restart: %q", waiting)
	}
}

func TestFilesNamesWhatIsRead(t *testing.T) {
	c := config.Default()
	c.Ingress.TLS.CertFile, c.Ingress.TLS.KeyFile, c.Ingress.TLS.ClientCA, c.Ingress.TLS.ACME.CAFile = "c", "k", "a", "acme"
	c.NATS.Embedded.TLS.CertFile, c.NATS.PasswordFile = "n", "read for each connect"
	c.Auth.BearerFile = "b"
	c.Auth.HMAC.KeysFile = "h"
	c.Sources = []ingress.SourceConfig{{Auth: auth.Config{BearerFile: "s", Secrets: []auth.SecretConfig{{File: "named"}, {File: "b"}}}}}
	if got, want := c.Files(), []string{"a", "acme", "b", "c", "h", "k", "n", "named", "s"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
