package natsconfig_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// credential is a kind of credential in files that are replaced.
type credential struct {
	name string
	make func(t *testing.T, dir string, c *natsconfig.Config) (rotate func(o *server.Options), write func())
}

// TestCredentialsAreReadAgain: NATS asks for new credentials, then their files are
// replaced, and the connection comes back without a restart. Each reason is logged once.
func TestCredentialsAreReadAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []credential{
		{"password-file", func(t *testing.T, dir string, c *natsconfig.Config) (func(*server.Options), func()) {
			n := 0
			c.User, c.PasswordFile = "bridge", filepath.Join(dir, "password")
			return func(o *server.Options) { n++; o.Username, o.Password = "bridge", fmt.Sprint("password-", n) },
				func() { replace(t, c.PasswordFile, fmt.Sprintf("\ufeffpassword-%d\r\n", n)) }
		}},
		{"token-file", func(t *testing.T, dir string, c *natsconfig.Config) (func(*server.Options), func()) {
			n := 0
			c.TokenFile = filepath.Join(dir, "token")
			return func(o *server.Options) { n++; o.Authorization = fmt.Sprint("token-", n) },
				func() { replace(t, c.TokenFile, fmt.Sprintf("token-%d\n", n)) }
		}},
		{"nkey-file", func(t *testing.T, dir string, c *natsconfig.Config) (func(*server.Options), func()) {
			var seed []byte
			c.NKeyFile = filepath.Join(dir, "nkey")
			return func(o *server.Options) {
				var public string
				public, seed = user(t)
				o.Nkeys = []*server.NkeyUser{{Nkey: public}}
			}, func() { replace(t, c.NKeyFile, "\ufeff"+string(seed)+"\n") }
		}},
		{"credentials-file", func(t *testing.T, dir string, c *natsconfig.Config) (func(*server.Options), func()) {
			var content []byte
			c.CredentialsFile = filepath.Join(dir, "bridge.creds")
			return func(o *server.Options) { content = operator(t, o) },
				func() { replace(t, c.CredentialsFile, "\ufeff"+string(content)) }
		}},
		{"certificates", func(t *testing.T, dir string, c *natsconfig.Config) (func(*server.Options), func()) {
			var ca *certtest.Authority
			c.TLS = natsconfig.TLS{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
			return func(o *server.Options) {
					ca = certtest.New(t)
					pair := certtest.Load(t, ca.Issue(t, "127.0.0.1"))
					o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
				}, func() {
					own := ca.Issue(t, "127.0.0.1")
					replace(t, c.TLS.CAFile, "\ufeff"+read(t, ca.File))
					replace(t, c.TLS.CertFile, "\ufeff"+read(t, own.Certificate))
					replace(t, c.TLS.KeyFile, read(t, own.Key))
				}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := natsconfig.Default()
			rotate, write := c.make(t, t.TempDir(), &cfg)
			o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true}
			rotate(o)
			write()
			n := natstest.Run(t, o)
			o.Port = n.Addr().(*net.TCPAddr).Port
			cfg.URL = fmt.Sprintf("nats://127.0.0.1:%d", o.Port)
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}

			log, logs := natstest.Log(zap.WarnLevel)
			conn, err := broker.Dial(broker.Options{NATS: cfg, Payload: 1 << 20, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				conn.Close(ctx)
			}()
			natstest.Eventually(t, "the first connection", conn.Connected)

			n.Shutdown()
			n.WaitForShutdown()
			rotate(o)
			refusals := &natstest.Refusals{}
			natstest.Run(t, o, refusals)
			natstest.Eventually(t, "three refusals", func() bool { return refusals.Count() >= 3 })
			if conn.Connected() {
				t.Fatal("connected with the old credentials")
			}
			natstest.Eventually(t, "a line that says why", func() bool {
				return logs.FilterMessage("nats cannot be reached").Filter(func(e observer.LoggedEntry) bool {
					return why.MatchString(fmt.Sprint(e.ContextMap()["error"]))
				}).Len() > 0
			})
			write()
			natstest.Eventually(t, "a connection with the new ones", conn.Connected)

			seen := map[string]int{}
			for _, e := range logs.All() {
				reason := fmt.Sprint(e.Message, localPort.ReplaceAllString(fmt.Sprint(e.ContextMap()), ""))
				if seen[reason]++; seen[reason] == 2 {
					t.Errorf("more than once: %s", reason)
				}
			}
			if len(seen) > 6 {
				t.Errorf("%d lines: %v", len(seen), seen)
			}
		})
	}
}

