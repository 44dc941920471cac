package broker_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

func TestClassify(t *testing.T) {
	api := func(code server.ErrorIdentifier, description string) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{ErrorCode: jetstream.ErrorCode(code), Description: description})
	}
	tests := []struct {
		name string
		err  error
		want broker.Status
	}{
		{"deadline", context.DeadlineExceeded, broker.Unknown},
		{"closed-perhaps-after-sending", nats.ErrConnectionClosed, broker.Unknown},
		{"disconnected", nats.ErrDisconnected, broker.Unknown},
		{"write-error", io.ErrShortWrite, broker.Unknown},
		{"ack-not-understood", jetstream.ErrInvalidJSAck, broker.Unknown},
		{"no-responders", jetstream.ErrNoStreamResponse, broker.RefusedSubject},
		{"no-reconnect-buffer", nats.ErrReconnectBufExceeded, broker.NotSent},
		{"max-payload", nats.ErrMaxPayload, broker.RefusedSize},
		{"bytes-full", api(server.JSStreamStoreFailedF, server.ErrMaxBytes.Error()), broker.Refused},
		{"subject-full", api(server.JSStreamStoreFailedF, server.ErrMaxMsgsPerSubject.Error()), broker.RefusedSubject},
		{"msgs-full", api(server.JSStreamStoreFailedF, server.ErrMaxMsgs.Error()), broker.Refused},
		{"store-closed", api(server.JSStreamStoreFailedF, server.ErrStoreClosed.Error()), broker.Unknown},
		{"file-store-limit", api(server.JSStreamStoreFailedF, server.ErrMsgTooLarge.Error()), broker.RefusedSize},
		{"max-msg-size", api(server.JSStreamMessageExceedsMaximumErr, ""), broker.RefusedSize},
		{"sealed", api(server.JSStreamSealedErr, ""), broker.RefusedForGood},
		{"other-stream", api(server.JSStreamNotMatchErr, ""), broker.Refused},
		{"resources", api(server.JSInsufficientResourcesErr, ""), broker.Refused},
		{"account-resources", api(server.JSAccountResourcesExceededErr, ""), broker.Refused},
		{"sequence-in-cluster", api(server.JSStreamSequenceNotMatchErr, ""), broker.Unknown},
		{"duplicate-in-process", api(server.JSStreamDuplicateMessageConflict, ""), broker.Unknown},
		{"not-leader", api(server.JSClusterNotLeaderErr, ""), broker.Unknown},
		{"new-error", api(19999, "who knows"), broker.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := broker.Classify(tt.err); got != tt.want {
				t.Errorf("Classify(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}
