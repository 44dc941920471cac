package config_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// example is a configuration in docs/security.md: a name, and the YAML below it.
var example = regexp.MustCompile("<!-- auth:([a-z-]+) -->\n```yaml\n((?s:.*?))```\n")

// TestSecurityExamples: what docs/security.md tells to write is valid, and lets in what the sender
// signs. The vectors are the published ones, where the sender has any.
func TestSecurityExamples(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := func(key, signed string) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
	const random, body = "9f3b6c1e0d5a4827b6e1", `{"id":1}`
	const slack = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner" +
		"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
		"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	github := map[string]string{"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
	vectors := map[string]struct {
		key, body string
		now       time.Time
		header    map[string]string
	}{
		"treble":  {random, body, time.Time{}, map[string]string{"Authorization": "Bearer " + random}},
		"github":  {"It's a Secret to Everybody", "Hello, World!", time.Time{}, github},
		"meta":    {"It's a Secret to Everybody", "Hello, World!", time.Time{}, github},
		"stripe":  {random, body, time.Unix(1492774577, 0), map[string]string{"Stripe-Signature": "t=1492774577,v1=" + hex.EncodeToString(sum(random, "1492774577."+body)) + ",v0=00"}},
		"shopify": {random, body, time.Time{}, map[string]string{"X-Shopify-Hmac-Sha256": base64.StdEncoding.EncodeToString(sum(random, body))}},
		"slack": {"8f742231b10e8888abcd99yyyzzz85a5", slack, time.Unix(1531420618, 0), map[string]string{
			"X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", "X-Slack-Request-Timestamp": "1531420618"}},
		"standard-webhooks": {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`, time.Unix(1614265330, 0), map[string]string{
			"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}},
		"combined": {"It's a Secret to Everybody", "Hello, World!", time.Time{}, github},
		"named":    {random, body, time.Time{}, map[string]string{"Authorization": "Bearer " + random}},
	}
	found := example.FindAllStringSubmatch(string(text), -1)
	if len(found) != len(vectors) {
		t.Fatalf("%d examples in docs/security.md, and vectors for %d", len(found), len(vectors))
	}
	for _, f := range found {
		t.Run(f[1], func(t *testing.T) {
			vector, ok := vectors[f[1]]
			if !ok {
				t.Fatal("there is no vector for it")
			}
			secrets := t.TempDir()
			i := 0
			yaml := regexp.MustCompile(`/run/secrets/[a-z-]+`).ReplaceAllStringFunc(f[2], func(name string) string {
				file := filepath.Join(secrets, filepath.Base(name))
				secret := vector.key
				if i++; f[1] == "combined" && i == 1 || f[1] == "named" && i == 2 { // of another scheme, or of another time
					secret = random + "-other"
				}
				if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return file
			})
			l := mustLoad(t, yaml)
			if err := l.Validate(); err != nil {
				t.Fatal(err)
			}
			if notices := l.Notices(); len(notices) > 0 {
				t.Errorf("notices: %q", notices)
			}
			a, err := auth.New(l.EffectiveSources()[0].Auth, "auth")
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "/webhook", nil)
			for name, v := range vector.header {
				r.Header.Set(name, v)
			}
			in := auth.Request{Request: r, Now: vector.now, Client: netip.MustParseAddr("192.0.2.7")}
			if in.Now.IsZero() {
				in.Now = time.Now()
			}
			accepted := func(in auth.Request, body string) bool {
				v := a.Check(in)
				a.Verify(in, &v, []byte(body))
				return v.Accepted()
			}
			if !accepted(in, vector.body) {
				t.Error("what the sender sends is refused")
			}
			r.Header = map[string][]string{}
			if accepted(in, vector.body) {
				t.Error("a request without credentials is let in")
			}
		})
	}
}
