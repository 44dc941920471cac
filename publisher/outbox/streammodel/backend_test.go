package streammodel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// backend is a stream, real or not, that a script is run against.
type backend interface {
	stream() outbox.Stream
	wait(d time.Duration)
	configure(c streammodel.Config)
	purge(upTo uint64)
	remove(seq uint64) bool
	restart()
	recreate()
	drop()
	backup()
	restore()
}

// defaults is the stream that a script begins with.
func defaults() streammodel.Config {
	return streammodel.Config{Subjects: []string{"t.>"}, Batches: true, Fast: true, Duplicates: time.Minute}
}

// modelBackend is the model, with a clock of its own.
type modelBackend struct {
	m      *streammodel.Model
	c      *streammodel.Client
	now    time.Time
	config streammodel.Config
	copied *streammodel.Backup
}

func newModel(config streammodel.Config) *modelBackend {
	b := &modelBackend{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), config: config}
	b.m = streammodel.New(func() time.Time { return b.now }, config)
	b.c = b.m.Dial()
	return b
}

func (b *modelBackend) stream() outbox.Stream  { return b.c }
func (b *modelBackend) wait(d time.Duration)   { b.now = b.now.Add(d) }
func (b *modelBackend) purge(upTo uint64)      { b.m.Purge(upTo) }
func (b *modelBackend) remove(seq uint64) bool { return b.m.Delete(seq) }
func (b *modelBackend) restart()               { b.m.Stop(); b.m.Start() }
func (b *modelBackend) drop()                  { b.m.DeleteStream() }
func (b *modelBackend) recreate()              { b.m.DeleteStream(); b.m.Create() }
func (b *modelBackend) backup()                { b.m.Stop(); b.copied = b.m.Backup(); b.m.Start() }
func (b *modelBackend) restore()               { b.m.Restore(b.copied); b.m.Start() }
func (b *modelBackend) configure(c streammodel.Config) {
	b.m.Configure(func(to *streammodel.Config) { *to = c })
}

// observer runs the steps of a script against a backend and says what it sees.
type observer struct {
	t      *testing.T
	b      backend
	config streammodel.Config
	infos  []broker.Info
}

// message makes the message of a word: id, or kind/id for the subject t.kind, or
// size:id for one of that many bytes of data. "-" is a message without an id.
func message(word string) broker.Message {
	subject, data := "t.x", "{}"
	if kind, rest, ok := strings.Cut(word, "/"); ok {
		word = rest
		subject = "t." + kind
		if kind == "other" {
			subject = "elsewhere.x"
		}
	}
	if size, rest, ok := strings.Cut(word, ":"); ok {
		word = rest
		n := 0
		fmt.Sscan(size, &n)
		data = strings.Repeat("x", n)
	}
	m := broker.Message{Subject: subject, Header: broker.Header{{Name: "Content-Type", Value: "application/json"}}, Data: []byte(data)}
	if word != "-" {
		m.ID = word
		m.Header = append(m.Header, broker.Field{Name: "Nats-Msg-Id", Value: word})
	}
	return m
}

// do runs one step and returns what came of it, in words.
func (o *observer) do(step string) string {
	o.t.Helper()
	f := strings.Fields(step)
	args := f[1:]
	switch f[0] {
	case "publish", "fast":
		var msgs []broker.Message
		for _, w := range args {
			if id, n, ok := strings.Cut(w, "*"); ok {
				var times int
				fmt.Sscan(n, &times)
				for i := range times {
					msgs = append(msgs, message(fmt.Sprintf("%s%d", id, i)))
				}
				continue
			}
			msgs = append(msgs, message(w))
		}
		if f[0] == "fast" {
			return o.fast(msgs)
		}
		return o.publish(msgs)
	case "info":
		return o.info()
	case "ids":
		return o.ids(1, 1<<40)
	case "ids-from":
		var from, to uint64
		fmt.Sscan(strings.Join(args, " "), &from, &to)
		return o.ids(from, to)
	case "id":
		return o.id(number(args))
	case "purge":
		o.b.purge(number(args))
	case "delete":
		return fmt.Sprint(o.b.remove(number(args)))
	case "wait":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			o.t.Fatal(err)
		}
		o.b.wait(d)
	case "restart":
		o.b.restart()
	case "recreate":
		o.b.recreate()
	case "drop":
		o.b.drop()
	case "backup":
		o.b.backup()
	case "restore":
		o.b.restore()
	case "config":
		o.set(args)
		o.b.configure(o.config)
	default:
		o.t.Fatalf("no such step: %q", step)
	}
	return ""
}

