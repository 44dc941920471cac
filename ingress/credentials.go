package ingress

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
)

// use records the use of a credential of a source. It belongs to the name of the
// credential, and not to a configuration that was read.
type use struct {
	count     atomic.Int64
	last      atomic.Int64 // Unix nanoseconds; 0: not since the start
	counted   prometheus.Counter
	lastGauge prometheus.Gauge
}

// admitted counts a request that the credential let in, whoever sent it.
func (u *use) admitted() { u.counted.Inc() }

// used notes that a sender used the credential.
func (u *use) used(now time.Time) {
	u.count.Add(1)
	u.last.Store(now.UnixNano())
	u.lastGauge.Set(float64(now.UnixMilli()) / 1000)
}

// uses holds the use of all credentials. It is safe for concurrent use.
type uses struct {
	mu  sync.Mutex
	all map[[2]string]*use // by source and credential
}

// of returns the use of a credential, the same one for the same names.
func (u *uses) of(m *metrics, source, credential string) *use {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := [2]string{source, credential}
	if u.all[key] == nil {
		if u.all == nil {
			u.all = map[[2]string]*use{}
		}
		u.all[key] = &use{
			counted:   m.authentications.WithLabelValues(source, credential),
			lastGauge: m.lastUsed.WithLabelValues(source, credential),
		}
	}
	return u.all[key]
}

// credentials returns what lets requests in, and when it last did.
func (s *snapshot) credentials() ops.CredentialsStatus {
	answer := ops.CredentialsStatus{Since: s.since.UTC(), Credentials: []ops.CredentialStatus{}}
	for _, src := range s.sources {
		for i, c := range src.auth.Credentials() {
			u := src.uses[i]
			status := ops.CredentialStatus{Source: src.name, Name: c.Name, Scheme: c.Scheme, Uses: u.count.Load(),
				NotBefore: timeOrNil(c.NotBefore), NotAfter: timeOrNil(c.NotAfter)}
			if last := u.last.Load(); last != 0 {
				status.LastUsed = timeOrNil(time.Unix(0, last))
			}
			answer.Credentials = append(answer.Credentials, status)
		}
	}
	return answer
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
