package auth_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

const (
	first  = "first-secret-000001"
	second = "second-secret-00002"
	third  = "#third-secret-00003" // # begins no comment
	hidden = "hid\x01den-secret"   // is refused
)

// unread fails the test when a body is read.
type unread struct{ t testing.TB }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func file(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// authenticate takes a request through both steps, and returns the names of the credentials that
// let it in; none if it is refused.
func authenticate(a *auth.Authenticator, in auth.Request, body []byte) (names []string) {
	if in.Now.IsZero() {
		in.Now = time.Now()
	}
	v := a.Check(in)
	if v.NeedsBody() {
		a.Verify(in, &v, body)
	}
	if !v.Accepted() {
		return nil
	}
	for c := range v.Credentials {
		names = append(names, c.Name)
	}
	return names
}

func newAuthenticator(t testing.TB, c auth.Config) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(c, "auth")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAuthenticate(t *testing.T) {
	a := newAuthenticator(t, auth.Config{
		Bearer:     []value.Secret{first, second},
		BearerFile: file(t, "\n  "+third+" \r\n\n"),
		Header:     auth.HeaderConfig{Name: "x-api-key", Values: []value.Secret{first}, ValuesFile: file(t, second)},
	})
	for _, tt := range []struct {
		name   string
		header http.Header
		want   string // credential, "" if refused
	}{
		{"nothing", nil, ""},
		{"first", http.Header{"Authorization": {"Bearer " + first}}, "bearer-1"},
		{"second", http.Header{"Authorization": {"Bearer " + second}}, "bearer-2"},
		{"from-file", http.Header{"Authorization": {"Bearer " + third}}, "bearer-3"},
		{"scheme-case", http.Header{"Authorization": {"bEARER " + first}}, "bearer-1"},
		{"spaces", http.Header{"Authorization": {"Bearer   " + first}}, "bearer-1"},
		{"wrong", http.Header{"Authorization": {"Bearer wrong"}}, ""},
		{"prefix", http.Header{"Authorization": {"Bearer " + first[:10]}}, ""},
		{"longer", http.Header{"Authorization": {"Bearer " + first + "x"}}, ""},
		{"bare", http.Header{"Authorization": {first}}, ""},
		{"basic", http.Header{"Authorization": {"Basic " + first}}, ""},
		{"scheme-only", http.Header{"Authorization": {"Bearer"}}, ""},
		{"empty-token", http.Header{"Authorization": {"Bearer  "}}, ""},
		{"twice", http.Header{"Authorization": {"Bearer " + first, "Bearer " + first}}, ""},
		{"header", http.Header{"X-Api-Key": {first}}, "header-1"},
		{"header-from-file", http.Header{"X-Api-Key": {second}}, "header-2"},
		{"header-wrong", http.Header{"X-Api-Key": {"wrong"}}, ""},
		{"header-empty", http.Header{"X-Api-Key": {""}}, ""},
		{"header-twice", http.Header{"X-Api-Key": {"wrong", first}}, ""},
		{"header-twice-the-same", http.Header{"X-Api-Key": {first, first}}, ""},
		{"header-of-the-bearer", http.Header{"X-Api-Key": {third}}, ""},
		{"one-of-two-right", http.Header{"Authorization": {"Basic x"}, "X-Api-Key": {first}}, "header-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/webhook?token="+first, unread{t})
			r.Header = tt.header
			if got := strings.Join(authenticate(a, auth.Request{Request: r}, nil), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSecretsAsTheyAreWritten: the secret that is meant lets in, however it was written, and what looks
// wrong is said without it. The client's side reads the same.
func TestSecretsAsTheyAreWritten(t *testing.T) {
	const secret = "The-secret-00000001"
	for _, tt := range []struct {
		name, text string
		warning    string // "": none
	}{
		{"plain", secret, ""},
		{"line-feed", secret + "\n", ""},
		{"byte-order-mark", "\ufeff" + secret + "\r\n", ""},
		{"utf-16", "\xff\xfe" + strings.Join(strings.Split(secret, ""), "\x00") + "\x00", ""},
		{"quotes", `"` + secret + `"`, "in quotes"},
		{"header-line", "Authorization: Bearer " + secret, "more than the secret"},
		{"scheme", "bearer " + secret, "more than the secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for way, config := range map[string]auth.Config{
				"value": {Bearer: []value.Secret{value.Secret(tt.text)}},
				"file":  {BearerFile: file(t, tt.text)},
			} {
				a, err := auth.New(config, "auth")
				if err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				if authenticate(a, post("Authorization", "Bearer "+secret), nil) == nil {
					t.Errorf("%s: the secret is refused", way)
				}
				signer, err := config.Signer(time.Now())
				if err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				own := post()
				if err := signer.Sign(own.Request, nil, time.Now()); err != nil || own.Header.Get("Authorization") != "Bearer "+secret {
					t.Errorf("%s: the credential is %q %v", way, own.Header.Get("Authorization"), err)
				}
				warnings := strings.Join(config.Warnings("auth"), "\n")
				if (warnings != "") != (tt.warning != "") || !strings.Contains(warnings, tt.warning) || strings.Contains(warnings, secret) {
					t.Errorf("%s: warnings %q, want %q", way, warnings, tt.warning)
				}
			}
		})
	}
}

func TestChallenge(t *testing.T) {
	tests := []struct {
		name   string
		config auth.Config
		want   string
	}{
		{"bearer", auth.Config{Bearer: []value.Secret{first}}, "Bearer"},
		{"header", auth.Config{Header: auth.HeaderConfig{Name: "X-Key", Values: []value.Secret{first}}}, ""},
		{"disabled", auth.Config{Disabled: true}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newAuthenticator(t, tt.config).Challenge(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDisabledLetsAllIn(t *testing.T) {
	a := newAuthenticator(t, auth.Config{Disabled: true})
	if got := authenticate(a, post(), nil); len(got) != 1 || got[0] != auth.Open {
		t.Errorf("got %q, want %q", got, auth.Open)
	}
}

// checkValidate checks that Validate and New refuse a configuration with an error that has the parts
// in their order and no secret, or that neither does if there are no parts.
func checkValidate(t *testing.T, c auth.Config, key string, parts ...string) {
	t.Helper()
	err := c.Validate(key)
	if _, newErr := auth.New(c, key); (err == nil) != (newErr == nil) {
		t.Errorf("New: got %v, want as Validate: %v", newErr, err)
	}
	if (err == nil) != (len(parts) == 0) {
		t.Fatalf("got %v, want %q", err, parts)
	}
	if err == nil {
		return
	}
	rest := err.Error()
	for _, secret := range []string{first, second, third, hidden} {
		if strings.Contains(rest, secret) {
			t.Errorf("a secret is in the error %q", rest)
		}
	}
	for _, part := range parts {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Fatalf("got %q, want %q in it", err, part)
		}
		rest = after
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		config auth.Config
		key    string
		want   []string // parts of the error, in order; none: no error
	}{
		{"fine", auth.Config{Bearer: []value.Secret{first}}, "auth", nil},
		{"disabled", auth.Config{Disabled: true}, "auth", nil},
		{"nothing", auth.Config{}, "auth", []string{"auth.bearer: no secret is configured", "TREBLE_BRIDGE_AUTH_BEARER", "auth.disabled: true"}},
		{"nothing-in-list", auth.Config{}, "sources[1].auth", []string{"sources[1].auth.bearer: no secret is configured", "sources[1].auth.disabled: true"}},
		{"both", auth.Config{Disabled: true, Bearer: []value.Secret{first}}, "auth", []string{"auth.disabled: true, but"}},
		{"empty", auth.Config{Bearer: []value.Secret{first, ""}}, "auth", []string{"auth.bearer[1]: the secret is empty"}},
		{"blank", auth.Config{Bearer: []value.Secret{" \n\ufeff"}}, "auth", []string{"auth.bearer[0]: the secret is empty"}},
		{"control", auth.Config{Bearer: []value.Secret{hidden}}, "auth", []string{"auth.bearer[0]: the secret has a control character"}},
		{"control-in-file", auth.Config{BearerFile: file(t, "\n"+hidden)}, "auth", []string{"auth.bearer_file: line 2: the secret has a control"}},
		{"file-missing", auth.Config{BearerFile: "/nowhere/at/all"}, "auth", []string{"auth.bearer_file: open /nowhere"}},
		{"file-empty", auth.Config{BearerFile: file(t, " \n\n")}, "auth", []string{"auth.bearer_file: the file", "has no secret"}},
		{"no-name", auth.Config{Header: auth.HeaderConfig{Values: []value.Secret{first}}}, "auth", []string{"auth.header.name: is missing"}},
		{"bad-name", auth.Config{Header: auth.HeaderConfig{Name: "X Key", Values: []value.Secret{first}}}, "auth", []string{"auth.header.name: is not a header name"}},
		{"name-only", auth.Config{Bearer: []value.Secret{first}, Header: auth.HeaderConfig{Name: "X-Key"}}, "auth", []string{"auth.header.name: is set, but"}},
		{"authorization", auth.Config{Header: auth.HeaderConfig{Name: "authorization", Values: []value.Secret{first}}}, "auth", []string{"auth.header.name: is Authorization"}},
		{"host", auth.Config{Header: auth.HeaderConfig{Name: "host", Values: []value.Secret{first}}}, "auth", []string{"auth.header.name: is Host, which"}},
		{"content-length", auth.Config{Header: auth.HeaderConfig{Name: "Content-Length", Values: []value.Secret{first}}}, "auth", []string{"auth.header.name: is Content-Length, which"}},
		{"placeholder", auth.Config{Bearer: []value.Secret{"${TREBLE_WEBHOOK_TOKEN}"}}, "auth", []string{"auth.bearer[0]: the secret looks like a placeholder"}},
		{"placeholder-words", auth.Config{Bearer: []value.Secret{"your-secret-token-here"}, AllowShort: true}, "auth", []string{"auth.bearer[0]: the secret looks like a placeholder"}},
		{"short", auth.Config{Bearer: []value.Secret{"fifteen-bytes-x"}}, "auth", []string{"auth.bearer[0]: the secret has fewer than 16 bytes", "allow_short_secrets"}},
		{"all-at-once", auth.Config{Bearer: []value.Secret{""}, Header: auth.HeaderConfig{Values: []value.Secret{hidden}}}, "auth",
			[]string{"auth.bearer[0]", "auth.header.values[0]", "auth.header.name"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkValidate(t, tt.config, tt.key, tt.want...)
		})
	}
	if err := (auth.Config{BearerFile: "/nowhere/at/all"}).Validate("auth"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want one that is os.ErrNotExist", err)
	}
}

func TestShortSecrets(t *testing.T) {
	c := auth.Config{Bearer: []value.Secret{first, "short"}, BearerFile: file(t, "tiny")}
	err := c.Validate("auth")
	if err == nil || !strings.Contains(err.Error(), "auth.bearer[1]: the secret has fewer than 16 bytes") ||
		!strings.Contains(err.Error(), "\nauth.bearer_file: line 1: the secret has fewer than 16 bytes") {
		t.Errorf("got %v, want an error for bearer[1] and line 1 of the file", err)
	}
	c.AllowShort = true
	if err := c.Validate("auth"); err != nil {
		t.Errorf("with allow_short_secrets: %v", err)
	}
	got := strings.Join(c.Warnings("auth"), "\n")
	if !strings.HasPrefix(got, "auth.bearer[1]: the secret is short") || !strings.Contains(got, "\nauth.bearer_file: line 1: the secret is short") {
		t.Errorf("got %q, want a warning for bearer[1] and line 1 of the file", got)
	}
	if strings.Contains(got+err.Error(), "tiny") {
		t.Errorf("a secret is in the warnings %q or the error %q", got, err)
	}
}

func FuzzAuthenticate(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer " + first, "bearer\t" + first, "Bearer  x y", "Basic eDp5", first} {
		f.Add(seed)
	}
	a := newAuthenticator(f, auth.Config{
		Bearer: []value.Secret{first},
		Header: auth.HeaderConfig{Name: "X-Key", Values: []value.Secret{second}},
	})
	f.Fuzz(func(t *testing.T, given string) {
		r := &http.Request{Header: http.Header{"Authorization": {given}, "X-Key": {given}}}
		got := authenticate(a, auth.Request{Request: r}, nil)
		if got != nil && !strings.Contains(given, first) && given != second {
			t.Errorf("%q was let in as %s", given, got)
		}
	})
}
