package streammodel

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// MaxPayload is what the server takes of a message.
const MaxPayload = 1 << 20

// Fault is what happens to one publish on its way.
type Fault struct {
	Kind  FaultKind
	Delay time.Duration  // of LateRequest: when it takes effect
	Sent  int            // of CutBatch, CutInside, Between: how many messages come before it happens
	Other broker.Message // of Between: what another writer writes
}

// FaultKind says what happens.
type FaultKind string

// The faults of a publish.
const (
	NoFault     FaultKind = ""
	LostRequest FaultKind = "request lost" // not stored, and no answer
	LostAck     FaultKind = "ack lost"     // stored, and no answer
	LateRequest FaultKind = "request late" // stored after the sender gave up
	CutLink     FaultKind = "link cut"     // the link goes before anything is stored
	CutLinkAck  FaultKind = "link cut before the ack"
	CutBatch    FaultKind = "server killed in a batch" // a part is stored, the rest of an atomic batch by the next start
	CutInside   FaultKind = "link cut in a batch"      // a part has arrived; only a fast-ingest batch stores it
	Between     FaultKind = "written between"          // another writer's message comes into a fast-ingest batch
)

// Client is one connection to the server. It is an outbox.Stream.
type Client struct {
	m       *Model
	up      bool
	peer    int // which server of a cluster it is connected to
	changed chan struct{}
	link    string
	faults  []Fault
	reads   []ReadFault
}

// ReadFault is what happens to one Info, ID or IDs.
type ReadFault struct {
	Fail  bool
	After int // IDs: after so many ids
}

// Dial returns a new connection, which is up.
func (m *Model) Dial() *Client {
	c := &Client{m: m, up: true, changed: make(chan struct{})}
	c.link = c.server()
	m.clients = append(m.clients, c)
	return c
}

// Close ends the connection for good. What it has sent may still arrive.
func (c *Client) Close() {
	c.SetUp(false)
	c.m.clients = slices.DeleteFunc(c.m.clients, func(o *Client) bool { return o == c })
}

// SetUp breaks the network between the client and the server, or mends it.
func (c *Client) SetUp(up bool) { c.up = up; c.refresh() }

// Move lets the client reconnect to another server of the cluster.
func (c *Client) Move() { c.peer++; c.refresh() }

// Next says what happens to the next publishes, one after the other.
func (c *Client) Next(faults ...Fault) { c.faults = append(c.faults, faults...) }

// NextRead says what happens to the next reads.
func (c *Client) NextRead(faults ...ReadFault) { c.reads = append(c.reads, faults...) }

// NoFaults forgets the faults that have not happened yet.
func (c *Client) NoFaults() { c.faults, c.reads = nil, nil }

func (c *Client) server() string {
	if !c.up || !c.m.up {
		return ""
	}
	return fmt.Sprintf("server-%d-%d", c.peer, c.m.boots)
}

