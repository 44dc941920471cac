// Package setaside keeps messages that NATS does not take in files of a data directory,
// for the operator to look at, publish again or take out.
package setaside

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// Why a message is in set-aside.
const (
	TooLarge     = "too-large"            // for NATS; the request was refused
	WithTooLarge = "with-too-large"       // refused with another event of its delivery
	Quarantine   = "quarantine-too-large" // a refused body that the quarantine cannot hold
	Overflow     = "quarantine-overflow"  // a refused body that could not wait any longer for NATS
	Refused      = "refused"              // an accepted event that NATS will never take
	Uncaptured   = "uncaptured"           // an accepted event of a kind that the stream does not take
	Pending      = "pending"              // not in set-aside: exported from a journal, before NATS had it
)

// accepted reports whether a message with this reason was answered 2xx. It may use all of the
// set-aside, what was refused only half: a sender of rubbish cannot take the room of an event.
func accepted(reason string) bool { return reason == Refused || reason == Uncaptured }

// Limit bounds the set-aside, in bytes on disk.
const Limit = value.GiB

// maxWriters bounds the writes that are at work at once, those that hang among them.
const maxWriters = 8

// suffix ends the name of each file.
const suffix = ".msg"

// Store writes to the set-aside, which is a directory with one file for each message that NATS will not
// take. Files are complete and flushed, or not there; see encode.
type Store struct {
	dir   string
	limit value.Size
	keys  *atrest.Keys // nil: files are not encrypted
	log   *zap.Logger

	written, failures prometheus.Counter

	files atomic.Int64 // there now, as far as we know
	lost  atomic.Int64 // messages that could not be written since the start

	writers chan struct{} // one for each write at work

	mu      sync.Mutex // guards what follows
	used    int64      // bytes on disk, as counted last, and what was written since
	writing int64      // bytes that are being written
}

// ErrFull: the bound is reached; remove files to make room.
var ErrFull = errors.New("set-aside is full")

// Open opens the set-aside of a data directory for writing. A directory that cannot be
// written is told at the first message, as one that becomes so later. The registerer may
// be nil, and so may keys, which encrypt the files.
func Open(dataDir string, limit value.Size, keys *atrest.Keys, log *zap.Logger, reg prometheus.Registerer) *Store {
	counter := func(name, help string) prometheus.Counter {
		return promauto.With(reg).NewCounter(prometheus.CounterOpts{Name: "treble_bridge_" + name, Help: help})
	}
	s := &Store{
		dir: filepath.Join(dataDir, datadir.SetAside), limit: limit, keys: keys, log: log, writers: make(chan struct{}, maxWriters),
		written:  counter("set_aside_total", "Messages written to set-aside."),
		failures: counter("set_aside_failed_total", "Messages that could not be written to set-aside."),
	}
	s.Recount()
	return s
}

// Put writes m and returns when it is on stable storage, or when ctx ends: a disk that hangs
// holds nobody up. The write may then come to its end later.
func (s *Store) Put(ctx context.Context, m broker.Message, reason string) error {
	select {
	case s.writers <- struct{}{}:
	default:
		select {
		case s.writers <- struct{}{}:
		case <-ctx.Done():
			return s.failed(fmt.Errorf("other writes hang: %w", ctx.Err()))
		}
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.writers }()
		done <- s.put(m, reason)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("write to set-aside: %w; it may be written yet", ctx.Err())
	}
}

// keepTimeout bounds a write that no request waits for.
const keepTimeout = 10 * time.Second

// Keep puts a message with a deadline of its own, where no request waits. A write that hangs is to be tried again.
func (s *Store) Keep(m broker.Message, reason string) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
	defer cancel()
	return s.Put(ctx, m, reason)
}

func (s *Store) put(m broker.Message, reason string) error {
	name, err := s.write(Entry{Message: m, Reason: reason, Time: time.Now()})
	if err != nil {
		return s.failed(err)
	}
	s.written.Inc()
	s.log.Warn("message set aside", zap.String("file", name), zap.String("reason", reason),
		zap.String("id", m.ID), zap.String("subject", m.Subject), zap.Int("bytes", len(m.Data)))
	return nil
}

// failed counts a message that is lost.
func (s *Store) failed(err error) error {
	s.lost.Add(1)
	s.failures.Inc()
	return fmt.Errorf("write to set-aside: %w", err)
}

func (s *Store) write(e Entry) (name string, err error) {
	b, err := seal(encode(e), s.keys)
	if err != nil {
		return "", err
	}
	size := onDisk(int64(len(b)))
	if err := s.reserve(size, accepted(e.Reason)); err != nil {
		return "", err
	}
	name = e.Time.UTC().Format("20060102T150405.000000000Z") + "-" + fileSafe(e.ID) + suffix
	err = datadir.WriteFile(s.dir, name, b)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing -= size
	if err != nil {
		return "", err
	}
	s.used += size
	s.files.Add(1)
	return name, nil
}

// reserve takes room for a file that is going to be written.
func (s *Store) reserve(size int64, all bool) error {
	limit := int64(s.limit)
	if !all {
		limit /= 2
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used+s.writing+size > limit {
		return fmt.Errorf("%w: %d bytes of %d in %s are used", ErrFull, s.used+s.writing, limit, s.dir)
	}
	s.writing += size
	return nil
}

// Used returns how many bytes are in it.
func (s *Store) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used + s.writing
}

// LimitForSources returns how many bytes Put leaves for what is refused at once: half, since the
// rest is for what was accepted.
func (s *Store) LimitForSources() int64 { return int64(s.limit) / 2 }

// Recount looks at the directory, whose files operators remove by hand.
func (s *Store) Recount() {
	entries, _ := os.ReadDir(s.dir)
	var used, files int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), suffix) {
			used += onDisk(info.Size())
			files++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = used
	s.files.Store(files)
}

// Reason says why the set-aside needs the operator, and the command that tells more; "" if it
// does not, or if there is none.
func (s *Store) Reason() (text, see string) {
	if n := s.lost.Load(); n > 0 {
		return fmt.Sprintf("set-aside: %d messages could not be written since the start; see the log", n), ""
	}
	if n := s.files.Load(); n > 0 {
		return fmt.Sprintf("set-aside: %d messages need a look", n), "treble-bridge journal set-aside list"
	}
	return "", ""
}

// onDisk rounds up to blocks, so that the bound limits the number of files too.
func onDisk(size int64) int64 {
	const block = 4096
	return (size + block - 1) / block * block
}

// fileSafe keeps of an id what is harmless in a file name.
func fileSafe(id string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, id)
	return safe[:min(len(safe), 64)]
}
