package delivery_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

var update = flag.Bool("update", false, "write the golden envelopes")

// received is the time of receipt in the golden envelopes.
var received = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// uniqueID stands in the golden envelopes for an id that differs every time.
const uniqueID = "aaaaaaaaaaaaaaaaaaaaaaaaaa"

const (
	payloadDir = "../../test/testdata/payloads"
	goldenDir  = "../../test/testdata/golden"
)

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func payloads(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(payloadDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("payloads: got %d files, error %v", len(files), err)
	}
	return files
}

// envelopes parses a body and returns its envelopes, one after the other.
func envelopes(t *testing.T, body []byte) []byte {
	t.Helper()
	var all []byte
	for _, b := range eachEnvelope(t, body) {
		all = append(append(all, b...), '\n')
	}
	return all
}

// eachEnvelope parses a body and returns the envelope of each event.
func eachEnvelope(t *testing.T, body []byte) [][]byte {
	t.Helper()
	d := parse(body, "/webhook")
	if d.Rejection != nil {
		t.Fatalf("rejected: %+v", d.Rejection)
	}
	var all [][]byte
	for _, e := range d.Events {
		if e.DedupeKey == schema.DedupeNone {
			e.ID = uniqueID
		}
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// TestGolden holds the envelope of every payload, byte for byte. A change here
// is a change for every consumer.
func TestGolden(t *testing.T) {
	for _, file := range payloads(t) {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".json"), func(t *testing.T) {
			got := envelopes(t, read(t, file))
			golden := filepath.Join(goldenDir, name)
			if *update {
				if err := os.MkdirAll(goldenDir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, golden); !bytes.Equal(got, want) {
				t.Errorf("envelopes of %s differ (go test ./schema/delivery -run TestGolden -update, if that is meant)\ngot:  %s\nwant: %s", name, got, want)
			}
		})
	}
}

// TestGoldenReadByPython reads every golden envelope as consumers do in another language.
func TestGoldenReadByPython(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	if err != nil || len(files) < len(payloads(t)) {
		t.Fatalf("golden envelopes: got %d files, error %v", len(files), err)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is missing, and CI needs it")
		}
		t.Skip("python3 is missing: golden envelopes are not read by another language")
	}
	const script = `
import json, sys
for path in sys.argv[1:]:
    text = open(path, encoding="utf-8").read()
    while text.strip():
        value, end = json.JSONDecoder().raw_decode(text)
        assert value["specversion"] == "1.0" and "raw" in value["data"], path
        text = text[end:].lstrip()
`
	if out, err := exec.Command(python, append([]string{"-c", script}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("python: %v\n%s", err, out)
	}
}
