package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ConsumerState is the progress of a consumer of the event stream, by the server's account and
// clock.
type ConsumerState struct {
	Name        string
	Durable     bool     // the server keeps it while no client uses it
	Push        bool     // the server sends, instead of being asked
	Subjects    []string // those that it reads; empty: all of the stream
	Pending     uint64   // messages that it was not given yet
	AckPending  int      // messages that it was given and did not acknowledge yet
	Redelivered int      // of those, given more than once
	Waiting     int      // requests for messages that the server holds; of a push consumer always 0
	Delivered   StreamPosition
	Acked       StreamPosition // all up to it are acknowledged
	Oldest      StreamPosition // the first that is not; zero: there is none
	Lag         time.Duration  // age of the oldest; 0: there is none
	Paused      bool
	Full        bool // it gets no more messages before it acknowledges some
	Limit       int  // of AckPending; 0 or below: none
	Bound       bool // of a push consumer: somebody is subscribed
	Asked       time.Time
}

// StreamPosition is a message of the stream, and the time that belongs to it.
type StreamPosition struct {
	Sequence uint64    // 0: none
	At       time.Time // when it was delivered or acknowledged, or of the oldest: stored; zero: not known
}

// Outstanding returns the number of messages that the consumer has not acknowledged, delivered or not.
func (s ConsumerState) Outstanding() uint64 { return s.Pending + uint64(max(s.AckPending, 0)) }

// Consumers returns the consumers of the event stream by name, those that are not
// durable only with all. The oldest message that a consumer has not acknowledged
// is looked up behind its ack floor. If it was deleted from the stream, the next
// one that is still there stands for it.
func (c *Client) Consumers(ctx context.Context, all bool) ([]ConsumerState, error) {
	s, err := c.Stream(ctx, string(c.opts.Events))
	if err != nil {
		return nil, err
	}
	var states []ConsumerState
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		state := stateOf(info)
		if !state.Durable && !all {
			continue
		}
		if state.Outstanding() > 0 {
			if err := oldest(ctx, s, &state); err != nil {
				return nil, err
			}
		}
		states = append(states, state)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the consumers of stream %s: %w", c.opts.Events, err)
	}
	slices.SortFunc(states, func(a, b ConsumerState) int { return cmp.Compare(a.Name, b.Name) })
	return states, nil
}

func stateOf(info *jetstream.ConsumerInfo) ConsumerState {
	cfg := info.Config
	s := ConsumerState{
		Name: info.Name, Durable: cfg.Durable != "", Push: cfg.DeliverSubject != "",
		Subjects: slices.Clone(cfg.FilterSubjects),
		Pending:  info.NumPending, AckPending: info.NumAckPending, Redelivered: info.NumRedelivered, Waiting: info.NumWaiting,
		Delivered: positionOf(info.Delivered), Acked: positionOf(info.AckFloor),
		Paused: info.Paused, Bound: info.PushBound, Asked: info.TimeStamp,
		Limit: cfg.MaxAckPending,
		Full:  cfg.MaxAckPending > 0 && info.NumAckPending >= cfg.MaxAckPending,
	}
	if len(s.Subjects) == 0 && cfg.FilterSubject != "" {
		s.Subjects = []string{cfg.FilterSubject}
	}
	return s
}

func positionOf(i jetstream.SequenceInfo) StreamPosition {
	p := StreamPosition{Sequence: i.Stream}
	if i.Last != nil {
		p.At = *i.Last
	}
	return p
}

// oldest looks up the first message behind the ack floor that the consumer reads.
func oldest(ctx context.Context, s jetstream.Stream, state *ConsumerState) error {
	subjects := state.Subjects
	if len(subjects) == 0 {
		subjects = []string{">"}
	}
	for _, subject := range subjects {
		// With a subject this is the next message there is, whatever was deleted.
		m, err := s.GetMsg(ctx, state.Acked.Sequence+1, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look up what consumer %s waits for: %w", state.Name, err)
		}
		if state.Oldest.Sequence == 0 || m.Sequence < state.Oldest.Sequence {
			state.Oldest = StreamPosition{Sequence: m.Sequence, At: m.Time}
		}
	}
	if state.Oldest.Sequence > 0 {
		state.Lag = max(0, state.Asked.Sub(state.Oldest.At))
	}
	return nil
}
