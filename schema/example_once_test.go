package schema_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// errInDoubt says that an event was claimed and not finished: its handler is
// still at work, or died, and then nobody knows whether it acted.
var errInDoubt = errors.New("in doubt")

// The values of a claim.
const (
	claimed = "claimed"
	done    = "done"
)

// once calls act unless it was called for the event before, by whichever process.
// Handled ids are remembered in a bucket, under the id of the envelope and never
// under Nats-Msg-Id, which a replay changes.
//
// An act that fails must have done nothing; then it may be tried again. If the
// process dies between act and the last line, the claim stays: from then on once
// returns errInDoubt and calls act no more. That is the price of "never twice". A
// person, or the system that act called, must say what happened; see below.
func once(ctx context.Context, handled jetstream.KeyValue, id string, act func() error) error {
	claim, err := handled.Create(ctx, id, []byte(claimed)) // only one can
	if errors.Is(err, jetstream.ErrKeyExists) {
		entry, err := handled.Get(ctx, id)
		switch {
		case err != nil:
			return err
		case string(entry.Value()) == done:
			return nil
		}
		return fmt.Errorf("%w: claimed at %s", errInDoubt, entry.Created().UTC().Format(time.RFC3339))
	}
	if err != nil {
		return err
	}
	if err := act(); err != nil {
		return errors.Join(err, handled.Delete(ctx, id, jetstream.LastRevision(claim)))
	}
	_, err = handled.Update(ctx, id, []byte(done), claim)
	return err
}

// A consumer that must not act twice remembers what it has handled: JetStream
// delivers at least once, and an operator may replay events.
func Example_actOnce() {
	ctx := context.Background()
	bridge := startBridge(bodyResponded1)
	defer bridge.stop()

	handled, err := bridge.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: "orders_handled",
		TTL:    90 * 24 * time.Hour, // longer than anything is replayed; the stream keeps 30 days
	})
	if err != nil {
		log.Fatal(err)
	}
	order := func(msg jetstream.Msg) error {
		event, err := schema.Decode(msg.Data())
		if err != nil {
			return err
		}
		return once(ctx, handled, event.ID, func() error {
			fmt.Println("order placed for", event.Subject)
			return nil
		})
	}

	msg := bridge.next("TREBLE", "orders")
	fmt.Println("first delivery:", order(msg))
	fmt.Println("delivered again:", order(msg)) // as after a lost ack

	event, _ := schema.Decode(msg.Data())
	bridge.stream("TREBLE_REPLAY", schema.DefaultPrefix.AllReplay())
	bridge.replay("r1", 1, event)
	msg = bridge.next("TREBLE_REPLAY", "orders")
	fmt.Println("replayed:", order(msg))

	// A process that died at work left this behind.
	cut := bridge.publish(bodyRead2)
	if _, err := handled.Create(ctx, cut.ID, []byte(claimed)); err != nil {
		log.Fatal(err)
	}
	msg = bridge.next("TREBLE", "orders")
	fmt.Println("after a crash: in doubt is", errors.Is(order(msg), errInDoubt))

	// Output:
	// order placed for s-1
	// first delivery: <nil>
	// delivered again: <nil>
	// replayed: <nil>
	// after a crash: in doubt is true
}
