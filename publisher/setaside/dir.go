package setaside

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Dir is the set-aside of a data directory, for the client commands. A
// bridge may run on the directory: files are whole, or not there, and it counts
// them again every 30 seconds.
type Dir struct {
	dir  string
	keys *atrest.Keys
}

// OpenDir reads nothing yet: the directory may be missing, which means that
// nothing was ever set aside. Keys open what is encrypted.
func OpenDir(dataDir string, keys *atrest.Keys) Dir {
	return Dir{dir: filepath.Join(dataDir, datadir.SetAside), keys: keys}
}

// Message is a message in set-aside, or one that was taken out of it. All but the data is free of
// personal data.
type Message struct {
	File    string // its name; "" if it is in none
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

// MessageOf returns the message of an entry that is in no file.
func MessageOf(e Entry) Message {
	return Message{
		Time: e.Time, Reason: e.Reason, ID: e.ID, Subject: e.Subject, Kind: e.Header.Get(schema.HeaderKind), Size: e.Size(),
		message: e.Message,
	}
}

// isRefusedBody reports whether the message belongs into the quarantine. Earlier versions gave
// such bodies no reason as a header.
func (m Message) isRefusedBody() bool {
	return m.Reason == Quarantine || m.Reason == Overflow || m.message.Header.Get(schema.HeaderReason) != ""
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
	e, err := Decode(b, s.keys)
	if err != nil {
		return Message{File: name, Bytes: int64(len(b)), Damaged: err}, nil
	}
	m := MessageOf(e)
	m.File, m.Bytes = name, int64(len(b))
	return m, nil
}

// All reads every file, the oldest first. It stops at an error; a damaged file is none.
func (s Dir) All() iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		names, err := s.Files()
		if err != nil {
			yield(Message{}, err)
			return
		}
		for _, name := range names {
			if m, err := s.Read(name); !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// remove returns when the file is gone for good.
func (s Dir) remove(name string) error {
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
		return err
	}
	return datadir.Sync(s.dir)
}
