package journal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

const dir = "/data/journal"

// What the script notes among the operations, so that an image knows what was
// promised when it was taken.
type (
	acked struct {
		payload string
		seq     journal.Seq
	}
	voided   struct{ payload string }
	released struct{ upTo journal.Seq } // noted before the call
)

// owner keeps the state that a publisher would: up to which entry all is done.
type owner struct {
	done    journal.Seq
	entries map[journal.Seq]string
	marked  journal.Seq // the largest entry that a mark speaks of
	last    journal.Seq
	order   []journal.Seq
}

func (o *owner) replay(r journal.Record) error {
	switch r.Type {
	case journal.Entry:
		if o.entries == nil {
			o.entries = map[journal.Seq]string{}
		}
		o.entries[r.Seq] = string(r.Payload)
		o.order = append(o.order, r.Seq)
		o.last = r.Seq
	case journal.Mark:
		o.done = max(o.done, journal.Seq(binary.BigEndian.Uint64(r.Payload)))
		o.marked = max(o.marked, o.done)
		if o.done > r.Seq {
			return fmt.Errorf("mark speaks of entry %d, and stands behind entry %d", o.done, r.Seq)
		}
	case journal.Checkpoint:
		o.done = max(o.done, journal.Seq(binary.BigEndian.Uint64(r.Payload)))
	}
	return nil
}

func number(s journal.Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(s)) }

// script is a workload on one FS: appends, batches, marks, roll-overs, releases.
type script struct {
	fs  *journaltest.FS
	own owner
}

func (s *script) options() journal.Options {
	o := journal.Options{FS: s.fs, SegmentBytes: 400, Checkpoint: func() []byte { return number(s.own.done) }}
	return o.WithDelays(time.Hour, time.Nanosecond)
}

// run does n steps; payloads are unique through tag. Errors of the journal are part
// of the game.
func (s *script) run(tag string, n int) error {
	s.own = owner{}
	j, err := journal.Open(dir, s.options(), s.own.replay)
	if err != nil {
		return err
	}
	defer j.Close()
	for i := range n {
		// Sizes across 512, so that a record is torn in several places.
		p := fmt.Sprintf("%s-%d-%s", tag, i, bytes.Repeat([]byte{'x'}, i*97%300))
		s.append(j, p)
		if i%3 == 2 {
			s.batch(j, fmt.Sprintf("%s-%d", tag, i))
		}
		if i%4 == 3 {
			last := j.Stats().Last
			if last > 3 {
				s.own.done = max(s.own.done, last-2)
				j.Mark(number(s.own.done))
				s.fs.Note(released{s.own.done})
				j.Release(s.own.done)
			}
		}
	}
	return nil
}

func (s *script) append(j *journal.Journal, p string) {
	seq, err := j.Append(context.Background(), []byte(p))
	s.note(p, seq, err)
}

// batch appends several records at once.
func (s *script) batch(j *journal.Journal, tag string) {
	done := make(chan struct{})
	for k := range 3 {
		go func() {
			s.append(j, fmt.Sprintf("%s+%d", tag, k))
			done <- struct{}{}
		}()
	}
	for range 3 {
		<-done
	}
}

func (s *script) note(p string, seq journal.Seq, err error) {
	switch {
	case err == nil:
		s.fs.Note(acked{p, seq})
	case errors.Is(err, journal.ErrVoid), errors.Is(err, journal.ErrFull):
		s.fs.Note(voided{p})
	case errors.Is(err, journal.ErrUnknown):
	default:
		panic(err)
	}
}

// promise holds the promises that a series of operations made.
type promise struct {
	acked    map[string]journal.Seq
	void     map[string]bool
	released journal.Seq
	full     bool // the disk was: segments may be removed before the marks are flushed
}

func promised(ops []journaltest.Op) promise {
	p := promise{acked: map[string]journal.Seq{}, void: map[string]bool{}}
	for _, op := range ops {
		p.full = p.full || errors.Is(op.Err, syscall.ENOSPC)
		switch n := op.Note.(type) {
		case acked:
			p.acked[n.payload] = n.seq
		case voided:
			p.void[n.payload] = true
		case released:
			p.released = max(p.released, n.upTo)
		}
	}
	return p
}

