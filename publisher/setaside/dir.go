package setaside

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Dir is the set-aside of a data directory, for the client commands. A
// bridge may run on the directory: files are whole, or not there, and it counts
// them again every 30 seconds.
type Dir struct{ dir string }

// OpenDir reads nothing yet: the directory may be missing, which means that
// nothing was ever set aside.
func OpenDir(dataDir string) Dir {
	return Dir{dir: filepath.Join(dataDir, datadir.SetAside)}
}

// Message is a message in set-aside. All but the data is free of
// personal data.
type Message struct {
	File    string // its name
	Bytes   int64  // of the file
	Damaged error  // if it cannot be read as it was written; then what follows is empty

	Time    time.Time // when it was set aside
	Reason  string    // such as "too-large" or "refused"
	ID      string    // Nats-Msg-Id
	Subject string
	Kind    string // of an event; "" for a refused body
	Size    int64  // as NATS counts it: headers and data

	message broker.Message
}

// Files returns the names of the files, the oldest first.
func (s Dir) Files() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read set-aside: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // they begin with the time
	return names, nil
}

// Read returns the message in a file. It is an error if the file cannot be read;
// if it can, and is damaged, the message says so. What is meant may be given as
// the file's name, or with the path of the directory.
func (s Dir) Read(file string) (Message, error) {
	name := filepath.Base(file)
	if dir := filepath.Dir(file); dir != "." && filepath.Clean(dir) != filepath.Clean(s.dir) || !strings.HasSuffix(name, suffix) {
		return Message{}, fmt.Errorf("%s is no file of %s", file, s.dir)
	}
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return Message{}, fmt.Errorf("read set-aside: %w", err)
	}
	m := Message{File: name, Bytes: int64(len(b))}
	e, err := Decode(b)
	if err != nil {
		m.Damaged = err
		return m, nil
	}
	m.Time, m.Reason, m.ID, m.Subject, m.Size, m.message = e.Time, e.Reason, e.ID, e.Subject, e.Size(), e.Message
	m.Kind = e.Header.Get(schema.HeaderKind)
	return m, nil
}

// remove returns when the file is gone for good.
func (s Dir) remove(name string) error {
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
		return err
	}
	return datadir.Sync(s.dir)
}

// isRefusedBody reports whether the message belongs into the quarantine.
func (m Message) isRefusedBody() bool {
	return m.Reason == Quarantine || m.Reason == Overflow
}

// Line returns the message with its data as one line of JSON: an event's envelope
// as "data", of which only white space differs from what was kept; a refused body,
// and whatever is no JSON, byte for byte as "data_base64".
func (m Message) Line() ([]byte, error) {
	if m.Damaged != nil {
		return nil, m.Damaged
	}
	v := struct {
		File    string              `json:"file"`
		Subject string              `json:"subject"`
		Reason  string              `json:"reason"`
		Time    time.Time           `json:"time"`
		Headers map[string][]string `json:"headers"`
		Data    json.RawMessage     `json:"data,omitempty"`
		Base64  *string             `json:"data_base64,omitempty"`
	}{File: m.File, Subject: m.Subject, Reason: m.Reason, Time: m.Time, Headers: m.message.Header.Map()}
	if data := m.message.Data; !m.isRefusedBody() && utf8.Valid(data) && json.Valid(data) {
		v.Data = data
	} else {
		text := base64.StdEncoding.EncodeToString(data)
		v.Base64 = &text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // or characters of the body would change
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", m.File, err)
	}
	return b.Bytes(), nil
}
