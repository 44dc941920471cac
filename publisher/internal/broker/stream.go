package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoStream: there is no stream of the configured name.
var ErrNoStream = errors.New("the stream does not exist")

// At locates a message in a stream.
type At struct {
	Seq uint64
	ID  string // Nats-Msg-Id; "" if it has none
}

// requestTimeout bounds a request to the JetStream API.
const requestTimeout = 5 * time.Second

// Stream publishes to a stream of JetStream and reads what is there. Its methods may be called at the
// same time; each returns soon after the link is lost or ctx ends, whatever the network does.
type Stream struct {
	conn    *Conn
	name    string
	timeout time.Duration // for a PubAck
	// NoBatches disables batches, whatever the stream allows. Set it before any method is
	// called.
	NoBatches bool
	replies   replies
	ackPrefix []byte // of a PubAck of the stream
	busy      sync.WaitGroup
	hanging   atomic.Int64           // publishes that were given up, but whose write may still reach the server
	domain    atomic.Pointer[string] // of the JetStream that has the stream; nil before the first look
	refusal   atomic.Value           // string: the last logged reason why the stream takes no consumer; "" if it takes one
}

// NewStream returns the stream of a name, and sends no request yet. A publish without a PubAck ends
// after timeout.
func NewStream(conn *Conn, name string, timeout time.Duration) *Stream {
	return &Stream{conn: conn, name: name, timeout: timeout, ackPrefix: fmt.Appendf(nil, "{%q:%q,%q:", "stream", name, "seq")}
}

// Name returns the name of the stream.
func (s *Stream) Name() string { return s.name }

// Timeout returns the time after which a publish without a PubAck ends.
func (s *Stream) Timeout() time.Duration { return s.timeout }

// Go runs f in a goroutine that Wait waits for: f may hang in a write.
func (s *Stream) Go(f func()) { s.busy.Go(f) }

// Wait waits for all goroutines of the stream, also those of calls that were given up. Close the
// connection first, or Wait may take as long as a hanging write.
func (s *Stream) Wait() { s.busy.Wait() }

// Link returns the id of the connected server process, "" without a connection, and a channel that
// is closed at the next change.
func (s *Stream) Link() (server string, changed <-chan struct{}) { return s.conn.Link() }

// Limit returns the size of the largest message that the server takes, in bytes, headers included,
// as far as it is known; before the first contact it is a guess.
func (s *Stream) Limit() int64 { return s.conn.MaxPayload() }

// Info asks the server about the stream. The error is ErrNoStream if there is none of that name.
func (s *Stream) Info(ctx context.Context) (Info, error) {
	return await(ctx, s, func(ctx context.Context) (Info, error) {
		found, domain, err := s.requestInfo(ctx)
		if err != nil {
			return Info{}, err
		}
		s.conn.LearnLimit()
		s.domain.Store(&domain)
		i := infoOf(found)
		i.Leader = s.leader(found.Cluster)
		i.Batches, i.Fast = i.Batches && !s.NoBatches, i.Fast && !s.NoBatches
		return i, nil
	})
}

// inDomain reports whether a PubAck with a domain can come from this stream.
func (s *Stream) inDomain(domain string) bool {
	if want := s.domain.Load(); want != nil {
		return domain == *want
	}
	return s.conn.cfg.InDomain(domain)
}

// requestInfo requests STREAM.INFO itself, since nats.go does not return the domain.
func (s *Stream) requestInfo(ctx context.Context) (info *jetstream.StreamInfo, domain string, err error) {
	answer, err := s.conn.NATS().RequestWithContext(ctx, s.conn.cfg.API()+"STREAM.INFO."+s.name, nil)
	if err != nil {
		return nil, "", fmt.Errorf("look at stream %s: %w", s.name, s.conn.cfg.ExplainNoResponders(err))
	}
	var got struct {
		Error  *jetstream.APIError `json:"error"`
		Domain string              `json:"domain"`
		jetstream.StreamInfo
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return nil, "", fmt.Errorf("look at stream %s: %w", s.name, err)
	}
	if got.Error != nil {
		if server.ErrorIdentifier(got.Error.ErrorCode) == server.JSStreamNotFoundErr {
			return nil, "", fmt.Errorf("%s: %w", s.name, ErrNoStream)
		}
		return nil, "", fmt.Errorf("look at stream %s: %w", s.name, got.Error)
	}
	return &got.StreamInfo, got.Domain, nil
}

func infoOf(have *jetstream.StreamInfo) Info {
	cfg, state := have.Config, have.State
	i := Info{
		Created:    have.Created,
		First:      state.FirstSeq,
		Last:       state.LastSeq,
		Messages:   state.Msgs,
		Batches:    cfg.AllowAtomicPublish && cfg.Mirror == nil, // a server before 2.12 drops the flag
		Fast:       fast(cfg),
		Duplicates: cfg.Duplicates,
		MaxMsgSize: int64(max(cfg.MaxMsgSize, 0)),
		Subjects:   cfg.Subjects,
		PerSubject: cfg.MaxMsgsPerSubject > 0 || cfg.Retention != jetstream.LimitsPolicy,
		MaxAge:     cfg.MaxAge,
	}
	if i.Messages == 0 {
		i.First = i.Last + 1
	}
	full := cfg.Discard == jetstream.DiscardOld && (cfg.MaxBytes > 0 || cfg.MaxMsgs > 0)
	i.Discards = i.PerSubject || full
	return i
}

