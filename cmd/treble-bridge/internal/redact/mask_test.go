package redact_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

func TestMask(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"everywhere", `{"cellphone": "3161234567", "text":"call 316 123-4567 or +573161234567", "n": 3161234567}`,
			`{"cellphone": "********67", "text":"call *** ***-**67 or +**********67", "n": "********67"}`},
		{"number", `{"phone":3161234567}`, `{"phone":"********67"}`},
		{"unknown-international", `{"text":"+44 20 7946 0958!"}`, `{"text":"+** ** **** **58!"}`},
		{"session-variable", `{"user_session_keys":[{"key":"telefono_2","value":"3009998877"}],"t":"x3009998877"}`,
			`{"user_session_keys":[{"key":"telefono_2","value":"********77"}],"t":"x********77"}`},
		{"as-a-key", `{"phone":"3161234567","keys":{"u3161234567":1}}`, `{"phone":"********67","keys":{"u********67":1}}`},
		{"in-a-string-of-json", `{"phone":"3161234567","v":"{\"c\": \"3161234567\"}"}`, `{"phone":"********67","v":"{\"c\": \"********67\"}"}`},
		{"escaped", `{"phone":"3161234567","v":"\u0033161234567"}`, `{"phone":"********67","v":"********67"}`},
		{"base64", `{"raw_base64":"eyJ4Ig=="}`, `{"raw_base64":""}`},
		{"times-and-ids", `{"phone":"20261","time":"2026-11-22T20:56:05.6Z","id":"aaaa20261aaaaaaaaaaaaaaaaa","sent_at":"2026-11-22 20:56:05"}`,
			`{"phone":"***61","time":"2026-11-22T20:56:05.6Z","id":"aaaa***61aaaaaaaaaaaaaaaaa","sent_at":"2026-11-22 20:56:05"}`},
		{"unknown", `{"actual_response":"x573001234567y, 57.300.123.4567 or +57 *300 123 4567*", "n":3109876543, "keys":{"310 987 6543":1}}`,
			`{"actual_response":"x**********67y, **.***.***.**67 or +** **** *** **67*", "n":"********43", "keys":{"*** *** **43":1}}`},
		{"unknown-disguised", `{"text":"&#51;001234567, ③001234567, 300&nbsp;1234567, \u0033001234567"}`, `{"text":"********67, ********67, ***&nbsp;*****67, ********67"}`},
		{"short-rest-known", `{"country_code":"376","cellphone":"312345","text":"at 312 *345*"}`, `{"country_code":"376","cellphone":"****45","text":"at *** **45*"}`},
		{"other-way", `{"phone":"+5491123456789","text":"at 15 2345"}`, `{"phone":"+***********89","text":"at 15 2345"}`},
		{"envelope-id", `{"specversion":"1.0","id":"x2345672345672345672345672","data":{"raw":{"id":"573001234567"}}}`,
			`{"specversion":"1.0","id":"x2345672345672345672345672","data":{"raw":{"id":"**********67"}}}`},
		{"times", `{"value":"2026-01-31","v":"2026-01-31 08:00:01.123456","read_at":"2026-01-31T08:00:00+0000","phone_seen_at":"2026-01-31 08:00:00"}`,
			`{"value":"2026-01-31","v":"2026-01-31 08:00:01.123456","read_at":"2026-01-31T08:00:00+0000","phone_seen_at":"2026-01-31 08:00:00"}`},
		{"time-that-is-a-phone", `{"phone":"2026-01-31","value":"2026-01-31","read_at":"2026-01-31 08:00:00"}`, `{"phone":"****-**-31","value":"****-**-31","read_at":"2026-01-31 08:00:00"}`},
		{"times-that-are-none", `{"v":"2026-13-01","read_at":"2026-01-01 00:00:00.573001234567"}`, `{"v":"****-**-01","read_at":"****-**-** 00:00:**.**********67"}`},
		{"ids", `{"event_id":"20260131080001","conversation_id":9007199254740993,"affected_conversation_ids":[1234567,"12345678"],"hubspot_deal_id":"15230817345"}`,
			`{"event_id":"20260131080001","conversation_id":9007199254740993,"affected_conversation_ids":[1234567,"12345678"],"hubspot_deal_id":"15230817345"}`},
		{"ids-known", `{"event_id":"e-573001234567","cellphone":"3001234567","conversation_id":"+573109876543"}`,
			`{"event_id":"e-57********67","cellphone":"********67","conversation_id":"+**********43"}`},
		{"map", `{"latitude":4.5935443,"longitude":-72.0345404,"zoom":4.5935443}`, `{"latitude":4.5935443,"longitude":-72.0345404,"zoom":"*.*****43"}`},
		{"map-that-is-none", `{"latitude":3001234567}`, `{"latitude":"********67"}`},
		{"opaque-sessions", `{"subject":"85b398ef5bcb20c355f3710c4509349784c907673c9118fb7a89c7a8","session_id":"0192e4a0-1234-7567-8901-aabbccddeeff","external_id":1234}`,
			`{"subject":"85b398ef5bcb20c355f3710c4509349784c907673c9118fb7a89c7a8","session_id":"0192e4a0-1234-7567-8901-aabbccddeeff","external_id":1234}`},
		{"short", `{"phone":"123","n":123}`, `{"phone":"*23","n":123}`},
		{"nothing", `{"sent_at":"2021-06-22 15:19:06.473256", "conversation_id": 34820}`, `{"sent_at":"2021-06-22 15:19:06.473256", "conversation_id": 34820}`},
		{"not-json", `cellphone=3161234567`, `"masked: not JSON"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(redact.Mask([]byte(c.doc))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A session's id that is a phone is hidden, in all places alike, and differs from others.
func TestMaskSessions(t *testing.T) {
	const tag = 6 // letters that tell sessions apart
	for _, id := range []string{"573001234567", "+57 300 1234567", "s-573001234567", "x573001234567y", "573001234567@c.us", "⑤⑦3001234567"} {
		var doc, other struct {
			Subject string `json:"subject"`
			Data    struct {
				SessionID string `json:"session_id"`
				Raw       struct {
					Session struct {
						ID string `json:"external_id"`
					} `json:"session"`
				} `json:"raw"`
			} `json:"data"`
		}
		masked := func(id string, into any) string {
			out := redact.Mask(fmt.Appendf(nil, `{"subject":%q,"data":{"session_id":%q,"raw":{"session":{"external_id":%q}}}}`, id, id, id))
			if err := json.Unmarshal(out, into); err != nil {
				t.Fatal(err)
			}
			return string(out)
		}
		out := masked(id, &doc)
		if strings.Contains(out, "300") || !strings.HasPrefix(doc.Subject, "#") || doc.Data.SessionID != doc.Subject || doc.Data.Raw.Session.ID != doc.Subject {
			t.Errorf("%s: got %s", id, out)
		}
		masked(strings.Replace(id, "300", "310", 1), &other)
		if other.Subject[len("#")+tag:] != doc.Subject[len("#")+tag:] || other.Subject == doc.Subject {
			t.Errorf("%s: two sessions are shown as %s and %s", id, doc.Subject, other.Subject)
		}
	}
	if got := string(redact.Mask([]byte(`{"session_id":573001234567}`))); !strings.HasPrefix(got, `{"session_id":"#`) || !strings.HasSuffix(got, `67"}`) {
		t.Errorf("a number: got %s", got)
	}
}

func FuzzMask(f *testing.F) {
	golden := schematest.Golden()
	names, err := fs.Glob(golden, "*/*.json")
	if err != nil || len(names) == 0 {
		f.Fatalf("no golden envelopes: %v", err)
	}
	for _, name := range names {
		envelope, err := fs.ReadFile(golden, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(envelope)
	}
	f.Add([]byte(`{"phone":"` + strings.Repeat("12 ", 9) + `"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if out := redact.Mask(doc); !json.Valid(out) {
			t.Errorf("%q: masked to %q, which is not JSON", doc, out)
		}
	})
}
