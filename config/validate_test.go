package config_test

import (
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress"
)

const secured = "auth: {bearer: [a-long-enough-secret]}\n"

func TestValidate(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"fine", secured, ""},
		{"open-on-purpose", "auth: {disabled: true}", ""},
		{"no-auth", "data_dir: x", "auth.bearer: no secret is configured"},
		{"empty-secret", `auth: {bearer: [""]}`, "auth.bearer[0]"},
		{"ack-after-accept", secured + "ingress: {accept_timeout: 2s}", "publisher.ack_timeout (2s) must be less than ingress.accept_timeout (2s)"},
		{"same-port", secured + "ops: {addr: ':8080'}", "ingress.addr (:8080) and ops.addr (:8080)"},
		{"same-port-any-host", secured + "ops: {addr: '127.0.0.1:8080'}", "ingress.addr (:8080) and ops.addr (127.0.0.1:8080)"},
		{"nats-port", secured + "ops: {addr: '127.0.0.1:4222'}", "ops.addr (127.0.0.1:4222) and nats.embedded.addr (127.0.0.1:4222)"},
		{"nats-port-external", secured + "ops: {addr: '127.0.0.1:4222'}\nnats: {url: 'nats://127.0.0.1:4333'}", ""},
		{"port-0-twice", secured + "ingress: {addr: ':0'}\nops: {addr: ':0'}", ""},
		{"other-host", secured + "ingress: {addr: '127.0.0.2:9464'}", ""},
		{"level", secured + "log: {level: loud}", `log.level: "loud"`},
		{"format", secured + "log: {format: xml}", `log.format: "xml"`},
		{"shutdown", secured + "shutdown_timeout: 0s", "shutdown_timeout: 0s"},
		{"data-dir", secured + `data_dir: ""`, "data_dir: is empty"},
		{"sources-and-auth", secured + "sources: [{name: a, paths: [/a], auth: {disabled: true}}]", "auth.bearer and sources are both set"},
		{"mtls-without-tls", "auth: {mtls: {any: true}}", "auth.mtls: is set, but the listener asks for no certificate of a client"},
		{"mtls-of-a-source", "sources: [{name: a, paths: [/a], auth: {mtls: {sans: [a.test]}}}]", "sources[0].auth.mtls: is set, but"},
		{"source-without-auth", "sources: [{name: a, paths: [/a]}]", "sources[0].auth.bearer: no secret is configured"},
		{"sources", "sources: [{name: a, paths: [/a], auth: {disabled: true}}]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkError(t, mustLoad(t, c.text).Validate(), c.want)
		})
	}
}

func TestValidateReportsEverything(t *testing.T) {
	err := mustLoad(t, "data_dir: ''\nlog: {level: x, format: y}\nshutdown_timeout: -1s\nops: {addr: ':8080'}").Validate()
	for _, want := range []string{"data_dir", "log.level", "log.format", "shutdown_timeout", "ops.addr", "auth.bearer"} {
		checkError(t, err, want)
	}
}

// TestErrorsThatFollow: what may follow from an error of reading is not reported beside it,
// and everything else is.
func TestErrorsThatFollow(t *testing.T) {
	for _, c := range []struct {
		name, text, env string // env: KEY=value behind the prefix
		want            []string
	}{
		{"sources", "sources: [{nam: x}]", "", nil},
		{"sources-in-environment", "", "SOURCES=[{", nil},
		{"sources-and-another", "sources: [{reply: [1]}]\nlog: {level: loud}", "", []string{"log.level"}},
		{"sources-misspelt", "source: [{name: x}]", "", nil},
		{"sources-and-auth", "sources: x\nauth: {bearer_file: /none}", "", []string{"auth.bearer_file"}},
		{"bearer", "auth: {bearer: [[a]]}", "", nil},
		{"bearer-misspelt", "auth: {bearers: [a]}", "", nil},
		{"bearer-no-blank", "auth: {bearer:a}", "", nil},
		{"bearer-dotted", "auth.bearer: [a]", "", nil},
		{"auth-is-value", "auth: secret", "", nil},
		{"header-values", "auth: {header: {name: X-Key, values: {a: b}}}", "", nil},
		{"another", "ops: {pprof: maybe}", "", []string{"auth.bearer: no secret"}},
		{"unknown-and-far", "zzzzzzzz: 1", "", []string{"auth.bearer: no secret"}},
		{"one-of-two", "ingress: {accept_timeout: 9}\npublisher: {ack_timeout: 5s}\nauth: {disabled: true}", "", nil},
		{"address", "ingress: {addr: [a, b]}\nops: {addr: ':8080'}\nauth: {disabled: true}", "", nil},
		{"not-yaml", "a: [", "LOG_LEVEL=loud", []string{"log.level"}},
		{"not-yaml-and-set", "a: [", "AUTH_BEARER_FILE=/none", []string{"auth.bearer_file"}},
		{"not-yaml-and-half-set", "a: [", "AUTH_HEADER_NAME=X-Key", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if key, v, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(config.EnvPrefix+key, v)
			}
			l, err := load(t, c.text, nil)
			if err == nil {
				t.Fatal("want an error of reading")
			}
			got := l.Validate()
			if len(c.want) == 0 && got != nil {
				t.Errorf("got %v, want nothing beside %v", got, err)
			}
			for _, want := range c.want {
				checkError(t, got, want)
			}
		})
	}
	t.Run("no-file", func(t *testing.T) {
		l, err := config.Load(config.Options{File: t.TempDir() + "/none.yaml"})
		if got := l.Validate(); err == nil || got != nil {
			t.Errorf("got %v beside %v", got, err)
		}
	})
}

