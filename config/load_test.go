package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
)

func TestLoadWithoutAnythingIsTheDefault(t *testing.T) {
	l := mustLoad(t, "")
	if got, want := l.Config, config.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for key, origin := range l.Origins {
		if origin != config.OriginDefault {
			t.Errorf("origin of %s: got %s, want default", key, origin)
		}
	}
}

// The trap of viper: AutomaticEnv does not reach keys that no other layer
// has set. Each key is set alone, by environment, and must arrive.
func TestEveryKeyByEnvironment(t *testing.T) {
	texts := map[string]string{ // by type: what to set, and what is shown then
		"string": "other", "bool": "true", "int": "7", "duration": "97s", "size": "3MiB",
		"list": "a,b", "secret": "s3cret", "list of secrets": "one,two",
		"sources": `[{"name":"x","paths":["/x"]}]`, "named secrets": `[{"name":"x","scheme":"bearer","value":"s3cret"}]`,
	}
	shown := map[string]any{
		"string": "other", "bool": true, "int": 7, "duration": "1m37s", "size": "3MiB",
		"list": []any{"a", "b"}, "secret": "<secret>", "list of secrets": []any{"<secret>", "<secret>"},
		"named secrets": []any{map[string]any{"name": "x", "scheme": "bearer", "value": "<secret>", "file": "", "not_before": "", "not_after": ""}},
	}
	for _, key := range config.Keys() {
		t.Run(key.Name, func(t *testing.T) {
			text, ok := texts[key.Type]
			if !ok {
				t.Fatalf("type %q: this test knows no value of it", key.Type)
			}
			t.Setenv(key.Env, text)
			l := mustLoad(t, "")
			if got := l.Origins[key.Name]; got != config.OriginEnv {
				t.Errorf("origin: got %s, want env", got)
			}
			if key.Type == "sources" {
				if len(l.Sources) != 1 || l.Sources[0].Name != "x" || l.Sources[0].Paths[0] != "/x" {
					t.Errorf("got %+v", l.Sources)
				}
				return
			}
			for _, s := range l.Settings() {
				want := any(nil)
				if s.Key == key.Name {
					want = shown[key.Type]
				} else if s.Origin != config.OriginDefault {
					t.Errorf("%s changed too", s.Key)
				}
				if want != nil && !reflect.DeepEqual(s.Value, want) {
					t.Errorf("got %#v, want %#v", s.Value, want)
				}
			}
		})
	}
}

func TestSecretsByEnvironment(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", "secret-number-one, secret-number-two")
	l := mustLoad(t, "")
	if got, want := l.Auth.Bearer, []value.Secret{"secret-number-one", "secret-number-two"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %d secrets, want the two", len(got))
	}
	if err := l.Validate(); err != nil {
		t.Errorf("one variable must be enough to start: %v", err)
	}
}