// localPort differs at each attempt to connect.
var localPort = regexp.MustCompile(`\S+->`)

// why matches the error of a server that was reached and refuses the client.
var why = regexp.MustCompile(`(?i)authorization|certificate`)

// A file that is not there for a moment is no reason to forget the password.
func TestLastSecretCounts(t *testing.T) {
	cfg := natsconfig.Default()
	cfg.User, cfg.PasswordFile = "bridge", filepath.Join(t.TempDir(), "password")
	replace(t, cfg.PasswordFile, "first")
	var warnings int
	password := passwordOf(t, natsconfig.NewCredentials(cfg, func(error) { warnings++ }))
	for _, step := range []struct{ content, want string }{{"first", "first"}, {"", "first"}, {"one\ntwo", "first"}, {"second", "second"}} {
		replace(t, cfg.PasswordFile, step.content)
		if got := password(); got != step.want {
			t.Errorf("with %q in the file: got %q, want %q", step.content, got, step.want)
		}
	}
	if warnings != 2 {
		t.Errorf("got %d warnings, want one for each file without a password", warnings)
	}
}

// passwordOf returns what tells the password at each attempt to connect.
func passwordOf(t *testing.T, c *natsconfig.Credentials) (password func() string) {
	t.Helper()
	var o nats.Options
	for _, set := range c.Options() {
		if err := set(&o); err != nil {
			t.Fatal(err)
		}
	}
	return func() string {
		_, password := o.UserInfo()
		return password
	}
}

func TestWarnings(t *testing.T) {
	cfg := natsconfig.Default()
	cfg.PasswordFile = filepath.Join(t.TempDir(), "password")
	replace(t, cfg.PasswordFile, `"hunter2-hunter2"`)
	cfg.Token, cfg.Embedded.Token = "${TOKEN}", "a fine pass phrase"
	got := strings.Join(cfg.Warnings(), "\n")
	for _, want := range []string{"nats.token: the secret looks like a placeholder", "nats.password_file: the secret stands in quotes"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "hunter2") || strings.Contains(got, "embedded") || strings.Contains(got, "TOKEN") {
		t.Errorf("got %q", got)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// replace writes a file in one step, as mounted secrets are replaced.
func replace(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// user makes a key pair of a user.
func user(t *testing.T) (public string, seed []byte) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	return public, seed
}

// operator makes the server one of a new operator with one account, and returns the
// credentials of a user in it.
func operator(t *testing.T, o *server.Options) []byte {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	op, err := nkeys.CreateOperator()
	must(err)
	account, err := nkeys.CreateAccount()
	must(err)
	opPublic, err := op.PublicKey()
	must(err)
	accountPublic, err := account.PublicKey()
	must(err)
	public, seed := user(t)

	accountJWT, err := jwt.NewAccountClaims(accountPublic).Encode(op)
	must(err)
	userJWT, err := jwt.NewUserClaims(public).Encode(account)
	must(err)
	resolver := &server.MemAccResolver{}
	must(resolver.Store(accountPublic, accountJWT))
	o.TrustedKeys, o.AccountResolver = []string{opPublic}, resolver
	content, err := jwt.FormatUserConfig(userJWT, seed)
	must(err)
	return content
}
