package delivery_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// parse parses what came to a path of the source "default".
func parse[text string | []byte](body text, path string) delivery.Delivery {
	return delivery.Parser{}.Parse([]byte(body), delivery.Origin{Source: "default", Path: path, Received: received})
}

// one parses a body that holds one event.
func one(t *testing.T, body, path string) schema.Event {
	t.Helper()
	d := parse(body, path)
	if d.Rejection != nil {
		t.Fatalf("%.200s: rejected: %+v", body, d.Rejection)
	}
	if len(d.Events) != 1 {
		t.Fatalf("%.200s: got %d events, want 1", body, len(d.Events))
	}
	return d.Events[0]
}

// warned reports whether a field is named in the warnings.
func warned(e schema.Event, field string) bool {
	return slices.ContainsFunc(e.Data.Base().Warnings, func(w string) bool { return strings.HasPrefix(w, field+": ") })
}

func TestDocumentedKinds(t *testing.T) {
	want := map[string][]schema.Kind{
		"array":                              {schema.KindMessageDelivered, schema.KindMessageRead},
		"awkward-bytes":                      {schema.KindMessageRead},
		"bridge-probe":                       {schema.KindBridgeProbe},
		"condition-evaluated":                {schema.KindConditionEvaluated},
		"conversation-closed":                {schema.KindConversationClosed},
		"conversation-closed-hubspot":        {schema.KindConversationClosed},
		"deployment-failure":                 {schema.KindDeploymentFailed},
		"flow-unrecognized":                  {schema.KindFlowUnrecognized},
		"hsm-status-approved":                {schema.KindHSMStatusChanged},
		"message-delivered":                  {schema.KindMessageDelivered},
		"message-read":                       {schema.KindMessageRead},
		"message-response-closed":            {schema.KindMessageResponded},
		"message-response-closed-older-page": {schema.KindMessageResponded},
		"message-response-open":              {schema.KindMessageResponded},
		"message-timeout":                    {schema.KindMessageTimedOut},
		"message-timeout-request-trigger":    {schema.KindMessageTimedOut},
		"opt-out":                            {schema.KindContactOptedOut},
		"overview-message-read":              {schema.KindMessageRead},
		"session-close":                      {schema.KindConversationClosed},
		"unrecognized":                       {schema.KindUnrecognized},
		"unrecognized-event-type":            {schema.KindUnrecognized},
	}
	files := payloads(t)
	if len(files) != len(want) {
		t.Errorf("got %d payloads, want %d", len(files), len(want))
	}
	for _, file := range files {
		name := strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".json")
		var got []schema.Kind
		for _, e := range parse(read(t, file), "/webhook").Events {
			got = append(got, e.Kind)
		}
		if !slices.Equal(got, want[name]) {
			t.Errorf("%s: got %v, want %v", name, got, want[name])
		}
		for _, kind := range got {
			if !slices.Contains(schema.Kinds(), kind) {
				t.Errorf("%s: %s is not among schema.Kinds", name, kind)
			}
		}
	}
}

// TestDocumentedFields checks that nothing documented is missing from the
// examples: a warning would say so.
func TestDocumentedFields(t *testing.T) {
	for _, file := range payloads(t) {
		if strings.Contains(file, "awkward-bytes") || strings.Contains(file, "response-open") {
			continue
		}
		for _, e := range parse(read(t, file), "/webhook").Events {
			if w := e.Data.Base().Warnings; len(w) > 0 {
				t.Errorf("%s: got warnings %q, want none", file, w)
			}
		}
	}
}

