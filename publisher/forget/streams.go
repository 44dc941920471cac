package forget

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// streamSet has the streams from which a person's messages are deleted.
type streamSet struct {
	client *client.Client
	names  []string
	must   map[string]bool   // those that the user named, so that it is an error if they are missing
	limits map[string]uint64 // the last sequence of each that is of the search; what is behind came later
}

// found are messages of a person in a stream, by their sequences.
type found struct {
	stream jetstream.Stream
	name   string
	of     map[Match][]uint64 // by what tells that they are the person's
	later  []uint64           // those behind the limit
}

func (f found) count() int64 { return int64(len(f.of[ByNumber]) + len(f.of[BySession])) }

// denied says why nothing can be deleted from the stream, "" if it can.
func (f found) denied() string {
	switch c := f.stream.CachedInfo().Config; {
	case c.Sealed:
		return "sealed"
	case c.DenyDelete:
		return "deny_delete"
	}
	return ""
}

// find reads each stream once, whatever the subjects are, and up to the message that
// is the last when it begins, which becomes the limit if there is none yet. The streams in
// which nothing is are left out.
func (s streamSet) find(ctx context.Context, p *Person, step func()) ([]found, error) {
	var all []found
	for _, name := range s.names {
		stream, err := s.client.JetStream().Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) && !s.must[name] {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at stream %s: %w", name, err)
		}
		f := found{stream: stream, name: name, of: map[Match][]uint64{}}
		if err := s.read(ctx, &f, p, step); err != nil {
			return nil, err
		}
		if f.count() > 0 || len(f.later) > 0 {
			all = append(all, f)
		}
	}
	return all, nil
}

func (s streamSet) read(ctx context.Context, f *found, p *Person, step func()) error {
	state := f.stream.CachedInfo().State
	limit, ok := s.limits[f.name]
	if !ok {
		limit = state.LastSeq
		s.limits[f.name] = limit
	}
	if state.Msgs == 0 {
		return nil
	}
	o := client.FollowOptions{Stream: f.name, FromStart: true, ToSeq: state.LastSeq, StopAtEnd: true}
	for m, err := range s.client.Follow(ctx, o) {
		if err != nil {
			return err
		}
		step()
		if m.Sequence > limit {
			if p.MatchLater(m.Header, m.Data) != No {
				f.later = append(f.later, m.Sequence)
			}
		} else if why := p.Match(m.Header, m.Data); why != No {
			f.of[why] = append(f.of[why], m.Sequence)
		}
	}
	return nil
}

// gone reports whether a message is not there. A replica that answers may be behind.
func (f found) gone(ctx context.Context, seq uint64) bool {
	for range 10 {
		_, err := f.stream.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return true
		}
		if err != nil || client.Sleep(ctx, replicaLag) != nil {
			return false
		}
	}
	return false
}

// remove deletes messages and has the server overwrite them. It returns how many it
// deleted; what was removed meanwhile by others is not among them. After a message that
// the server does not delete it goes on with the others, and returns the first error.
func (f found) remove(ctx context.Context, seqs []uint64, step func()) (n int64, failed error) {
	for _, seq := range seqs {
		err := f.stream.SecureDeleteMsg(ctx, seq)
		// The server has one code for whatever keeps it from deleting.
		if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) && f.gone(ctx, seq) {
			step()
			continue
		}
		if err != nil {
			err = fmt.Errorf("delete message %d of stream %s: %w", seq, f.name, err)
			if _, refused := errors.AsType[*jetstream.APIError](err); !refused {
				return n, errors.Join(failed, err)
			}
			if failed == nil {
				failed = err
			}
			continue
		}
		n++
		step()
	}
	return n, failed
}
