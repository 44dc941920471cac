package replay

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestRefusedForGood: an answer of JetStream that will be the same in five minutes ends a run.
func TestRefusedForGood(t *testing.T) {
	api := func(code int, id server.ErrorIdentifier) error {
		return fmt.Errorf("read stream TREBLE: %w", &jetstream.APIError{Code: code, ErrorCode: jetstream.ErrorCode(id)})
	}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"work-queue":        {api(400, server.JSConsumerWQRequiresExplicitAckErr), true},
		"consumers":         {api(400, server.JSMaximumConsumersLimitErr), true},
		"bytes-required":    {api(400, server.JSStreamMaxBytesRequired), true},
		"storage":           {api(500, server.JSStorageResourcesExceededErr), true},
		"sealed":            {api(400, server.JSStreamSealedErr), true},
		"stream-gone":       {api(404, server.JSStreamNotFoundErr), true},
		"filters-unknown":   {api(400, server.JSInvalidJSONErr), true}, // an old server
		"no-leader":         {api(503, server.JSClusterNotAvailErr), false},
		"busy":              {api(503, server.JSInsufficientResourcesErr), false},
		"consumer-gone":     {api(404, server.JSConsumerNotFoundErr), false},
		"first-copy-stored": {api(409, server.JSStreamDuplicateMessageConflict), false},
		"no-answer":         {context.DeadlineExceeded, false},
		"no-responders":     {nats.ErrNoResponders, false},
		"nothing":           {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refusedForGood(tt.err); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestUnknownTarget: a record of a version that had another target can be listed, and its run
// is not taken for one into a file.
func TestUnknownTarget(t *testing.T) {
	d := detail{Target: targetDetail{To: "core", Subject: "debug.{kind}"}}
	if err := d.check(Given{}); err == nil || !strings.Contains(err.Error(), `"core"`) {
		t.Errorf("got %v, want it to name the target", err)
	}
	if got := d.Target.words(); got != "core debug.{kind}" {
		t.Errorf("in words: got %q", got)
	}
}
