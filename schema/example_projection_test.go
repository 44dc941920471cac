package schema_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// sessionState is the latest that is known of a session.
type sessionState struct {
	Kind schema.Kind `json:"kind"`
	Time time.Time   `json:"time"` // when it happened, by Treble's clock
	ID   string      `json:"id"`   // of the event
}

// before puts any two events of a session into the same order everywhere. Times
// can be equal; ids then decide, for no better reason than that it is always the
// same way round.
func (s sessionState) before(other sessionState) bool {
	if !s.Time.Equal(other.Time) {
		return s.Time.Before(other.Time)
	}
	return s.ID < other.ID
}

// project writes an event into the bucket unless it has a later one. So the same
// event twice changes nothing, and events may come in any order and from several
// processes at once: the outcome is the same.
func project(ctx context.Context, sessions jetstream.KeyValue, e schema.Event) error {
	if e.Subject == "" || e.Kind == schema.KindBridgeProbe {
		return nil // of no session
	}
	key := sessionKey(e.Subject)
	next := sessionState{e.Kind, e.Time, e.ID}
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	for {
		entry, err := sessions.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			_, err = sessions.Create(ctx, key, value)
			if errors.Is(err, jetstream.ErrKeyExists) {
				continue // another process was faster: look again
			}
			return err
		}
		if err != nil {
			return err
		}
		var last sessionState
		if err := json.Unmarshal(entry.Value(), &last); err != nil {
			return err
		}
		if !last.before(next) {
			return nil
		}
		_, err = sessions.Update(ctx, key, value, entry.Revision())
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return err
		}
	}
}

// sessionKey makes a key of a session id, which may hold what a key may not.
func sessionKey(session string) string { return base64.RawURLEncoding.EncodeToString([]byte(session)) }

// A projection keeps the state of each session in a key-value bucket, where every
// other service, in any language, can get or watch it.
func Example_sessionState() {
	ctx := context.Background()
	bridge := startBridge(bodyClosed1, bodyRead1, bodyResponded1, bodyRead2) // closed came first
	defer bridge.stop()

	sessions, err := bridge.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "sessions", History: 1})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // as after a restart that lost its place
		err = rebuild(ctx, bridge.js, []string{"treble.>"}, func(e schema.Event) {
			if err := project(ctx, sessions, e); err != nil {
				log.Print(err)
			}
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, session := range []string{"s-1", "s-2"} {
		entry, err := sessions.Get(ctx, sessionKey(session))
		if err != nil {
			log.Fatal(err)
		}
		var state sessionState
		if err := json.Unmarshal(entry.Value(), &state); err != nil {
			log.Fatal(err)
		}
		fmt.Println(session, state.Kind, state.Time.Format(time.RFC3339))
	}
	status, err := sessions.Status(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("values:", status.Values())

	// Output:
	// s-1 conversation.closed 2026-01-01T09:01:00Z
	// s-2 message.read 2026-01-01T09:00:07Z
	// values: 2
}