func TestKind(t *testing.T) {
	tests := []struct {
		name, body, path string
		want             schema.Kind
		warned           string // field that must be in the warnings
	}{
		{"event-type-wins", `{"event_type":"hsm.status","name":"n","read_at":"x"}`, "/webhook", schema.KindHSMStatusChanged, ""},
		{"event-type-unknown", `{"event_type":"new.thing","session_id":"s","read_at":"x"}`, "/webhook", schema.KindUnrecognized, ""},
		{"event-type-empty", `{"event_type":""}`, "/webhook", schema.KindUnrecognized, ""},
		{"event-type-no-string", `{"event_type":7,"session_id":"s","read_at":"x"}`, "/webhook", schema.KindMessageRead, ""},
		{"null-mark-is-no-mark", `{"session_id":"s","read_at":null,"delivered_at":"2026-01-01 00:00:00"}`, "/webhook", schema.KindMessageDelivered, ""},
		{"mark-of-wrong-type", `{"session_id":"s","read_at":{}}`, "/webhook", schema.KindMessageRead, "read_at"},
		{"opt-out-before-response", `{"session_id":"s","reason":"OPTOUT","classified_answer":{"text":"no"}}`, "/webhook", schema.KindContactOptedOut, ""},
		{"other-reason-is-response", `{"session_id":"s","reason":"OTHER","classified_answer":{"text":"no"}}`, "/webhook", schema.KindMessageResponded, ""},
		{"condition-needs-variable", `{"session_id":"s","condition":{}}`, "/webhook", schema.KindFlowUnrecognized, ""},
		{"only-the-top-level", `{"session":{"external_id":"s","closed_at":"2026-01-01 00:00:00"},"messages":[{"read_at":"2026-01-01 00:00:00"}]}`, "/webhook", schema.KindConversationClosed, ""},
		{"session-without-closed-at", `{"session":{"external_id":"s"}}`, "/webhook", schema.KindUnrecognized, ""},
		{"flow-by-session", `{"session_id":"s"}`, "/webhook", schema.KindFlowUnrecognized, ""},
		{"flow-by-keys", `{"user_session_keys":[]}`, "/webhook", schema.KindFlowUnrecognized, ""},
		{"nothing", `{}`, "/webhook", schema.KindUnrecognized, ""},
		{"path-decides", `{"session_id":"s"}`, "/webhooks/on-read", schema.KindMessageRead, "path"},
		{"path-decides-opt-out", `{"session_id":"s"}`, "/webhooks/on-optout/", schema.KindContactOptedOut, "path"},
		{"path-contradicts", `{"session_id":"s","delivered_at":"2026-01-01 00:00:00"}`, "/webhooks/on-read", schema.KindMessageDelivered, "path"},
		{"path-agrees", `{"session_id":"s","read_at":"2026-01-01 00:00:00"}`, "/webhooks/on-read", schema.KindMessageRead, ""},
		{"path-unknown", `{"session_id":"s"}`, "/webhooks/on-something", schema.KindFlowUnrecognized, ""},
		{"path-of-center-for-flow", `{"session_id":"s"}`, "/webhooks/on-hsm-status-update", schema.KindFlowUnrecognized, "path"},
		{"path-for-no-flow", `{"a":1}`, "/webhooks/on-read", schema.KindUnrecognized, "path"},
		{"overview", `{"event":"message_read","data":{"session_id":"s","read_at":"2026-01-01 00:00:00"}}`, "/webhook", schema.KindMessageRead, ""},
		{"overview-opt-out", `{"event":"Opt-Out","data":{"session_id":"s"}}`, "/webhook", schema.KindContactOptedOut, "reason"},
		{"overview-hubspot", `{"event":"conversation_closed","data":{"external_id":"s","closed_at":"2026-01-01 00:00:00"}}`, "/webhook", schema.KindConversationClosed, "company_id"},
		{"overview-own-name", `{"event":"message.read","data":{"session_id":"s"}}`, "/webhook", schema.KindMessageRead, "read_at"},
		{"overview-unknown-name", `{"event":"what","data":{"session_id":"s"}}`, "/webhook", schema.KindUnrecognized, ""},
		{"overview-no-object", `{"event":"message_read","data":[1]}`, "/webhook", schema.KindUnrecognized, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := one(t, tt.body, tt.path)
			if e.Kind != tt.want {
				t.Errorf("kind: got %s, want %s", e.Kind, tt.want)
			}
			if tt.warned != "" && !warned(e, tt.warned) {
				t.Errorf("warnings: got %q, want one of %s", e.Data.Base().Warnings, tt.warned)
			}
			if tt.warned == "" && warned(e, "path") {
				t.Errorf("warnings: got %q, want none of path", e.Data.Base().Warnings)
			}
		})
	}
}

