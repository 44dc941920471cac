package value_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
)

func TestSecretNeverPrints(t *testing.T) {
	const canary = "s3cr3t-canary"
	s := value.Secret(canary)
	b, err := json.Marshal(map[string]any{"a": s, "b": []value.Secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%s %v %q %+v %#v %x %s", s, s, s, struct{ S value.Secret }{s}, s, s, b)
	if strings.Contains(printed, canary) || strings.Contains(printed, fmt.Sprintf("%x", canary)) {
		t.Errorf("printed %s", printed)
	}
	if got := value.Secret("").String(); got != "" {
		t.Errorf("no secret: got %q, want nothing", got)
	}
	if string(s) != canary {
		t.Error("the conversion does not give the secret")
	}
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want value.Size
	}{
		{"0", 0}, {"1024", 1024}, {"10MiB", 10 * value.MiB}, {"10MB", 10 * value.MiB}, {" 512KiB ", 512 * value.KiB},
		{"1GiB", value.GiB}, {"1536KiB", 1536 * value.KiB}, {"2TiB", 2 * value.TiB},
	} {
		var got value.Size
		if err := got.UnmarshalText([]byte(tt.text)); err != nil || got != tt.want {
			t.Errorf("%q: got %d and %v, want %d", tt.text, got, err, tt.want)
		}
		var again value.Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q printed as %q: got %d and %v, want %d", tt.text, got, again, err, got)
		}
	}
	for _, text := range []string{"", "ten", "10 bananas", "MiB", "99999999999999999999"} {
		var s value.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, s)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 500 * time.Millisecond: "500ms", 10 * time.Second: "10s", 90 * time.Second: "1m30s", 10 * time.Minute: "10m",
		20 * time.Hour: "20h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 30 * 24 * time.Hour: "720h",
	} {
		got := value.FormatDuration(d)
		if got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
		if back, err := value.ParseDuration(got); err != nil || back != d {
			t.Errorf("%s is read as %s, %v", got, back, err)
		}
	}
}

func TestUnjoin(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	if got := value.Unjoin(errors.Join(a, errors.Join(nil, b), c)); !slices.Equal(got, []error{a, b, c}) {
		t.Errorf("got %v", got)
	}
	if got := value.Unjoin(nil); got != nil {
		t.Errorf("of nothing: got %v", got)
	}
}