func TestEffectiveSources(t *testing.T) {
	l := mustLoad(t, secured)
	got := l.EffectiveSources()
	if len(got) != 1 || got[0].Name != "default" || len(got[0].Auth.Bearer) != 1 {
		t.Errorf("got %+v, want the default source with the secret", got)
	}
	l = mustLoad(t, "sources: [{name: a}, {name: b}]")
	if got := l.EffectiveSources(); len(got) != 2 || got[1].Name != "b" {
		t.Errorf("got %+v, want a and b", got)
	}
}

// TestAdvice: what works and should be better is named, by its key and without a secret.
func TestAdvice(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*config.Config)
		want string // key, or "" for no advice
	}{
		{"default", func(*config.Config) {}, ""},
		{"short-secret", func(c *config.Config) { c.Auth.Bearer, c.Auth.AllowShort = []value.Secret{"kilometre"}, true }, "auth.bearer[0]: "},
		{"disabled-everywhere", func(c *config.Config) { c.Auth.Disabled = true }, "auth.disabled: "},
		{"disabled-on-loopback", func(c *config.Config) { c.Auth.Disabled, c.Ingress.Addr = true, "127.0.0.1:8080" }, ""},
		{"disabled-in-a-source", func(c *config.Config) {
			s := ingress.DefaultSource()
			s.Auth.Disabled = true
			c.Sources = []ingress.SourceConfig{s}
		}, "sources[0].auth.disabled: "},
		{"pprof-everywhere", func(c *config.Config) { c.Ops.Pprof, c.Ops.Addr = true, ":9464" }, "ops.pprof: "},
		{"pprof-on-loopback", func(c *config.Config) { c.Ops.Pprof = true }, ""},
		{"password-in-the-open", func(c *config.Config) {
			c.NATS.URL, c.NATS.Password = "nats://nats.example.com:4222", "kilometre-77-81x"
		}, "nats.url: "},
		{"password-in-the-url", func(c *config.Config) { c.NATS.URL = "nats://a:kilometre-77-81x@nats.example.com:4222" }, "nats.url: "},
		{"password-in-a-url-without-scheme", func(c *config.Config) { c.NATS.URL = "a:kilometre-77-81x@nats.example.com" }, "nats.url: "},
		{"token-in-the-url", func(c *config.Config) { c.NATS.URL = "ws://kilometre-77-81x@nats.example.com" }, "nats.url: "},
		{"password-in-the-url-over-tls", func(c *config.Config) { c.NATS.URL = "tls://a:kilometre-77-81x@nats.example.com:4222" }, ""},
		{"password-in-the-url-of-this-host", func(c *config.Config) { c.NATS.URL = "nats://a:kilometre-77-81x@127.0.0.1:4222" }, ""},
		{"password-over-tls", func(c *config.Config) {
			c.NATS.URL, c.NATS.Password = "tls://nats.example.com:4222", "kilometre-77-81x"
		}, ""},
		{"password-here", func(c *config.Config) { c.NATS.URL, c.NATS.Password = "nats://127.0.0.1:4222", "kilometre-77-81x" }, ""},
		{"no-password", func(c *config.Config) { c.NATS.URL = "nats://nats.example.com:4222" }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config.Default()
			tt.set(&c)
			got := c.Advice()
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if strings.Contains(strings.Join(got, " "), "kilometre") {
				t.Errorf("the advice has the secret: %q", got)
			}
		})
	}
}
