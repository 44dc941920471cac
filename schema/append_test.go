package schema_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// TestEncodeAsEncodingJSON fills every field of every kind's payload at random, and holds
// what Encode writes to what encoding/json writes of the same value.
func TestEncodeAsEncodingJSON(t *testing.T) {
	for _, k := range schema.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			f := filler{rand.New(rand.NewPCG(1, 2))}
			for range 300 {
				e := f.event(t, k)
				checkAsEncodingJSON(t, e)
			}
		})
	}
}

// FuzzEncodeText: the same for texts that a customer may send.
func FuzzEncodeText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "<a & b>", "\u2028\u2029\ufeff\U0001f600", "\xff\xed\xa0\x80a", "ñ\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		keys := schema.SessionKeys{s: {Text: s}, "location": {Location: &schema.Location{Address: s, Latitude: 1e-9, Longitude: 1e21}}, "null": {Null: true}}
		checkAsEncodingJSON(t, schema.Event{
			ID: s, Source: s, Kind: schema.Kind(s), Subject: s, DedupeKey: schema.DedupeKey(s),
			Data: &schema.MessageRead{Common: schema.Common{SessionKeys: keys, Warnings: []string{s, s}}, SentText: s},
		})
	})
}

func checkAsEncodingJSON(t *testing.T, e schema.Event) {
	t.Helper()
	got, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	utc := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	head := marshal(t, struct {
		SpecVersion     string `json:"specversion"`
		ID              string `json:"id"`
		Source          string `json:"source"`
		Type            string `json:"type"`
		Subject         string `json:"subject,omitempty"`
		Time            string `json:"time"`
		DataContentType string `json:"datacontenttype"`
		DataSchema      string `json:"dataschema"`
		ReceivedTime    string `json:"receivedtime"`
		DedupeKey       string `json:"dedupekey"`
	}{
		"1.0", e.ID, "/treble/" + e.Source, e.Kind.Type(), e.Subject, utc(e.Time), "application/json", e.Kind.DataSchema(),
		utc(e.ReceivedTime), string(e.DedupeKey),
	})
	data := strings.TrimSuffix(marshal(t, e.Data), "}")
	if data != "{" {
		data += ","
	}
	want := strings.TrimSuffix(head, "}") + `,"data":` + data + `"raw":null}}`
	if string(got) != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// filler makes values, about half of them empty.
type filler struct{ *rand.Rand }

func (f filler) event(t *testing.T, k schema.Kind) schema.Event {
	t.Helper()
	e, err := schema.Decode([]byte(`{"specversion":"1.0","id":"x","source":"/treble/x","type":"` + k.Type() +
		`","time":"2026-01-02T03:04:05Z","receivedtime":"2026-01-02T03:04:05Z","data":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	f.fill(reflect.ValueOf(e.Data).Elem())
	e.Data.Base().Raw = nil
	e.Subject, e.Time = f.text(), f.time()
	return e
}

func (f filler) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(f.time()))
		return
	case schema.SessionValue:
		v.Set(reflect.ValueOf([]schema.SessionValue{{Text: f.text()}, {Null: true}, {Location: &schema.Location{Latitude: f.Float64(), Address: f.text()}}}[f.IntN(3)]))
		return
	}
	if v.Kind() != reflect.Struct && f.IntN(2) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), f.IntN(3), 3))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range f.IntN(4) {
			value := reflect.New(v.Type().Elem()).Elem()
			f.fill(value)
			v.SetMapIndex(reflect.ValueOf(f.text()), value)
		}
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(f.NormFloat64() * 1e9)
	case reflect.Uint8:
		v.SetUint(uint64(f.IntN(256)))
	default:
		panic("there is no value for a " + v.Kind().String())
	}
}

func (f filler) text() string {
	parts := []string{"a", "\"", "\\", "\n", "\x01", "é", "\U0001f600", "\u2028", "<", "\xff", "/"}
	var b strings.Builder
	for range f.IntN(6) {
		b.WriteString(parts[f.IntN(len(parts))])
	}
	return b.String()
}

func (f filler) time() time.Time {
	zone := time.FixedZone("", (f.IntN(48)-24)*1800)
	return time.Unix(f.Int64N(4e9), f.Int64N(3)*f.Int64N(1e9)).In(zone)
}
