package broker

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestClassify(t *testing.T) {
	api := func(code server.ErrorIdentifier, description string) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{ErrorCode: jetstream.ErrorCode(code), Description: description})
	}
	tests := []struct {
		name string
		err  error
		want Status
	}{
		{"deadline", context.DeadlineExceeded, Unknown},
		{"closed-perhaps-after-sending", nats.ErrConnectionClosed, Unknown},
		{"disconnected", nats.ErrDisconnected, Unknown},
		{"write-error", io.ErrShortWrite, Unknown},
		{"ack-not-understood", jetstream.ErrInvalidJSAck, Unknown},
		{"no-responders", jetstream.ErrNoStreamResponse, RefusedSubject},
		{"no-reconnect-buffer", nats.ErrReconnectBufExceeded, NotSent},
		{"max-payload", nats.ErrMaxPayload, RefusedSize},
		{"bytes-full", api(server.JSStreamStoreFailedF, server.ErrMaxBytes.Error()), Refused},
		{"subject-full", api(server.JSStreamStoreFailedF, server.ErrMaxMsgsPerSubject.Error()), RefusedSubject},
		{"msgs-full", api(server.JSStreamStoreFailedF, server.ErrMaxMsgs.Error()), Refused},
		{"store-closed", api(server.JSStreamStoreFailedF, server.ErrStoreClosed.Error()), Unknown},
		{"file-store-limit", api(server.JSStreamStoreFailedF, server.ErrMsgTooLarge.Error()), RefusedSize},
		{"max-msg-size", api(server.JSStreamMessageExceedsMaximumErr, ""), RefusedSize},
		{"sealed", api(server.JSStreamSealedErr, ""), RefusedForGood},
		{"other-stream", api(server.JSStreamNotMatchErr, ""), Refused},
		{"resources", api(server.JSInsufficientResourcesErr, ""), Refused},
		{"account-resources", api(server.JSAccountResourcesExceededErr, ""), Refused},
		{"sequence-in-cluster", api(server.JSStreamSequenceNotMatchErr, ""), Unknown},
		{"duplicate-in-process", api(server.JSStreamDuplicateMessageConflict, ""), Unknown},
		{"not-leader", api(server.JSClusterNotLeaderErr, ""), Unknown},
		{"new-error", api(19999, "who knows"), Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Classify(tt.err); got != tt.want {
				t.Errorf("Classify(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}
