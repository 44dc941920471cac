package publisher

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// Why a message is in set-aside.
const (
	reasonTooLarge     = "too-large"            // for NATS
	reasonWithTooLarge = "with-too-large"       // refused with another event of its delivery
	reasonQuarantine   = "quarantine-too-large" // a refused body that the quarantine cannot hold
	reasonRefused      = "refused"              // an accepted event that NATS will never take
	reasonOverflow     = "quarantine-overflow"  // a refused body that could not wait any longer for NATS
)

// setAsideLimit bounds the set-aside. Refused bodies may use half of it, so
// that a sender of rubbish cannot take the room of an event.
const setAsideLimit = value.GiB

const setAsideSuffix = ".msg"

// setAside is a directory with one file for each message that NATS will not
// take. Files are complete and flushed, or not there; see encodeSetAside.
type setAside struct {
	dir     string
	limit   value.Size
	log     *zap.Logger
	metrics *metrics

	files atomic.Int64 // there now, as far as we know
	lost  atomic.Int64 // messages that could not be written since the start

	mu   sync.Mutex // guards what follows; held while writing, so that the bound holds
	used int64      // bytes on disk
}

// errSetAsideFull: the bound is reached; remove files to make room.
var errSetAsideFull = errors.New("set-aside is full")

// openSetAside never fails: a directory that cannot be written is told at the
// first message, as one that becomes so later.
func openSetAside(dir string, limit value.Size, log *zap.Logger, m *metrics) *setAside {
	s := &setAside{dir: dir, limit: limit, log: log, metrics: m}
	s.recount()
	return s
}

// put writes m and returns when it is on stable storage.
func (s *setAside) put(m message, reason string) error {
	name, err := s.write(setAsideEntry{message: m, Reason: reason, Time: time.Now()})
	if err != nil {
		s.lost.Add(1)
		s.metrics.setAsideFailed.Inc()
		return fmt.Errorf("write to set-aside: %w", err)
	}
	s.metrics.setAside.Inc()
	s.log.Warn("message set aside", zap.String("file", name), zap.String("reason", reason),
		zap.String("id", m.id), zap.String("subject", m.subject), zap.Int("bytes", len(m.data)))
	return nil
}

func (s *setAside) write(e setAsideEntry) (name string, err error) {
	b := encodeSetAside(e)
	size := onDisk(int64(len(b)))
	limit := int64(s.limit)
	if e.Reason == reasonQuarantine || e.Reason == reasonOverflow {
		limit /= 2
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used+size > limit {
		return "", fmt.Errorf("%w: %d bytes of %d in %s are used", errSetAsideFull, s.used, limit, s.dir)
	}
	name = e.Time.UTC().Format("20060102T150405.000000000Z") + "-" + fileSafe(e.id) + setAsideSuffix
	if err := datadir.WriteFile(s.dir, name, b); err != nil {
		return "", err
	}
	s.used += size
	s.files.Add(1)
	return name, nil
}

// recount looks at the directory, whose files operators remove by hand.
func (s *setAside) recount() {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, _ := os.ReadDir(s.dir)
	var used, files int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), setAsideSuffix) {
			used += onDisk(info.Size())
			files++
		}
	}
	s.used = used
	s.files.Store(files)
}

// reason says why the set-aside needs the operator, "" if it does not.
func (s *setAside) reason() string {
	if n := s.lost.Load(); n > 0 {
		return fmt.Sprintf("set-aside: %d messages could not be written since the start; see the log", n)
	}
	if n := s.files.Load(); n > 0 {
		return fmt.Sprintf("set-aside: %d messages need a look; see treble-bridge journal set-aside list", n)
	}
	return ""
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
