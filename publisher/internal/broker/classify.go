package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Classify says what an error of a publish of one message proves. Only what is listed
// here and in classifyAPI proves that nothing was stored, each by a look at the source of
// nats.go 1.55 and nats-server 2.15; all else is Unknown. Among the unknown on purpose:
//
//   - the end of ctx, a lost or closed connection: the client reports them the
//     same whether the message had left or not;
//   - an error while writing: part of the buffer may have left;
//   - "duplicate message id is in process" (10158): the first copy may yet be
//     stored or not;
//   - "expected last sequence" (10063): the leader of a cluster answers so when
//     the entry is already in the log of its followers.
func Classify(err error) Status {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return classifyAPI(api)
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		// No stream takes the subject: the server dropped the message.
		return RefusedSubject
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionDraining):
		// Returned before a byte is put into the write buffer. The buffer
		// itself never survives: nats.go empties it for each new connection.
		return NotSent
	case errors.Is(err, nats.ErrMaxPayload):
		return RefusedSize
	case errors.Is(err, nats.ErrHeadersNotSupported), errors.Is(err, nats.ErrBadHeaderMsg), errors.Is(err, nats.ErrBadSubject):
		return RefusedForGood
	}
	return Unknown
}

func classifyAPI(err *jetstream.APIError) Status {
	switch server.ErrorIdentifier(err.ErrorCode) {
	case server.JSStreamNotMatchErr, // the subject belongs to another stream
		server.JSStreamWrongLastMsgIDErrF, // these two only for a message with a condition
		server.JSStreamWrongLastSequenceErrF,
		server.JSMessageIncrMissingErr, // a stream of counters
		server.JSAccountResourcesExceededErr,
		server.JSInsufficientResourcesErr,
		server.JSNoLimitsErr:
		return Refused
	case server.JSStreamSealedErr:
		return RefusedForGood
	case server.JSStreamMessageExceedsMaximumErr, server.JSStreamHeaderExceedsMaximumErr:
		return RefusedSize
	case server.JSStreamStoreFailedF:
		return classifyStoreFailed(err.Description)
	}
	return Unknown
}

// classifyStoreFailed looks at the words, since one code stands for a full
// stream, which proves that nothing was stored, and for a store that was being
// closed, which in a cluster proves nothing.
func classifyStoreFailed(description string) Status {
	switch says := func(err error) bool { return strings.Contains(description, err.Error()) }; {
	case says(server.ErrMaxMsgsPerSubject):
		return RefusedSubject
	case says(server.ErrMaxBytes), says(server.ErrMaxMsgs):
		return Refused
	case says(server.ErrMsgTooLarge):
		return RefusedSize
	}
	return Unknown
}

// classifyBatch says what an error that answers the commit of an atomic batch proves: that
// none of it was stored (Refused, whatever would become of its messages alone), or nothing.
//
// The server keeps the messages of a batch apart until the commit, checks all of them, and
// only then stores or proposes them. What is listed is answered before that. A message
// before the last is not answered; if it is refused, or does not arrive, the commit finds a
// gap ("incomplete"). Not proven, although it is for a single message:
//
//   - the limits of account and server (10002, 10023, 10120): without replicas they are
//     looked at again for each message while the batch is stored, so that this may be
//     the answer to the last message when those before it are stored;
//   - an id that is in process (10158), as above.
//
// The limits of a stream that refuses new messages are counted before the commit with the
// batch in the sum, and nothing else is stored meanwhile.
func classifyBatch(err error) Status {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		if Classify(err) == Unknown {
			return Unknown
		}
		return Refused // by the client before the commit left, or by a server without a stream for it
	}
	switch server.ErrorIdentifier(api.ErrorCode) {
	case server.JSAtomicPublishDisabledErr,
		server.JSAtomicPublishMissingSeqErr,
		server.JSAtomicPublishIncompleteBatchErr,
		server.JSAtomicPublishUnsupportedHeaderBatchErr,
		server.JSAtomicPublishInvalidBatchIDErr,
		server.JSAtomicPublishTooLargeBatchErrF,
		server.JSAtomicPublishInvalidBatchCommitErr,
		server.JSAtomicPublishContainsDuplicateMessageErr,
		server.JSAtomicPublishTooManyInflight,
		server.JSStreamSealedErr,
		server.JSStreamNotMatchErr,
		server.JSMessageIncrMissingErr,
		server.JSStreamMessageExceedsMaximumErr,
		server.JSStreamHeaderExceedsMaximumErr:
		return Refused
	case server.JSStreamStoreFailedF:
		if classifyStoreFailed(api.Description) != Unknown {
			return Refused
		}
	}
	return Unknown
}

// classifyFast says what an error that answers one message of a fast-ingest batch proves of that
// message: that it was not stored (any status but Unknown), or nothing. fastBatch decides
// what it proves of the others.
func classifyFast(err error) Status {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch server.ErrorIdentifier(api.ErrorCode) {
		case server.JSBatchPublishDisabledErr,
			server.JSBatchPublishInvalidBatchIDErr,
			server.JSBatchPublishInvalidPatternErr,
			server.JSBatchPublishTooManyInflight,
			server.JSBatchPublishUnknownBatchIDErr: // the batch was ended, or never began
			return Refused
		}
	}
	return Classify(err)
}

// IsRepetition reports whether a batch was refused because the stream, or the batch itself,
// has one of its ids already.
func IsRepetition(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && server.ErrorIdentifier(api.ErrorCode) == server.JSAtomicPublishContainsDuplicateMessageErr
}

// otherStream returns the error for an answer of another stream.
func otherStream(got, want string, err error) error {
	if err == nil {
		return fmt.Errorf("stored by stream %s instead of %s, which takes the subject away from it", got, want)
	}
	return fmt.Errorf("stream %s, not %s, takes the subject: %w", got, want, err)
}

// otherDomain returns the error for a PubAck of a stream of the same name in another domain.
func otherDomain(got, stream string) error {
	return fmt.Errorf("stored by the stream %s of the JetStream domain %q, not by that which nats.jetstream_domain or nats.api_prefix names: it takes the subjects away from it", stream, got)
}