func TestLayers(t *testing.T) {
	const text = "ingress: {addr: 'file:1'}\nops: {addr: 'file:2'}\nlog: {level: warn}\n"
	t.Setenv("TREBLE_BRIDGE_INGRESS_ADDR", "env:1")
	t.Setenv("TREBLE_BRIDGE_OPS_ADDR", "env:2")
	t.Setenv("TREBLE_BRIDGE_LOG_LEVEL", "") // as if it were not set
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.String("addr", ":8080", "")
	set.String("data-dir", "", "") // a flag's own default does not count
	if err := set.Parse([]string{"--addr", "flag:1"}); err != nil {
		t.Fatal(err)
	}
	l, err := load(t, text, map[string]*pflag.Flag{"ingress.addr": set.Lookup("addr"), "data_dir": set.Lookup("data-dir")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, got, want string
		origin         config.Origin
	}{
		{"ingress.addr", l.Ingress.Addr, "flag:1", config.OriginFlag},
		{"ops.addr", l.Ops.Addr, "env:2", config.OriginEnv},
		{"log.level", l.Log.Level, "warn", config.OriginFile},
		{"data_dir", l.DataDir, "./data", config.OriginDefault},
	} {
		if c.got != c.want || l.Origins[c.key] != c.origin {
			t.Errorf("%s: got %q from %s, want %q from %s", c.key, c.got, l.Origins[c.key], c.want, c.origin)
		}
	}
}

func TestFileNamedByEnvironment(t *testing.T) {
	t.Setenv(config.EnvFile, configFile(t, "data_dir: /elsewhere\n"))
	l, err := config.Load(config.Options{})
	if err != nil || l.DataDir != "/elsewhere" || len(l.Warnings) != 0 {
		t.Errorf("got %q, %v, %v", l.DataDir, err, l.Warnings)
	}
}

func TestFileValues(t *testing.T) {
	l := mustLoad(t, `
data_dir: 0123            # stays the text that it is
ingress: {max_body: 12KiB, accept_timeout: 1m30s, max_in_flight: 12}
ops:
  pprof: true
nats:                     # a group with nothing in it
publisher: {max_bytes: 1024, max_age: 30d}
auth:
  bearer: one,alone       # in a file a comma is part of the secret
`)
	if l.DataDir != "0123" || l.Ingress.MaxBody != 12*value.KiB || l.Ingress.AcceptTimeout != 90*time.Second ||
		l.Ingress.MaxInFlight != 12 || !l.Ops.Pprof || l.Publisher.MaxBytes != value.KiB || l.Publisher.MaxAge != 720*time.Hour {
		t.Errorf("got %+v", l.Config)
	}
	if len(l.Auth.Bearer) != 1 || l.Auth.Bearer[0] != "one,alone" {
		t.Errorf("bearer: got %d secrets", len(l.Auth.Bearer))
	}
	if l.NATS.Embedded.Addr != config.Default().NATS.Embedded.Addr {
		t.Error("an empty group lost its defaults")
	}
}

// Viper would lower-case the names inside a reply.
func TestSourcesKeepTheCaseOfReplies(t *testing.T) {
	l := mustLoad(t, `
sources:
  - &first
    name: Main
    paths: [/In]
    kinds: [message.read]
    auth: {header: {name: X-Key, values: [abc]}}
    reply: {userSessionKeys: [{Key: A, Value: "1"}], OK: true, count: 3}
`)
	s := l.Sources[0]
	if want := value.Object(`{"userSessionKeys":[{"Key":"A","Value":"1"}],"OK":true,"count":3}`); s.Reply != want {
		t.Errorf("reply: got %s, want %s", s.Reply, want)
	}
	if s.Name != "Main" || s.Paths[0] != "/In" || s.Auth.Header.Values[0] != "abc" {
		t.Errorf("got %+v", s)
	}
}

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown", "data_dirr: x", `unknown key "data_dirr": do you mean "data_dir"? (line 1)`},
		{"unknown-inside", "publisher:\n  ack_timout: 1s", `unknown key "publisher.ack_timout": do you mean "publisher.ack_timeout"? (line 2)`},
		{"wrong-roof", "max_age: 1h", `do you mean "publisher.max_age"?`},
		{"case", "Data_Dir: x", `unknown key "Data_Dir": do you mean "data_dir"?`},
		{"dotted", "log.level: info", `unknown key "log.level": write each part on a line of its own`},
		{"unknown-in-source", "sources: [{nam: x}]", `unknown key "sources[0].nam": do you mean "sources[0].name"?`},
		{"far", "zzzzzzzz: 1", `unknown key "zzzzzzzz" (line 1)`},
		{"unknown-scheme", "auth: {oauth: {values: [x]}}", `unknown key "auth.oauth": do you mean "auth.path"? (line 1)`},
		{"no-blank", "auth: {bearer:hidden-secret}", `unknown key "auth.bearer:…": write a blank behind the colon (line 1)`},
		{"twice", "data_dir: a\ndata_dir: b", "data_dir: stands here twice (line 2)"},
		{"duration", "ingress: {accept_timeout: 5}", `"5" is not a duration: use a number with a unit`},
		{"duration-weeks", "publisher: {max_age: 4w}", `publisher.max_age: "4w" is not a duration`},
		{"size", "ingress: {max_body: 10 apples}", `"10 apples" is not a size`},
		{"bool", "ops: {pprof: maybe}", `ops.pprof: "maybe" is neither true nor false`},
		{"int", "ingress: {max_in_flight: 1.5}", `"1.5" is not a whole number`},
		{"group-is-value", "log: info", "log: want keys with values (line 1)"},
		{"value-is-group", "data_dir: {a: b}", "data_dir: want a single value"},
		{"list-in-list", "auth: {bearer: [[a]]}", "auth.bearer[0]: want a single value"},
		{"sources-scalar", "sources: x", "sources: want a list"},
		{"reply-list", "sources: [{reply: [1]}]", "sources[0].reply: want an object"},
		{"not-a-mapping", "- a", "want keys with values"},
		{"not-yaml", "a: [", "is not YAML"},
		{"anchors-only", "shared: &auth {bearer: [a-long-enough-secret]}", `unknown key "shared"`},
		{"documents", "data_dir: a\n---\ndata_dir: b", "more than one YAML document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text, nil)
			checkError(t, err, c.want)
			if err != nil && !strings.Contains(err.Error(), "bridge.yaml: ") && c.name != "not-yaml" {
				t.Errorf("got %v, want it to name the file", err)
			}
		})
	}
}