func number(args []string) uint64 {
	var n uint64
	if len(args) > 0 {
		fmt.Sscan(args[0], &n)
	}
	return n
}

// set changes the configuration by words such as duplicates=1s.
func (o *observer) set(words []string) {
	c := &o.config
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		n := 0
		fmt.Sscan(value, &n)
		d, _ := time.ParseDuration(value)
		switch key {
		case "subjects":
			c.Subjects = strings.Split(value, ",")
		case "batches":
			c.Batches = value == "yes"
		case "fast":
			c.Fast = value == "yes"
		case "duplicates":
			c.Duplicates = d
		case "max-age":
			c.MaxAge = d
		case "max-size":
			c.MaxMsgSize = int64(n)
		case "max":
			c.MaxMsgs = n
		case "per-subject":
			c.MaxPerSubject = n
		case "old":
			c.DiscardOld = value == "yes"
		case "sealed":
			c.Sealed = value == "yes"
		default:
			o.t.Fatalf("no such setting: %q", w)
		}
	}
}

// ask gives a real server time for an answer.
func (o *observer) ask() (context.Context, context.CancelFunc) {
	return context.WithTimeout(o.t.Context(), 5*time.Second)
}

func (o *observer) publish(msgs []broker.Message) string {
	ctx, cancel := o.ask()
	defer cancel()
	r := o.b.stream().Publish(ctx, msgs)
	said := r.Status.String()
	if r.Status == broker.Stored {
		said += fmt.Sprint(" ", r.First)
	} else {
		o.t.Logf("%s: %v", said, r.Err)
		if r.Err == nil {
			return said + " without a reason"
		}
	}
	if r.Duplicate {
		said += " duplicate"
	}
	return said
}

// fast publishes a fast-ingest batch.
func (o *observer) fast(msgs []broker.Message) string {
	ctx, cancel := o.ask()
	defer cancel()
	r := o.b.stream().PublishFast(ctx, msgs)
	said := r.Status.String()
	if r.Status == broker.Stored || r.Status == broker.PartlyStored {
		said += fmt.Sprint(" ", r.Count, " to ", r.Last)
	}
	if r.Status != broker.Stored {
		o.t.Logf("%s: %v", said, r.Err)
		if r.Err == nil {
			return said + " without a reason"
		}
	}
	return said
}

// info says what the stream is, and what changed of its identity since the last look.
func (o *observer) info() string {
	ctx, cancel := o.ask()
	defer cancel()
	i, err := o.b.stream().Info(ctx)
	if err != nil {
		return failure(err)
	}
	if i.Last == 0 {
		i.First = 0 // the server says 1 after a purge of nothing
	}
	said := fmt.Sprintf("first %d last %d messages %d", i.First, i.Last, i.Messages)
	for _, w := range []struct {
		is   bool
		word string
	}{{!i.Batches, "no-batches"}, {!i.Fast, "no-fast"}, {i.Discards, "discards"}, {i.PerSubject, "per-subject"}, {i.MaxAge > 0, "ages"}} {
		if w.is {
			said += " " + w.word
		}
	}
	if n := len(o.infos); n > 0 {
		if !o.infos[n-1].Created.Equal(i.Created) {
			said += " created-anew"
		} else if o.infos[n-1].Leader != i.Leader {
			said += " other-leader"
		}
	}
	o.infos = append(o.infos, i)
	return said
}

func (o *observer) id(seq uint64) string {
	ctx, cancel := o.ask()
	defer cancel()
	id, there, err := o.b.stream().ID(ctx, seq)
	switch {
	case err != nil:
		return failure(err)
	case !there:
		return "none"
	}
	return fmt.Sprintf("%q", id)
}

func (o *observer) ids(from, to uint64) string {
	ctx, cancel := o.ask()
	defer cancel()
	if to == 1<<40 {
		i, err := o.b.stream().Info(ctx)
		if err != nil {
			return failure(err)
		}
		to = i.Last
	}
	if to < from {
		return ""
	}
	var said []string
	for at, err := range o.b.stream().IDs(ctx, from, to) {
		if err != nil {
			said = append(said, failure(err))
			break
		}
		said = append(said, fmt.Sprintf("%d:%s", at.Seq, at.ID))
	}
	return strings.Join(said, " ")
}

func failure(err error) string {
	if strings.Contains(err.Error(), outbox.ErrNoStream.Error()) {
		return "no stream"
	}
	return "error: " + err.Error()
}
