package streammodel_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
)

func dialReal(t *testing.T, url string) (outbox.Stream, func()) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	js, _ := jetstream.New(nc)
	return &rawStream{nc: nc, js: js}, nc.Close
}

type rawStream struct {
	nc *nats.Conn
	js jetstream.JetStream
}

func (s *rawStream) Link() (string, <-chan struct{}) {
	ch := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() { close(ch) })
	if !s.nc.IsConnected() {
		return "", ch
	}
	return s.nc.ConnectedServerId(), ch
}
func (s *rawStream) Limit() int64 { return s.nc.MaxPayload() }
func (s *rawStream) Info(ctx context.Context) (broker.Info, error) {
	st, err := s.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return broker.Info{}, outbox.ErrNoStream
	} else if err != nil {
		return broker.Info{}, err
	}
	i := st.CachedInfo()
	c := i.Config
	return broker.Info{Created: i.Created, Leader: s.nc.ConnectedServerId(), First: i.State.FirstSeq, Last: i.State.LastSeq, Messages: i.State.Msgs,
		Batches: c.AllowAtomicPublish, Duplicates: c.Duplicates, Subjects: c.Subjects, PerSubject: c.MaxMsgsPerSubject > 0,
		Discards: c.MaxMsgsPerSubject > 0 || c.Discard == jetstream.DiscardOld && c.MaxMsgs > 0, MaxAge: c.MaxAge}, nil
}
func (s *rawStream) ID(ctx context.Context, seq uint64) (string, bool, error) {
	st, err := s.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return "", false, outbox.ErrNoStream
	}
	m, err := st.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return "", false, nil
	} else if err != nil {
		return "", false, err
	}
	return m.Header.Get("Nats-Msg-Id"), true, nil
}
func (s *rawStream) IDs(ctx context.Context, from, to uint64) iter.Seq2[outbox.At, error] {
	return func(yield func(outbox.At, error) bool) {
		for ; from <= to; from++ {
			id, there, err := s.ID(ctx, from)
			if err != nil {
				yield(outbox.At{}, err)
				return
			}
			if there && !yield(outbox.At{Seq: from, ID: id}, nil) {
				return
			}
		}
	}
}
func (s *rawStream) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	batch := nats.NewInbox()[7:]
	for i, m := range msgs {
		if m.Size() > s.nc.MaxPayload() {
			return broker.Result{Fate: broker.RefusedSize, Err: nats.ErrMaxPayload}
		}
		n := m.NATS()
		if len(msgs) > 1 {
			h := nats.Header{}
			for k, v := range n.Header {
				h[k] = v
			}
			h["Nats-Batch-Id"] = []string{batch}
			h["Nats-Batch-Sequence"] = []string{fmt.Sprint(i + 1)}
			if i == len(msgs)-1 {
				h["Nats-Batch-Commit"] = []string{"1"}
			}
			n.Header = h
		}
		if i < len(msgs)-1 {
			s.nc.PublishMsg(n)
			continue
		}
		r, err := s.nc.RequestMsgWithContext(ctx, n)
		if errors.Is(err, nats.ErrNoResponders) {
			return broker.Result{Fate: broker.RefusedSubject, Err: err}
		} else if err != nil {
			return broker.Result{Err: err}
		}
		var a struct {
			Error *struct {
				Code int    `json:"err_code"`
				Desc string `json:"description"`
			}
			Seq       uint64
			Duplicate bool
		}
		json.Unmarshal(r.Data, &a)
		if a.Error != nil {
			f := broker.Refused
			switch a.Error.Code {
			case 10109:
				f = broker.RefusedEver
			case 10054, 10097:
				f = broker.RefusedSize
			}
			return broker.Result{Fate: f, Err: fmt.Errorf("%d %s", a.Error.Code, a.Error.Desc)}
		}
		return broker.Result{Fate: broker.Stored, First: a.Seq - uint64(len(msgs)) + 1, Duplicate: a.Duplicate}
	}
	return broker.Result{}
}