func TestLoadReportsAllProblemsAtOnce(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_OPS_PPROF", "perhaps")
	l, err := load(t, "nope: 1\ningress: {max_body: x, idle_timeout: y}\nlog: {level: loud}", nil)
	for _, want := range []string{`"nope"`, "ingress.max_body", "ingress.idle_timeout", "environment TREBLE_BRIDGE_OPS_PPROF"} {
		checkError(t, err, want)
	}
	if l.Log.Level != "loud" || l.Ingress.MaxBody != config.Default().Ingress.MaxBody {
		t.Error("what could be read must be there, and the default of what could not")
	}
	checkError(t, l.Validate(), "log.level")
}

func TestErrorsAndOutputHoldNoSecret(t *testing.T) {
	const canary = "CANARYSECRET"
	t.Setenv("TREBLE_BRIDGE_SOURCES", "[{name: x, auth: {bearer: [["+canary+"]]}}]")
	l, err := load(t, `
nats: {token: `+canary+`, url: "nats://user:`+canary+`@host:4222", password: {a: `+canary+`}}
auth: {bearer: [`+canary+`], header: {values: {`+canary+`: 1}}}
`, nil)
	if err == nil {
		t.Fatal("want errors")
	}
	out := printed(t, l)
	for where, text := range map[string]string{"error": err.Error(), "print": out} {
		// A secret used as a key is the one thing that no reader can tell.
		if strings.Contains(text, canary) {
			t.Errorf("%s holds a secret:\n%s", where, text)
		}
	}
	if !strings.Contains(out, "token: <secret>") {
		t.Errorf("print does not show that there is a token:\n%s", out)
	}
}

func TestUnknownVariablesAreWarnings(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARERS", "x")
	// What Kubernetes sets beside a service named treble-bridge.
	t.Setenv("TREBLE_BRIDGE_SERVICE_HOST", "10.0.0.1")
	t.Setenv("TREBLE_BRIDGE_SERVICE_PORT_HTTP", "80")
	t.Setenv("TREBLE_BRIDGE_PORT", "tcp://10.0.0.1:80")
	t.Setenv("TREBLE_BRIDGE_PORT_80_TCP_ADDR", "10.0.0.1")
	l := mustLoad(t, "")
	want := []string{"environment variable TREBLE_BRIDGE_AUTH_BEARERS is no key of the configuration: do you mean TREBLE_BRIDGE_AUTH_BEARER?"}
	if !reflect.DeepEqual(l.Warnings, want) {
		t.Errorf("got %q, want %q", l.Warnings, want)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := config.Load(config.Options{File: filepath.Join(t.TempDir(), "none.yaml")})
	checkError(t, err, "none.yaml")
}

func TestDefaultsOfPackagesArrive(t *testing.T) {
	if got, want := config.Default().Publisher, publisher.DefaultConfig(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPrintHidesUserinfo(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"nats://a:1,b:2", "nats://a:1,b:2"},
		{"nats://hidden@a:1", "nats://<secret>@a:1"},
		{"nats://me:hidden@a:1, hidden@b:2", "nats://<secret>@a:1, <secret>@b:2"},
		{"tls://hidden/with+slash@a:1", "tls://<secret>@a:1"},
		{"nats://me:hid@den@a:1", "nats://<secret>@a:1"},
	} {
		if out := printed(t, mustLoad(t, "nats: {url: '"+c.url+"'}")); !strings.Contains(out, "url: "+c.want+" #") {
			t.Errorf("%s: got %s\nwant url: %s in it", c.url, out, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "a: 1", config.Template(), "x: &x [*x]", "sources: &s [{reply: {a: *s}}]", "<<: {data_dir: x}",
		"log: &l {level: info}\nops: *l", "sources: [{reply: {1: 2}}]", "!!binary a", "? {a: b}\n: c", "---\n...\n---\n",
	} {
		f.Add(seed)
	}
	file := filepath.Join(f.TempDir(), "bridge.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := config.Load(config.Options{File: file})
		if l == nil {
			t.Fatalf("no configuration beside the error %v", err)
		}
		// What was read must be printable, and readable again.
		out := printed(t, l)
		if err != nil {
			return
		}
		if _, err := load(t, out, nil); err != nil {
			t.Errorf("printed, and not readable again: %v\n%s", err, out)
		}
	})
}