func TestRejection(t *testing.T) {
	tests := []struct {
		name, body string
		reason     schema.Reason
		field      string
	}{
		{"empty", ``, schema.ReasonNotJSON, ""},
		{"blank", " \n", schema.ReasonNotJSON, ""},
		{"text", `hello`, schema.ReasonNotJSON, ""},
		{"cut-off", `{"session_id": "s`, schema.ReasonNotJSON, ""},
		{"two-values", `{} {}`, schema.ReasonNotJSON, ""},
		{"trailing-comma", `{"a":1,}`, schema.ReasonNotJSON, ""},
		{"bad-utf8-outside-strings", "{\xff}", schema.ReasonNotJSON, ""},
		{"form-encoded", `session_id=1&read_at=2`, schema.ReasonNotJSON, ""},
		{"utf16", "\xff\xfe{\x00}\x00", schema.ReasonNotJSON, ""},
		{"null", `null`, schema.ReasonNotObject, ""},
		{"number", `7`, schema.ReasonNotObject, ""},
		{"string", `"x"`, schema.ReasonNotObject, ""},
		{"empty-array", `[ ]`, schema.ReasonNotObject, ""},
		{"array-of-numbers", `[{},1]`, schema.ReasonNotObject, ""},
		{"array-of-arrays", `[[{}]]`, schema.ReasonNotObject, ""},
		{"too-deep", strings.Repeat("[", 101) + strings.Repeat("]", 101), schema.ReasonTooDeep, ""},
		{"too-deep-inside", `{"a":` + strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 101), schema.ReasonTooDeep, ""},
		{"too-deep-and-broken", strings.Repeat("[", 1_000_000), schema.ReasonTooDeep, ""},
		{"too-many", "[{}" + strings.Repeat(",{}", delivery.MaxEvents) + "]", schema.ReasonTooMany, ""},
		{"read-without-session", `{"read_at":"2026-01-01 00:00:00"}`, schema.ReasonMissing, "session_id"},
		{"read-with-null-session", `{"read_at":"2026-01-01 00:00:00","session_id":null}`, schema.ReasonMissing, "session_id"},
		{"read-with-blank-session", `{"read_at":"2026-01-01 00:00:00","session_id":" "}`, schema.ReasonMissing, "session_id"},
		{"read-with-session-object", `{"read_at":"2026-01-01 00:00:00","session_id":{}}`, schema.ReasonMissing, "session_id"},
		{"delivered", `{"delivered_at":"x"}`, schema.ReasonMissing, "session_id"},
		{"timeout", `{"timeout_at":"x"}`, schema.ReasonMissing, "session_id"},
		{"opt-out", `{"reason":"OPTOUT"}`, schema.ReasonMissing, "session_id"},
		{"condition", `{"condition":{},"variable":{}}`, schema.ReasonMissing, "session_id"},
		{"response", `{"actual_response":"x"}`, schema.ReasonMissing, "session_id"},
		{"session-close", `{"event_type":"session.close"}`, schema.ReasonMissing, "session_id"},
		{"session-close-names-both", `{"event_type":"session.close","session":{}}`, schema.ReasonMissing, "event_id"},
		{"hsm", `{"event_type":"hsm.status"}`, schema.ReasonMissing, "name"},
		{"deployment", `{"event_type":"deployment.failure","user":{"country_code":"+57"}}`, schema.ReasonMissing, "user.cellphone"},
		{"one-of-an-array", `[{"session_id":"s","read_at":"x"},{"read_at":"x"}]`, schema.ReasonMissing, "[1].session_id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(tt.body, "/webhook")
			if d.Rejection == nil {
				t.Fatalf("accepted, want %s", tt.reason)
			}
			if d.Rejection.Reason != tt.reason {
				t.Errorf("reason: got %s, want %s", d.Rejection.Reason, tt.reason)
			}
			if len(d.Events) != 0 || string(d.Body) != tt.body {
				t.Errorf("got %d events and a body of %d bytes, want none and the body as received", len(d.Events), len(d.Body))
			}
			if !slices.ContainsFunc(d.Rejection.Violations, func(v delivery.Violation) bool { return v.Field == tt.field && v.Problem != "" }) {
				t.Errorf("violations: got %+v, want one of %q", d.Rejection.Violations, tt.field)
			}
		})
	}
}

