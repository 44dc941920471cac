package broker

import (
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// replies routes the answers of the server to those that wait for them, on one subscription for
// all. Their subjects are <inbox>.<id>.<words>. The zero value is ready.
type replies struct {
	mu      sync.Mutex // guards what follows
	nc      *nats.Conn // with the subscription
	inbox   string
	waiting map[string]answerer // by their ids
}

// answerer takes answers, one after the other.
type answerer interface {
	answer(words []string, m *nats.Msg)
}

// begin registers an answerer under an id, and returns the inbox below which its answers come.
func (r *replies) begin(nc *nats.Conn, id string, a answerer) (inbox string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nc != nc {
		inbox := nc.NewInbox()
		if _, err := nc.Subscribe(inbox+".>", r.take); err != nil {
			return "", err
		}
		r.nc, r.inbox, r.waiting = nc, inbox, map[string]answerer{}
	}
	r.waiting[id] = a
	return r.inbox, nil
}

// end forgets an id.
func (r *replies) end(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, id)
}

// take routes an answer. The subscription calls it for one answer after the other.
func (r *replies) take(m *nats.Msg) {
	r.mu.Lock()
	words := strings.Split(strings.TrimPrefix(m.Subject, r.inbox+"."), ".")
	a := r.waiting[words[0]]
	r.mu.Unlock()
	if a != nil && len(words) > 1 {
		a.answer(words[1:], m)
	}
}
