package webhook_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// The bytes of a body come back as they were, whatever they are.
func TestDeliveryLineRoundTrip(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		spliced bool
	}{
		"object":          {`{"a" : 1, "b":"<&> \u2028é"}`, true},
		"array":           {`[1, 2]`, true},
		"null":            {`null`, true},
		"scalar":          {`"x"`, true},
		"deep":            {strings.Repeat("[", 9000) + strings.Repeat("]", 9000), true},
		"deepest":         {strings.Repeat("[", 10000) + strings.Repeat("]", 10000), false}, // valid, but no longer inside a line
		"line-break":      {"{\n}", false},
		"return":          {"{\r}", false},
		"space-around":    {` {}`, false},
		"byte-order-mark": {"\ufeff{}", false},
		"broken":          {`{"a":`, false},
		"two":             {`{} {}`, false},
		"splits-the-line": {`{},"path":"/other"`, false},
		"bytes":           {"{\"a\":\"\xff\"}", false},
		"empty":           {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			want := webhook.Delivery{
				ID: "id", Received: time.Date(2026, 1, 31, 8, 0, 0, 7, time.UTC), Source: "default", Path: "/a <b>\n", Test: "send-x",
				Reason: schema.ReasonMissing, Violations: []delivery.Violation{{Field: "a", Problem: "b"}}, Body: []byte(c.body),
			}
			line, err := want.Encode()
			if err != nil || bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("}\n")) || !json.Valid(line) {
				t.Fatalf("%v: no line of JSON: %.200q", err, line)
			}
			if spliced := bytes.Contains(line, []byte(`"body":`)); spliced != c.spliced {
				t.Errorf("spliced: got %v, want %v: %.200s", spliced, c.spliced, line)
			}
			got, err := webhook.ParseDelivery(line)
			if len(got.Body) == 0 {
				got.Body = []byte{}
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestDeliveryLineRefused(t *testing.T) {
	const head = `{"received":"2026-01-31T08:00:00Z","source":"default","path":"/webhook"`
	for want, line := range map[string]string{
		"is no JSON object":                       `{"phone":"3001234567"`,
		"received: use":                           `{"received":"now 3001234567","source":"a","path":"/","body":{}}`,
		"path: may not be a":                      `{"received":"2026-07-11T09:24:31Z","source":"a","path":{},"body":{}}`,
		"received: may not be a":                  `{"received":3001234567,"source":"a","path":"/","body":{}}`,
		"source: is missing":                      `{"received":"2026-01-31T08:00:00Z","path":"/","body":{}}`,
		"path: does not begin with /":             `{"received":"2026-01-31T08:00:00Z","source":"a","path":"x3001234567","body":{}}`,
		"has to have one of body and body_base64": head + `,"body":{},"body_base64":"e30="}`,
		"has to have one of body":                 head + `}`,
		"body_base64: is no base64":               head + `,"body_base64":"3001234567!"}`,
	} {
		_, err := webhook.ParseDelivery([]byte(line))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "3001234567") {
			t.Errorf("%s: got %v, want %q and nothing of the line", line, err, want)
		}
	}
	// What a later version adds is no reason to refuse.
	if _, err := webhook.ParseDelivery([]byte(head + `,"later":1,"body":null}`)); err != nil {
		t.Error(err)
	}
}

// Whatever is parsed is written and read again as the same.
func FuzzDeliveryLine(f *testing.F) {
	for _, body := range []string{`{}`, "\xff", "", "{\n}", `[1,{"a":"b"}]`} {
		line, err := webhook.Delivery{Received: time.Unix(1, 0).UTC(), Source: "a", Path: "/a", Violations: []delivery.Violation{{Problem: "x"}}, Body: []byte(body)}.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"received":"0000-01-01T00:00:00+23:59","source":"a","path":"/","body": null }`))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := webhook.ParseDelivery(line)
		if err != nil {
			return
		}
		written, err := d.Encode()
		if err != nil {
			return // a year that RFC 3339 cannot write
		}
		if bytes.Count(written, []byte("\n")) != 1 {
			t.Fatalf("%q is not one line", written)
		}
		again, err := webhook.ParseDelivery(written)
		if err != nil || !bytes.Equal(again.Body, d.Body) || again.Path != d.Path || again.Source != d.Source || !again.Received.Equal(d.Received) {
			t.Errorf("got %+v, %v\nwant %+v", again, err, d)
		}
	})
}