func TestViolationNamesItsField(t *testing.T) {
	for want, v := range map[string]delivery.Violation{
		"session_id: is missing": {Field: "session_id", Problem: "is missing"}, "is no JSON": {Problem: "is no JSON"},
	} {
		if got := v.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestIdentified: each of these is enough to accept a known kind.
func TestIdentified(t *testing.T) {
	for _, body := range []string{
		`{"event_type":"session.close","event_id":"e"}`,
		`{"event_type":"session.close","session":{"external_id":"s"}}`,
		`{"event_type":"session.close","session":{"external_id":5}}`,
		`{"event_type":"hsm.status","event_id":"e"}`,
		`{"event_type":"hsm.status","name":"n"}`,
		`{"event_type":"deployment.failure","event_id":7}`,
		`{"event_type":"deployment.failure","user":{"cellphone":"1"}}`,
		`{"read_at":false,"session_id":12345678901234567890}`,
	} {
		one(t, body, "/webhook")
	}
}

func TestAcceptedDepth(t *testing.T) {
	e := one(t, strings.Repeat(`{"a":`, 99)+"{}"+strings.Repeat("}", 99), "/webhook")
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Decode(b); err != nil {
		t.Error(err)
	}
}

func TestKindsOfSource(t *testing.T) {
	p := delivery.Parser{Kinds: []schema.Kind{schema.KindMessageRead}}
	o := delivery.Origin{Source: "default", Received: received}
	if d := p.Parse([]byte(`{"session_id":"s","read_at":"x"}`), o); d.Rejection != nil {
		t.Errorf("read: got %+v, want it accepted", d.Rejection)
	}
	if d := p.Parse([]byte(`{"session_id":"s","delivered_at":"x"}`), o); d.Rejection == nil || d.Rejection.Reason != schema.ReasonKindForbidden {
		t.Errorf("delivered: got %+v, want %s", d.Rejection, schema.ReasonKindForbidden)
	}
}

// TestOddFields: optional fields of any type are no reason to refuse an event.
func TestOddFields(t *testing.T) {
	const head = `{"session_id":"s","read_at":"2026-01-01 00:00:00",`
	tests := []struct {
		name, field string
		data        string // what data must hold; "" for nothing
		warned      string
	}{
		{"conversation-integer", `"conversation_id":34820`, `"conversation_id":"34820"`, ""},
		{"conversation-string", `"conversation_id":"34820"`, `"conversation_id":"34820"`, ""},
		{"conversation-beyond-2-53", `"conversation_id":9007199254740993`, `"conversation_id":"9007199254740993"`, ""},
		{"conversation-beyond-64-bits", `"conversation_id":123456789012345678901234567890`, `"conversation_id":"123456789012345678901234567890"`, ""},
		{"conversation-with-zeros", `"conversation_id":34820.0`, `"conversation_id":"34820"`, ""},
		{"conversation-exponent", `"conversation_id":1e400`, "", "conversation_id"},
		{"conversation-object", `"conversation_id":{}`, "", "conversation_id"},
		{"conversation-null", `"conversation_id":null`, "", "conversation_id"},
		{"text-number", `"sent_text":12.50`, `"sent_text":"12.50"`, ""},
		{"text-boolean", `"sent_text":true`, "", "sent_text"},
		{"text-array", `"sent_text":["a"]`, "", "sent_text"},
		{"text-html", `"sent_text":"<a>&"`, `"sent_text":"<a>&"`, ""},
		{"text-nul", `"sent_text":"a\u0000b"`, `"sent_text":"a\u0000b"`, ""},
		{"question-string", `"question":"what"`, "", "question"},
		{"question-answers-bare", `"question":{"answers":["a",{"text":"b"},null,3]}`, `"answers":["a","b","3"]`, ""},
		{"question-answers-object", `"question":{"answers":{}}`, "", "question.answers"},
		{"time-number", `"sent_at":1700000000`, "", "sent_at"},
		{"time-text", `"sent_at":"yesterday"`, "", "sent_at"},
		{"time-with-zone", `"sent_at":"2026-01-01T08:59:00-05:00"`, `"sent_at":"2026-01-01T13:59:00Z"`, ""},
		{"phone", `"country_code":"+57","cellphone":"3161234567"`, `"phone":"+573161234567"`, ""},
		{"phone-numbers", `"country_code":57,"cellphone":3161234567`, `"phone":"+573161234567"`, ""},
		{"phone-without-code", `"cellphone":"3161234567"`, `"cellphone":"3161234567"`, "cellphone"},
		{"phone-quantity-number", `"country_code":57.0,"cellphone":3161234567.0`, `"phone":"+573161234567"`, ""},
		{"phone-quantity-exponent", `"country_code":57,"cellphone":3.161234567e9`, `"phone":"+573161234567"`, ""},
		{"phone-list", `"country_code":"+57","cellphone":[316,123,456]`, `"country_code"`, "cellphone"},
		{"phone-of-another-country", `"country_code":"57","cellphone":"+34 612 345 678"`, `"phone":"+34612345678"`, "cellphone"},
		// How numbers are spelled: package phone.
		{"phone-letters", `"country_code":"+57","cellphone":"unknown"`, `"cellphone":"unknown"`, "cellphone"},
		{"keys-null", `"user_session_keys":null`, "", ""},
		{"keys-string", `"user_session_keys":"x"`, "", "user_session_keys"},
		{"keys-empty", `"user_session_keys":[]`, `"session_keys":{}`, ""},
		{"keys-object", `"user_session_keys":{"a":"b"}`, `"session_keys":{"a":"b"}`, ""},
		{"keys-of-all-types", `"user_session_keys":[{"key":"a","value":null},{"key":"b","value":5},{"key":"c","value":{"d": 1}},{"key":"e"}]`, `"session_keys":{"a":null,"b":"5","c":"{\"d\": 1}","e":null}`, ""},
		{"keys-twice", `"user_session_keys":[{"key":"a","value":"1"},{"key":"a","value":"2"}]`, `"session_keys":{"a":"2"}`, "user_session_keys[1].key"},
		{"keys-without-name", `"user_session_keys":[{"value":"1"}]`, `"session_keys":{}`, "user_session_keys[0].key"},
		{"keys-no-object", `"user_session_keys":[1]`, `"session_keys":{}`, "user_session_keys[0]"},
		{"location", `"user_session_keys":[{"key":"l","type":"location","value":" {\"latitude\": \"1.5\", \"longitude\": 2}"}]`, `"session_keys":{"l":{"latitude":1.5,"longitude":2}}`, ""},
		{"location-object", `"user_session_keys":[{"key":"l","type":"location","value":{"latitude":1.5,"longitude":2,"address":"a"}}]`, `{"latitude":1.5,"longitude":2,"address":"a"}`, ""},
		{"location-broken", `"user_session_keys":[{"key":"l","type":"location","value":"here"}]`, `"session_keys":{"l":"here"}`, "user_session_keys[0].value"},
		{"location-beyond-float", `"user_session_keys":[{"key":"l","type":"location","value":"{\"latitude\":1e999,\"longitude\":2}"}]`, "", "user_session_keys[0].value"},
		{"duplicate-key", `"a":1,"a":2`, "", "a"},
		{"duplicate-key-escaped", `"a":1,"\u0061":2`, "", "a"},
		{"duplicate-key-deep", `"a":[{},{"b":{"c":1,"c":2}}]`, "", "a[1].b.c"},
		{"unknown-field", `"zzz":{"deep":[1,2,{"x":null}]}`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := head + tt.field + "}"
			e := one(t, body, "/webhook")
			b, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			data, _, ok := strings.Cut(string(b), `"raw":`)
			if !ok || !strings.HasSuffix(string(b), `"raw":`+body+"}}") {
				t.Errorf("raw: %s does not end with the body", b)
			}
			if !strings.Contains(data, tt.data) {
				t.Errorf("data: got %s, want %s in it", data, tt.data)
			}
			if tt.warned != "" && !warned(e, tt.warned) {
				t.Errorf("warnings: got %q, want one of %s", e.Data.Base().Warnings, tt.warned)
			}
			back, err := schema.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := back.Encode(); string(got) != string(b) {
				t.Errorf("decoded and encoded again: got %s, want %s", got, b)
			}
		})
	}
}

// TestClosedForms: the three forms of a closed conversation, with the same
// facts in them, give the same data.
func TestClosedForms(t *testing.T) {
	const center = `{"event_type":"session.close","session":{"external_id":"s","closed_at":"2026-01-01T00:00:00Z"},
		"company":{"id":252},"user_session_keys":[{"key":"a","value":"b"}],"hsm":{"name":"n","text":"t"},
		"messages":[{"type":"image","image":{"url":"u","caption":"c"},"created_at":"2026-01-01T00:00:00.000Z"}]}`
	const older = `{"session":{"external_id":"s","closed_at":"2026-01-01 00:00:00"},
		"company":{"id":"252"},"user_session_keys":[{"key":"a","value":"b","type":null}],"hsm":{"name":"n","text":"t"},
		"messages":[{"type":"image","image":{"url":"u","caption":"c"},"created_at":"2026-01-01 00:00:00","read_at":null}]}`
	const hubspot = `{"external_id":"s","closed_at":"2026-01-01 00:00:00","company_id":252,
		"user_session_keys":[{"key":"a","value":"b","type":null}],"hsm":{"name":"n","text":"t"},
		"messages":[{"file_type":"IMAGE","message":"c","extra":"u","created_at":"2026-01-01 00:00:00"}]}`
	var want string
	for _, body := range []string{center, older, hubspot} {
		p, ok := one(t, body, "/webhook").Data.(*schema.ConversationClosed)
		if !ok {
			t.Fatalf("%s: not a closed conversation", body)
		}
		p.Raw, p.Warnings = nil, nil
		got, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(got)
		}
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	bogota := time.FixedZone("-05", -5*3600)
	tests := []struct {
		text, want string
		loc        *time.Location
	}{
		{"2021-06-22 15:19:08", "2021-06-22T15:19:08Z", nil},
		{"2021-06-22 15:19:08", "2021-06-22T20:19:08Z", bogota},
		{"2021-06-22T15:19:08Z", "2021-06-22T15:19:08Z", bogota},
		{"2021-06-22t15:19:08z", "2021-06-22T15:19:08Z", nil},
		{"2021-06-22 15:19:08 UTC", "2021-06-22T15:19:08Z", bogota},
		{"2021-06-22 15:19:08+00:00", "2021-06-22T15:19:08Z", nil},
		{"2021-06-22 15:19:08.5 +0530", "2021-06-22T09:49:08.5Z", nil},
		{"2021-06-22T15:19:08-05", "2021-06-22T20:19:08Z", nil},
		{"0001-01-01T00:00:00+01:00", "", nil}, // the year 0 in UTC
		{"9999-12-31T23:59:59-01:00", "", nil}, // the year 10000 in UTC
		{"2021-06-22", "", nil},
		{"2021-02-30 00:00:00", "", nil},
		{"2021-06-22 25:00:00", "", nil},
		{"1624375148", "", nil},
		{strings.Repeat("2021-06-22 15:19:08", 3), "", nil},
	}
	fraction := ".123456789"
	for digits := 0; digits <= 9; digits++ {
		f := fraction[:min(1, digits)*(digits+1)]
		tests = append(tests, struct {
			text, want string
			loc        *time.Location
		}{"2021-06-22 15:19:08" + f, "2021-06-22T15:19:08" + f + "Z", nil})
	}
	for _, tt := range tests {
		p := delivery.Parser{Location: tt.loc}
		d := p.Parse(fmt.Appendf(nil, `{"session_id":"s","read_at":%q}`, tt.text), delivery.Origin{Source: "default", Received: received})
		e := d.Events[0]
		got := ""
		if at := e.Data.(*schema.MessageRead).ReadAt; at != nil {
			got = at.Format(time.RFC3339Nano)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
		if want := tt.want == ""; warned(e, "read_at") != want {
			t.Errorf("%s: warned: got %v, want %v", tt.text, !want, want)
		}
		if tt.want == "" && !e.Time.Equal(received) {
			t.Errorf("%s: time: got %s, want the time of receipt", tt.text, e.Time)
		}
	}
}

// TestWarningsAreBounded: a body full of mistakes cannot make an envelope full
// of warnings.
func TestWarningsAreBounded(t *testing.T) {
	e := one(t, `{"session_id":"s","user_session_keys":[1`+strings.Repeat(",1", 100_000)+`]}`, "/webhook")
	if got := len(e.Data.Base().Warnings); got > 60 {
		t.Errorf("got %d warnings, want at most 60", got)
	}
	if !warned(e, "warnings") {
		t.Error("the warnings do not say that there are more")
	}
}

func TestWithoutCopies(t *testing.T) {
	e := one(t, string(read(t, payloadDir+"/conversation-closed.json")), "/webhook")
	small, dropped := e.WithoutCopies()
	if !dropped || !warned(small, "messages") || !warned(small, "session_keys") {
		t.Errorf("dropped %v, warnings %q", dropped, small.Data.Base().Warnings)
	}
	if p := small.Data.(*schema.ConversationClosed); p.Messages != nil || p.SessionKeys != nil || len(p.Raw) == 0 || p.Company == nil {
		t.Errorf("got %+v, want it without messages and session_keys, and with the rest", p)
	}
	if p := e.Data.(*schema.ConversationClosed); p.Messages == nil || p.SessionKeys == nil || len(p.Warnings) != 0 {
		t.Error("the event itself was changed")
	}
	if _, dropped := small.WithoutCopies(); dropped {
		t.Error("dropped again, want nothing left to drop")
	}
}

func TestHeader(t *testing.T) {
	d := delivery.Parser{}.Parse([]byte(`{"event_type":"hsm.status","event_id":"a b","name":"n"}`),
		delivery.Origin{Source: "default", Received: received, TestRun: "run-1"})
	h := d.Events[0].Header()
	if _, there := h[schema.HeaderEventID]; there {
		t.Errorf("an event id that is not harmless stands in the headers: %v", h)
	}
	if got := h[schema.HeaderTest]; len(got) != 1 || got[0] != "run-1" || !d.Events[0].Data.Base().Test {
		t.Errorf("test run: got header %v and data.test %v", got, d.Events[0].Data.Base().Test)
	}
	h = one(t, string(read(t, payloadDir+"/hsm-status-approved.json")), "/webhook").Header()
	if got := h[schema.HeaderEventID]; len(got) != 1 || got[0] != "5f8d7e6a5f8d7e6a5f8d7e6a" {
		t.Errorf("event id: got %v", got)
	}
}

// TestSubjectIsPrintable: CloudEvents forbids control characters and noncharacters in
// attributes.
func TestSubjectIsPrintable(t *testing.T) {
	for _, c := range []struct {
		name, session string // as in JSON
		forbidden     bool
	}{
		{"plain", "a b", false},
		{"beyond-ascii", "señal-✓-😀", false},
		{"replacement", `a\ufffdb`, false},
		{"private-use", `a\ue000b`, false},
		{"line-feed", `a\nb`, true},
		{"delete", `a\u007fb`, true},
		{"c1", `a\u0085b`, true},
		{"last-of-the-plane", `a\uffffb`, true},
		{"last-but-one", `a\ufffeb`, true},
		{"first-of-the-block", `a\ufdd0b`, true},
		{"last-of-the-block", `a\ufdefb`, true},
		{"after-the-block", `a\ufdf0b`, false},
		{"plane-1", `a\ud83f\udfffb`, true},
		{"plane-16", `a\udbff\udffeb`, true},
		{"as-it-is", "a\U0001ffffb", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := one(t, `{"session_id":"`+c.session+`","read_at":"x"}`, "/webhook")
			session := e.Data.Base().SessionID
			want := session
			if c.forbidden {
				want = ""
			}
			if e.Subject != want || session == "" || warned(e, "session_id") != c.forbidden {
				t.Errorf("got subject %q of the session %q with the warnings %q", e.Subject, session, e.Data.Base().Warnings)
			}
		})
	}
}

// TestShortTimes: what is cut off a text that looks like a time leaves less than a date.
func TestShortTimes(t *testing.T) {
	for _, s := range []string{"10:30:00 UTC", "12:00 PM UTC", "2024-01 UTC", "a b c d UTC", "          UTC", "2024-01-01 UTC", "2024-01-01 z"} {
		e := one(t, `{"session_id":"s","read_at":"`+s+`","other_at":"`+s+`"}`, "/webhook")
		if e.Data.(*schema.MessageRead).ReadAt != nil || !warned(e, "read_at") || e.DedupeKey != schema.DedupeNone {
			t.Errorf("%q: got %+v", s, e)
		}
	}
}
