package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// setAside sets the message at the head aside.
func (r *relay) setAside(it *item, why Reason, cause error) error {
	if err := r.cfg.setAside(it.msg, why, cause); err != nil {
		return fmt.Errorf("set aside what NATS refuses (%w): %w", cause, err)
	}
	r.log.Error("NATS refuses an accepted event; it is in set-aside",
		zap.String("id", it.msg.ID), zap.String("subject", it.msg.Subject), zap.String("reason", string(why)), zap.Error(cause))
	it.finish(outcome{aside: true})
	r.session.singles = max(0, r.session.singles-1)
	r.finishHead()
	r.pause = 0
	return nil
}

// refusedSubject deals with a subject that the stream does not take, though it may
// take others. It is waited for, since the stream's settings or permissions may be
// mended soon, and then it must not hold up the others any longer.
func (r *relay) refusedSubject(ctx context.Context, it *item, cause error) error {
	now := r.cfg.now()
	since, before := r.refusing[it.msg.Subject]
	if !before || now.Before(since) {
		since = now
		r.refusing[it.msg.Subject] = now
		r.denied++
	}
	info, err := r.stream.Info(ctx) // it may have been mended
	if err != nil {
		r.endSession()
		return errors.Join(cause, err)
	}
	if compared := r.session.info; !info.Created.Equal(compared.Created) || info.Leader != compared.Leader {
		r.endSession() // what it may lack is looked for first
		return cause
	}
	r.session.info = info
	if now.Sub(since) < r.cfg.refusedAfter {
		return cause
	}
	if others, err := r.takesOthers(it.msg.Subject); err != nil || !others {
		return errors.Join(cause, err)
	}
	return r.setAside(it, ReasonUncaptured, cause)
}

// takesOthers reports whether the stream can be expected to take other subjects. If it
// takes none, it is the stream that is wrong, and nothing is set aside.
func (r *relay) takesOthers(subject string) (bool, error) {
	info := r.session.info
	if !info.Captures(subject) {
		return slices.ContainsFunc(r.cfg.subjects, info.Captures), nil
	}
	// By a limit or a permission: nothing is known of the others before one is tried. So
	// there must be one to try, and none that was refused too.
	if r.denied >= 2 {
		return false, nil
	}
	return r.othersWait(subject)
}

// othersWait reports whether a message of another subject waits behind those of a subject.
// It reads what is pending once, however often it is asked.
func (r *relay) othersWait(subject string) (others bool, err error) {
	differs := func(m broker.Message) bool { return r.cfg.subject(m) != subject }
	if slices.ContainsFunc(r.session.queue, func(it *item) bool { return differs(it.msg) }) {
		return true, nil
	}
	if r.sameSubject.subject != subject {
		r.sameSubject.subject, r.sameSubject.upTo = subject, 0
	}
	from := max(r.sameSubject.upTo+1, r.session.reader.Pos())
	err = r.journalRange(from, r.journal.Stats().Last, func(seq journal.Seq, payload []byte) (bool, error) {
		_, msgs, err := ledger.DecodeEntry(payload, r.cfg.keys)
		if err != nil {
			return false, fmt.Errorf("journal entry %d: %w", seq, err)
		}
		if others = slices.ContainsFunc(msgs, differs); !others {
			r.sameSubject.upTo = seq
		}
		return !others, nil
	})
	return others, err
}
