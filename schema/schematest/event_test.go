package schematest_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// TestEvent: each kind makes an event of that kind without a warning, and
// Decode gives back what Encode wrote.
func TestEvent(t *testing.T) {
	for _, k := range schema.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			e := schematest.Event(k)
			if e.Kind != k || len(e.Data.Base().Warnings) > 0 {
				t.Errorf("got the kind %s with warnings %q", e.Kind, e.Data.Base().Warnings)
			}
			envelope := schematest.Envelope(k)
			again, err := schema.Decode(envelope)
			if err != nil {
				t.Fatal(err)
			}
			b, err := again.Encode()
			if err != nil || !bytes.Equal(b, envelope) {
				t.Errorf("got %s, %v; want %s", b, err, envelope)
			}
		})
	}
}

func TestEventDependsOnItsArgumentsOnly(t *testing.T) {
	for _, k := range schema.Kinds() {
		ids := map[string]bool{}
		for seed := range uint64(5) {
			first, second := schematest.Envelope(k, schematest.Seed(seed)), schematest.Envelope(k, schematest.Seed(seed))
			if !bytes.Equal(first, second) {
				t.Errorf("%s: the same seed gives %s and %s", k, first, second)
			}
			ids[schematest.Event(k, schematest.Seed(seed)).ID] = true
		}
		if len(ids) != 5 {
			t.Errorf("%s: 5 seeds give %d ids", k, len(ids))
		}
	}
}

func TestOptions(t *testing.T) {
	at := time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)
	e := schematest.Event(schema.KindMessageRead, schematest.Session("s1"), schematest.At(at), schematest.Seed(3),
		schematest.Source("crm"), schematest.TestRun("run-1"))
	common := e.Data.Base()
	if e.Subject != "s1" || common.SessionID != "s1" || !e.Time.Equal(at) || !e.ReceivedTime.After(at) ||
		e.Source != "crm" || !common.Test || e.Header()[schema.HeaderTest][0] != "run-1" {
		t.Errorf("got %+v", e)
	}
	if other := schematest.Event(schema.KindMessageRead, schematest.Seed(3)); other.Data.Base().Phone != common.Phone || common.Phone == "" {
		t.Errorf("got the phones %q and %q of one seed", other.Data.Base().Phone, common.Phone)
	}
	d := delivery.Parser{}.Parse(schematest.Body(schema.KindMessageRead, schematest.Session("s2")), delivery.Origin{})
	if len(d.Events) != 1 || d.Events[0].Subject != "s2" {
		t.Errorf("body: got %+v", d)
	}
}

func TestEventPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"kind":    func() { schematest.Event("message.red") },
		"refused": func() { schematest.Event(schema.KindMessageRead, schematest.Session("")) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it did not")
				}
			}()
			f()
		})
	}
}

// TestEventsFillTheSchema: what Treble documents is in the events, so that a
// consumer's test meets every field.
func TestEventsFillTheSchema(t *testing.T) {
	rare := map[string][]string{ // normal events of the kind do not have these
		"":                    {"test", "warnings", "raw_base64"},
		"conversation.closed": {"hubspot_deal_id", "hubspot_contact_id", "conversation_id"},
		"hsm.status_changed":  {"session_id", "conversation_id", "phone", "country_code", "cellphone", "session_keys"},
		"deployment.failed":   {"session_id", "conversation_id", "session_keys"},
		"unrecognized":        {"session_id", "conversation_id", "phone", "country_code", "cellphone", "session_keys"},
		"bridge.probe":        {"session_id", "conversation_id", "phone", "country_code", "cellphone", "session_keys"},
		"message.read":        {"event_id"},
		"message.delivered":   {"event_id"},
		"message.responded":   {"event_id"},
		"message.timed_out":   {"event_id"},
		"contact.opted_out":   {"event_id"},
		"condition.evaluated": {"event_id"},
		"flow.unrecognized":   {"event_id"},
	}
	for _, k := range schema.Kinds() {
		var has struct{ Data map[string]any }
		if err := json.Unmarshal(schematest.Envelope(k), &has); err != nil {
			t.Fatal(err)
		}
		want := properties(t, k)
		for _, key := range slices.Concat(rare[""], rare[string(k)]) {
			delete(want, key)
		}
		got, all := slices.Sorted(maps.Keys(has.Data)), slices.Sorted(maps.Keys(want))
		if !slices.Equal(got, all) {
			t.Errorf("%s: got data with %q, want %q", k, got, all)
		}
	}
}

// properties returns those of data in the schema of a kind.
func properties(t *testing.T, k schema.Kind) map[string]any {
	t.Helper()
	b, _ := schema.JSONSchema(k)
	var doc struct {
		Properties struct {
			Data struct {
				Ref string `json:"$ref"`
			}
		}
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Defs[doc.Properties.Data.Ref[len("#/$defs/"):]].Properties
}

// TestGolden: there are golden envelopes of every kind, each in the directory of
// its kind.
func TestGolden(t *testing.T) {
	for _, k := range schema.Kinds() {
		files, err := fs.Glob(schematest.Golden(), string(k)+"/*.json")
		if err != nil || len(files) == 0 {
			t.Errorf("%s: got %d golden envelopes, error %v", k, len(files), err)
		}
		for _, name := range files {
			b, err := fs.ReadFile(schematest.Golden(), name)
			if err != nil {
				t.Fatal(err)
			}
			if e, err := schema.Decode(b); err != nil || e.Kind != k {
				t.Errorf("%s: got the kind %s, error %v", name, e.Kind, err)
			}
		}
	}
}
