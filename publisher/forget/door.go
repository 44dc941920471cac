package forget

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher"
)

// Bridge is what the door needs of a running bridge.
type Bridge interface {
	Erase(ctx context.Context, meant publisher.Meant, wait time.Duration) (publisher.Erased, error)
	Waiting(meant publisher.Meant) int64
}

// DoorPath is the path of the Door below the socket of a data directory.
const DoorPath = "/forget"

// doorRequest and doorReply are what a command and the bridge say to each other.
// Both are of one program, so their form may change with it.
type doorRequest struct {
	Person      Known         `json:"person"`
	Erase       bool          `json:"erase"` // else only tell what waits in memory
	OnlySession bool          `json:"only_session"`
	Wait        time.Duration `json:"wait"`
}

type doorReply struct {
	Person Known            `json:"person"`
	Erased publisher.Erased `json:"erased"`
	Error  string           `json:"error,omitempty"`
}

// mostAsked bounds a request: a person with thousands of sessions fits.
const mostAsked = 4 << 20

// Door answers the forget command on the bridge's own host. What it is asked and
// what it answers is personal data, and it logs none of it.
func Door(b Bridge, log *zap.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q doorRequest
		if err := json.NewDecoder(io.LimitReader(r.Body, mostAsked)).Decode(&q); err != nil {
			http.Error(w, "the request is not understood", http.StatusBadRequest)
			return
		}
		p, ok := q.Person.Person()
		if !ok {
			http.Error(w, "the request names nobody", http.StatusBadRequest)
			return
		}
		var reply doorReply
		meant := p.Meant(q.OnlySession)
		if q.Erase {
			var err error
			reply.Erased, err = b.Erase(r.Context(), meant, q.Wait)
			if err != nil {
				reply.Error = err.Error()
			}
			log.Info("forget: erased a person's messages from data_dir",
				zap.Int64("journal", reply.Erased.Journal), zap.Int64("set_aside", reply.Erased.SetAside), zap.Int64("damaged", reply.Erased.Damaged),
				zap.Int64("pending", reply.Erased.Pending), zap.Int64("waiting", reply.Erased.Waiting), zap.Error(err))
		} else {
			reply.Erased.Waiting = b.Waiting(meant)
		}
		reply.Person = p.Known()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(reply) // who hung up asks again
	})
}

// Meant is the Person as package publisher asks for it.
func (p *Person) Meant(onlySession bool) publisher.Meant {
	return func(_ string, header map[string][]string, data []byte) bool {
		m := p.Match(header, data)
		return m == BySession || m == ByNumber && !onlySession
	}
}

// ask puts a request to the door of the bridge that client reaches, and adds what the
// bridge learned to the person.
func ask(ctx context.Context, client *http.Client, p *Person, q doorRequest) (publisher.Erased, error) {
	q.Person = p.Known()
	body, err := json.Marshal(q)
	if err != nil {
		return publisher.Erased{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bridge"+DoorPath, bytes.NewReader(body))
	if err != nil {
		return publisher.Erased{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return publisher.Erased{}, fmt.Errorf("ask the running bridge: %w", err)
	}
	defer resp.Body.Close()
	var reply doorReply
	if resp.StatusCode != http.StatusOK {
		return publisher.Erased{}, fmt.Errorf("ask the running bridge: it answers %s; is it of the same version?", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return publisher.Erased{}, fmt.Errorf("ask the running bridge: %w", err)
	}
	p.Take(reply.Person)
	if reply.Error != "" {
		return reply.Erased, errors.New(reply.Error)
	}
	return reply.Erased, nil
}
