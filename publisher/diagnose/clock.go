package diagnose

import (
	"context"
	"encoding/json"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// How far two clocks may be apart.
const (
	skewNoticed = 2 * time.Second // more than the time service leaves
	skewWrong   = time.Minute     // the times in events and streams no longer fit
)

// userInfo is the subject on which a server tells a user of itself.
const userInfo = "$SYS.REQ.USER.INFO"

// clock compares the clock of the server with ours, between the question and the
// answer.
func (se *Session) clock(ctx context.Context, events streams.State) Check {
	var theirs, asked, answered time.Time
	err := se.within(ctx, func(ctx context.Context) (err error) {
		asked = se.o.time()
		if events.Info != nil {
			theirs, err = se.streamTime(ctx, events.Name)
		} else {
			theirs, err = se.serverTime(ctx)
		}
		answered = se.o.time()
		return err
	})
	if err != nil || theirs.IsZero() {
		return check("clock", "", Skip, "the server does not tell its time")
	}
	return skew(asked, answered, theirs)
}

// skew judges the time theirs, told between two of ours.
func skew(asked, answered, theirs time.Time) Check {
	var apart time.Duration // what the round trip does not explain
	word := "ahead of"
	switch {
	case theirs.Before(asked):
		apart, word = asked.Sub(theirs), "behind"
	case theirs.After(answered):
		apart = theirs.Sub(answered)
	}
	if apart <= skewNoticed {
		return check("clock", "", Pass, "that of the server and this one agree to %s", short(apart+answered.Sub(asked)))
	}
	status := Warn
	if apart > skewWrong {
		status = Fail
	}
	return check("clock", "", status, "that of the server is at least %s %s this one: --since and max_age mean other times than one thinks", short(apart), word).
		shell("timedatectl set-ntp true  # on both hosts")
}

func (se *Session) streamTime(ctx context.Context, name string) (time.Time, error) {
	s, err := se.js.Stream(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	return s.CachedInfo().TimeStamp, nil
}

func (se *Session) serverTime(ctx context.Context) (time.Time, error) {
	reply, err := se.nc.RequestWithContext(ctx, userInfo, nil)
	if err != nil {
		return time.Time{}, err
	}
	var answer struct {
		Server struct {
			Time time.Time `json:"time"`
		} `json:"server"`
	}
	err = json.Unmarshal(reply.Data, &answer)
	return answer.Server.Time, err
}

// defaultFlush is the time that JetStream holds what it acknowledged before it flushes,
// unless it is configured.
const defaultFlush = 2 * time.Minute

// safeRetain covers several such times.
const safeRetain = 5 * defaultFlush

// flushing says what is known of sync_interval: only an embedded server's. A user
// of an account cannot ask for it.
func (se *Session) flushing() Check {
	const name = "sync-interval"
	journal, retain := se.o.Journal.Answers, se.o.Journal.Retain
	switch {
	case journal && retain < defaultFlush:
		return check(name, "", Warn, "JetStream flushes every %s if it is not configured, and the journal keeps what it acknowledged for %s (journal.retain): power loss can lose events",
			defaultFlush, retain).set("journal.retain", safeRetain)
	case se.o.embedded() && !journal:
		return check(name, "", Pass, "always: the embedded JetStream flushes each event before it acknowledges it")
	case se.o.embedded():
		return check(name, "", Pass, "%s, and the journal heals what JetStream lost within %s", defaultFlush, retain)
	case journal:
		return check(name, "", Skip, "an account cannot ask for it; the journal heals what JetStream lost if it is below %s (journal.retain)", retain)
	}
	return check(name, "", Warn, "an account cannot ask for it, and with publisher.ack stream an event is as safe as it says").server("jetstream: {sync_interval: always}")
}