func (c *Client) refresh() {
	if now := c.server(); now != c.link {
		c.link = now
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// Link is as outbox.Stream says; so are the others.
func (c *Client) Link() (string, <-chan struct{}) { return c.link, c.changed }

// Limit is as outbox.Stream says.
func (c *Client) Limit() int64 { return MaxPayload }

// read returns the fault of this read, and an error if it cannot be answered.
func (c *Client) read(ctx context.Context) (ReadFault, error) {
	c.m.tick()
	if err := ctx.Err(); err != nil {
		return ReadFault{}, err
	}
	if c.link == "" {
		return ReadFault{}, errAway
	}
	var f ReadFault
	if len(c.reads) > 0 {
		f, c.reads = c.reads[0], c.reads[1:]
	}
	switch {
	case f.Fail && f.After == 0, !c.m.ruled && c.m.exists:
		return f, errNoAnswer
	case !c.m.exists:
		return f, broker.ErrNoStream
	}
	return f, nil
}

// Info is as outbox.Stream says.
func (c *Client) Info(ctx context.Context) (broker.Info, error) {
	if _, err := c.read(ctx); err != nil {
		return broker.Info{}, err
	}
	m, o := c.m, c.m.config
	first := uint64(0)
	if len(m.msgs) > 0 {
		first = m.msgs[0].Seq
	} else if m.last > 0 {
		first = m.last + 1
	}
	return broker.Info{
		Created: m.created, Leader: m.leaderName(), First: first, Last: m.last, Messages: uint64(len(m.msgs)),
		Batches: o.Batches, Fast: o.Fast, Duplicates: o.Duplicates, MaxMsgSize: o.MaxMsgSize, Subjects: slices.Clone(o.Subjects),
		Discards: o.MaxPerSubject > 0 || o.DiscardOld && o.MaxMsgs > 0, PerSubject: o.MaxPerSubject > 0, MaxAge: o.MaxAge,
	}, nil
}

// ID is as outbox.Stream says.
func (c *Client) ID(ctx context.Context, seq uint64) (string, bool, error) {
	if _, err := c.read(ctx); err != nil {
		return "", false, err
	}
	if i, ok := c.m.find(seq); ok {
		return c.m.msgs[i].ID, true, nil
	}
	return "", false, nil
}

// IDs is as outbox.Stream says.
func (c *Client) IDs(ctx context.Context, from, to uint64) iter.Seq2[broker.At, error] {
	return func(yield func(broker.At, error) bool) {
		f, err := c.read(ctx)
		if err != nil {
			yield(broker.At{}, err)
			return
		}
		i, _ := c.m.find(from)
		for n := 0; i < len(c.m.msgs) && c.m.msgs[i].Seq <= to; i, n = i+1, n+1 {
			if f.Fail && n >= f.After {
				yield(broker.At{}, errNoAnswer)
				return
			}
			if !yield(broker.At{Seq: c.m.msgs[i].Seq, ID: c.m.msgs[i].ID}, nil) {
				return
			}
		}
		if f.Fail {
			yield(broker.At{}, errNoAnswer)
		}
	}
}

// Publish is as outbox.Stream says.
func (c *Client) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	return c.publish(ctx, msgs, false)
}

// PublishFast is as outbox.Stream says.
func (c *Client) PublishFast(ctx context.Context, msgs []broker.Message) broker.Result {
	return c.publish(ctx, msgs, true)
}

func (c *Client) publish(ctx context.Context, msgs []broker.Message, fast bool) broker.Result {
	m := c.m
	m.tick()
	if err := ctx.Err(); err != nil {
		return broker.Result{Status: broker.NotSent, Err: err}
	}
	if c.link == "" {
		return broker.Result{Status: broker.NotSent, Err: errAway}
	}
	for _, msg := range msgs {
		if msg.Size() > MaxPayload {
			return refused(batched(broker.RefusedSize, msgs), errTooLarge)
		}
	}
	var f Fault
	if len(c.faults) > 0 {
		f, c.faults = c.faults[0], c.faults[1:]
	}
	unknown := broker.Result{Err: errNoAnswer}
	switch f.Kind {
	case LostRequest:
		return unknown
	case LateRequest:
		m.late = append(m.late, late{at: m.now().Add(f.Delay), msgs: slices.Clone(msgs), fast: fast})
		sort.SliceStable(m.late, func(i, j int) bool { return m.late[i].at.Before(m.late[j].at) })
		return unknown
	case CutLink:
		c.SetUp(false)
		return unknown
	}
	switch {
	case !m.exists, !m.ruled:
		return refused(batched(broker.RefusedSubject, msgs), errNobody)
	case m.broken:
		return unknown
	case f.Kind == CutBatch:
		m.cut(msgs, f.Sent, fast)
		return unknown
	case f.Kind == CutInside:
		if fast {
			m.applyFast(msgs[:min(f.Sent, len(msgs))])
		}
		c.SetUp(false)
		return unknown
	}
	var r broker.Result
	switch {
	case fast && f.Kind == Between && f.Sent < len(msgs):
		r = m.applyFastBetween(msgs, f.Sent, f.Other)
	case fast:
		r = m.applyFast(msgs)
	default:
		r = m.apply(msgs)
	}
	switch f.Kind {
	case LostAck:
		return unknown
	case CutLinkAck:
		c.SetUp(false)
		return unknown
	}
	return r
}

// batched is the status of a refusal: that of a batch is Refused.
func batched(f broker.Status, msgs []broker.Message) broker.Status {
	if len(msgs) > 1 {
		return broker.Refused
	}
	return f
}

// cut kills the server when it has stored the first n of a batch. A lone message is
// stored, or not.
func (m *Model) cut(msgs []broker.Message, n int, fast bool) {
	n = min(n, len(msgs))
	if fast {
		m.applyFast(msgs[:n])
		m.Stop()
		return
	}
	ok := m.applyCheck(msgs)
	if ok && len(msgs) > 1 {
		for _, msg := range msgs[:n] {
			m.store(msg)
		}
		if n > 0 && n < len(msgs) {
			m.partial = &partial{msgs: slices.Clone(msgs[n:])}
		}
	} else if ok && n > 0 {
		m.apply(msgs)
	}
	m.Stop()
}

func (m *Model) applyCheck(msgs []broker.Message) bool {
	return len(msgs) == 1 || m.checkBatch(msgs).Status == broker.Stored
}