// fast reports whether the stream gets fast-ingest batches. A server before 2.14 drops the flag. With
// no_ack the server still acknowledges such a batch, but does not tell the errors of its messages, so
// that the PubAck proves nothing.
func fast(cfg jetstream.StreamConfig) bool {
	return cfg.AllowBatchPublish && cfg.Replicas <= 1 && cfg.Mirror == nil && !cfg.NoAck
}

// leader returns Info.Leader, which changes whenever the stream may have been recovered from a disk.
//
// With replicas it is the leader and the time of its election: an election follows every
// restart of a leader. Without a cluster it is the process that we are connected to.
// For a stream without replicas in a cluster the answer does not name the leading process unless we
// are connected to it: its restart then shows only while it lasts, as errors. The same
// is true of a server before 2.12, which does not tell the time of the election, and of a
// stream behind a leaf node.
func (s *Stream) leader(c *jetstream.ClusterInfo) string {
	if c == nil || c.Name == "" {
		return s.conn.ServerID()
	}
	if c.LeaderSince != nil {
		return c.Leader + "@" + c.LeaderSince.UTC().Format(time.RFC3339Nano)
	}
	if c.Leader == s.conn.NATS().ConnectedServerName() {
		return c.Leader + "/" + s.conn.ServerID()
	}
	return c.Leader
}

// ID returns the Nats-Msg-Id of the message at a sequence; there is false if no
// message is there. The leader of the stream answers.
func (s *Stream) ID(ctx context.Context, seq uint64) (id string, there bool, err error) {
	type found struct {
		at    At
		there bool
	}
	f, err := await(ctx, s, func(ctx context.Context) (found, error) {
		at, there, err := s.get(ctx, getRequest{Seq: seq})
		return found{at, there}, err
	})
	return f.at.ID, f.there, err
}

// StoredMessage is a message in a stream.
type StoredMessage struct {
	Seq     uint64
	Time    time.Time // when the server stored it
	Subject string
	Header  nats.Header
	Data    []byte
}

// Next returns the first message at or behind a sequence on the subjects of a filter, as the
// leader of the stream has it; there is false if there is none yet. It needs no consumer, and
// takes a round trip.
func (s *Stream) Next(ctx context.Context, seq uint64, filter string) (m StoredMessage, there bool, err error) {
	type found struct {
		m     StoredMessage
		there bool
	}
	f, err := await(ctx, s, func(ctx context.Context) (found, error) {
		m, there, err := s.fetch(ctx, getRequest{Seq: max(seq, 1), NextFor: filter})
		return found{m, there}, err
	})
	return f.m, f.there, err
}

// getRequest asks for one message: that at Seq, or with NextFor the first at or behind it.
type getRequest struct {
	Seq     uint64 `json:"seq"`
	NextFor string `json:"next_by_subj,omitempty"`
}

// get fetches the place of a message alone.
func (s *Stream) get(ctx context.Context, req getRequest) (at At, there bool, err error) {
	m, there, err := s.fetch(ctx, req)
	if !there {
		return At{}, false, err
	}
	return At{Seq: m.Seq, ID: m.Header.Get(jetstream.MsgIDHeader)}, true, nil
}

// fetch asks the leader of the stream. The client's own GetMsg asks any replica where the
// stream allows it, and a replica may not have yet what the leader acknowledged.
func (s *Stream) fetch(ctx context.Context, req getRequest) (m StoredMessage, there bool, err error) {
	bad := func(err error) (StoredMessage, bool, error) {
		return StoredMessage{}, false, fmt.Errorf("read message %d of stream %s: %w", req.Seq, s.name, err)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return bad(err)
	}
	subject := "STREAM.MSG.GET." + s.name
	asking, end := s.whilePermitted(ctx, subject, requestTimeout)
	defer end()
	answer, err := s.conn.NATS().RequestWithContext(asking, s.conn.cfg.API()+subject, body)
	if errors.Is(err, context.Canceled) {
		err = context.Cause(asking)
	}
	if err != nil {
		return bad(err)
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq     uint64    `json:"seq"`
			Time    time.Time `json:"time"`
			Subject string    `json:"subject"`
			Headers []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return bad(err)
	}
	if got.Error != nil {
		switch server.ErrorIdentifier(got.Error.ErrorCode) {
		case server.JSNoMessageFoundErr:
			return StoredMessage{}, false, nil
		case server.JSStreamNotFoundErr:
			return StoredMessage{}, false, fmt.Errorf("%s: %w", s.name, ErrNoStream)
		}
		return bad(got.Error)
	}
	if got.Message == nil {
		return bad(errors.New("the answer has no message"))
	}
	m = StoredMessage{Seq: got.Message.Seq, Time: got.Message.Time, Subject: got.Message.Subject, Data: got.Message.Data}
	if len(got.Message.Headers) > 0 {
		if m.Header, err = nats.DecodeHeadersMsg(got.Message.Headers); err != nil {
			return bad(err)
		}
	}
	return m, true, nil
}

// await returns the result of f, unless the link is lost or ctx ends before: f then goes on alone,
// since it may wait for the client's lock, which a hanging write can hold for seconds.
func await[T any](ctx context.Context, s *Stream, f func(context.Context) (T, error)) (T, error) {
	ctx, end := s.conn.WhileUp(ctx)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	began := time.Now()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	s.busy.Go(func() {
		value, err := f(ctx)
		done <- result{value, err}
	})
	select {
	case r := <-done:
		return r.value, s.conn.Explain(r.err, s.name, began)
	case <-ctx.Done():
		var none T
		return none, s.conn.Explain(context.Cause(ctx), s.name, began)
	}
}