// check opens the files and compares what is there with the promise. It then
// appends, closes and opens again.
func (p promise) check(files map[string][]byte) error {
	fs := journaltest.From(files)
	seqs := map[string]journal.Seq{}
	for round := range 2 {
		var o owner
		opt := journal.Options{FS: fs, SegmentBytes: 400, Checkpoint: func() []byte { return number(o.done) }}
		j, err := journal.Open(dir, opt.WithDelays(time.Hour, time.Nanosecond), o.replay)
		if err != nil {
			return err
		}
		if err := p.compare(j, &o, seqs); err != nil {
			j.Close()
			return fmt.Errorf("opened %d times: %w", round+1, err)
		}
		for k := range 3 {
			name := fmt.Sprintf("later-%d-%d", round, k)
			seq, err := j.Append(context.Background(), []byte(name))
			if err != nil {
				j.Close()
				return fmt.Errorf("append after recovery: %w", err)
			}
			p.acked[name] = seq
			o.last = seq
		}
		if err := j.Close(); err != nil {
			return err
		}
	}
	return nil
}

// compare also pins the sequence number that a record has: it must keep it.
func (p promise) compare(j *journal.Journal, o *owner, seqs map[string]journal.Seq) error {
	if d := j.Damage(); len(d) > 0 {
		return fmt.Errorf("damage reported: %+v", d)
	}
	st := j.Stats()
	for i, seq := range o.order {
		if want := st.First + journal.Seq(i); seq != want {
			return fmt.Errorf("entry %d of the log has sequence %d, want %d", i, seq, want)
		}
	}
	if st.First > p.released+1 {
		return fmt.Errorf("first entry is %d, released were only those up to %d", st.First, p.released)
	}
	if o.done+1 < st.First && !p.full {
		return fmt.Errorf("entries before %d are gone, the owner knows only of %d", st.First, o.done)
	}
	if o.marked > st.Last {
		return fmt.Errorf("a mark speaks of entry %d, the last one is %d", o.marked, st.Last)
	}
	found := map[string]bool{}
	for seq, payload := range o.entries {
		if found[payload] {
			return fmt.Errorf("%.20q is there twice", payload)
		}
		found[payload] = true
		if p.void[payload] {
			return fmt.Errorf("%.20q is there, its Append said void", payload)
		}
		if before, ok := seqs[payload]; ok && before != seq {
			return fmt.Errorf("%.20q moved from %d to %d", payload, before, seq)
		}
		seqs[payload] = seq
	}
	for payload, seq := range p.acked {
		if seq >= st.First && o.entries[seq] != payload {
			return fmt.Errorf("acknowledged entry %d, %.20q, is missing; there is %.20q", seq, payload, o.entries[seq])
		}
	}
	return p.read(j, o)
}

// read compares a reader with what Open delivered.
func (p promise) read(j *journal.Journal, o *owner) error {
	r := j.NewReader(1)
	defer r.Close()
	for _, seq := range o.order {
		rec, err := r.Next(context.Background())
		if err != nil {
			return err
		}
		if rec.Seq != seq || string(rec.Payload) != o.entries[seq] {
			return fmt.Errorf("reader returned %d, want %d", rec.Seq, seq)
		}
	}
	return nil
}

func images(n int) map[string]journaltest.Image {
	s := uint64(n)
	return map[string]journaltest.Image{
		"flushed": journaltest.FlushedOnly(), "everything": journaltest.Everything(),
		"random512": journaltest.Random(512, s), "random4096": journaltest.Random(4096, s),
		"random64": journaltest.Random(64, s), "random512b": journaltest.Random(512, s+1e6),
	}
}

// crashes tries every crash point of what was done on fs in every image, and returns
// how many were tried, and the first that breaks the promise.
func crashes(t testing.TB, fs *journaltest.FS, every int) (int, error) {
	t.Helper()
	ops := fs.Ops()
	tried := 0
	for n := 0; n <= len(ops); n++ {
		if n > 0 && n < len(ops) && !changes(ops[n-1]) || n%every != 0 {
			continue // the same image as before
		}
		for name, image := range images(n) {
			tried++
			if err := promised(ops[:n]).check(fs.Crash(n, image)); err != nil {
				return tried, fmt.Errorf("crash after operation %d of %d (%s %s), image %s: %w", n, len(ops), lastOp(ops, n).Kind, lastOp(ops, n).Name, name, err)
			}
		}
	}
	return tried, nil
}

func lastOp(ops []journaltest.Op, n int) journaltest.Op {
	if n == 0 {
		return journaltest.Op{}
	}
	return ops[n-1]
}

func changes(op journaltest.Op) bool {
	switch op.Kind {
	case journaltest.Read, journaltest.Size, journaltest.Free, journaltest.ReadDir, journaltest.Mkdir, journaltest.Open:
		return false
	}
	return true
}
