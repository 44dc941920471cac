package forget

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Bridge is the part of a running bridge that the Handler calls; see
// publisher.Publisher.NoteRemoved.
type Bridge interface {
	NoteRemoved(ctx context.Context, removed map[string][]uint64) error
}

// Path is the path of the Handler below the socket of a data directory.
const Path = "/forget"

// request and reply are what a command and the bridge say to each other.
// Both are of one program, so their form may change with it.
type request struct {
	Removed map[string][]uint64 `json:"removed"` // sequences, by stream; none: only say that you are there
}

type reply struct {
	Retain time.Duration `json:"retain"` // journal.retain of the bridge
}

// maxSequences bounds the sequences of one request, and maxRequestBytes its bytes.
const (
	maxSequences    = 100_000
	maxRequestBytes = 4 << 20
)

// Handler answers the forget command on the bridge's own host: the bridge notes what is
// removed from its streams on purpose. Retain is its journal.retain.
func Handler(b Bridge, retain time.Duration, log *zap.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q request
		dec := json.NewDecoder(io.LimitReader(r.Body, maxRequestBytes))
		dec.DisallowUnknownFields() // or a command of another version would take nothing for done
		if err := dec.Decode(&q); err != nil {
			http.Error(w, "the request is not understood", http.StatusBadRequest)
			return
		}
		if len(q.Removed) > 0 {
			n := 0
			for _, seqs := range q.Removed {
				n += len(seqs)
			}
			if err := b.NoteRemoved(r.Context(), q.Removed); err != nil {
				log.Error("forget: what is to be removed is not noted", zap.Int("messages", n), zap.Error(err))
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			log.Info("forget: noted what is removed on purpose", zap.Int("messages", n))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(reply{Retain: retain}) // a client that hung up asks again
	})
}

// ask puts a request to the Handler of the bridge that client reaches.
func ask(ctx context.Context, client *http.Client, q request) (reply reply, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return reply, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bridge"+Path, bytes.NewReader(body))
	if err != nil {
		return reply, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply, fmt.Errorf("ask the running bridge: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return reply, fmt.Errorf("ask the running bridge: %s", strings.TrimSpace(string(why)))
	default:
		return reply, fmt.Errorf("ask the running bridge: it answers %s; is it of the same version?", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return reply, fmt.Errorf("ask the running bridge: %w", err)
	}
	return reply, nil
}
