// Package webhook posts bodies to a bridge as Treble does: samples, files, and deliveries that
// were received before.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Bridge is the way into a bridge for deliveries that were received before: its
// own listener, with the path and the credentials of each one's source. Several
// goroutines may use it.
type Bridge struct {
	Base    *url.URL
	Own     bool // the bridge of our configuration, whose sources and secrets we know
	sources map[string]ingress.SourceConfig
	Headers map[string]http.Header  // by source
	Signers map[string]*auth.Signer // by source: what lets the requests in, if the headers have nothing
	common  http.Header             // of every request
	Client  *http.Client
}

// OpenBridge returns the bridge that a flag --url names, or, if that is empty, the running one
// of the configuration. The configured secrets go nowhere else.
func OpenBridge(c *config.Config, urlFlag string, common http.Header, token string, client *http.Client) (*Bridge, error) {
	b := &Bridge{Own: urlFlag == "", common: common, Client: client,
		sources: map[string]ingress.SourceConfig{}, Headers: map[string]http.Header{}, Signers: map[string]*auth.Signer{}}
	if common.Get("Content-Type") == "" {
		common.Set("Content-Type", "application/json")
	}
	if token != "" {
		common.Set("Authorization", "Bearer "+token)
	}
	if !b.Own {
		var err error
		b.Base, err = ParseURL("--url", urlFlag)
		return b, err
	}
	at, err := cli.ClientAddrs(c)
	if err != nil {
		return nil, err
	}
	b.Base = OwnURL(c, at.Ingress)
	if err := TrustOwn(client, c); err != nil {
		return nil, err
	}
	for _, s := range c.EffectiveSources() {
		h := common.Clone()
		if h.Get("Authorization") == "" {
			if b.Signers[s.Name], err = SignerOf(s.Auth, c.DataDir); err != nil {
				return nil, fmt.Errorf("credentials of the source %s: %w", s.Name, err)
			}
		}
		b.sources[s.Name], b.Headers[s.Name] = s, h
	}
	return b, nil
}

// Why a delivery is not posted at all.
var (
	ErrNoSource = errors.New("its source is not configured")
	errNoPath   = errors.New("its source does not serve its path")
)

// Knows returns nil if the bridge of our configuration would take the delivery as
// one of the source that it names. Another source would give it other ids.
func (b *Bridge) Knows(d Delivery) error {
	if !b.Own {
		return nil
	}
	s, ok := b.sources[d.Source]
	switch {
	case !ok:
		return ErrNoSource
	case !s.Serves(d.Path):
		return errNoPath
	}
	return nil
}

// Post posts one delivery, with the time at which it was received.
func (b *Bridge) Post(ctx context.Context, d Delivery) Result {
	if err := b.Knows(d); err != nil {
		return Result{Status: err.Error()}
	}
	h := b.common
	if own := b.Headers[d.Source]; own != nil {
		h = own
	}
	h = h.Clone()
	h.Set(schema.HeaderReceived, d.Received.UTC().Format(time.RFC3339Nano))
	if d.Test != "" {
		h.Set(schema.HeaderTest, d.Test)
	}
	to := *b.Base
	to.Path = strings.TrimRight(to.Path, "/") + d.Path
	to.RawPath = ""
	return Poster{URL: to.String(), Header: h, Signer: b.Signers[d.Source], Client: b.Client}.Post(ctx, d.Body)
}

// OfTheDelivery reports whether an answer is about the delivery alone, so that the
// next one may fare better.
func (r Result) OfTheDelivery() bool {
	switch r.Status {
	case "400", "413", "422", ErrNoSource.Error(), errNoPath.Error():
		return true
	}
	return r.OK
}
