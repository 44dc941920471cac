package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// door is the way into a bridge for deliveries that were received before: its
// own listener, with the path and the credentials of each one's source. Several
// goroutines may use it.
type door struct {
	base    *url.URL
	own     bool // the bridge of our configuration, whose sources and secrets we know
	sources map[string]ingress.SourceConfig
	headers map[string]http.Header // by source, with its credentials
	common  http.Header            // of every request
	client  *http.Client
}

// openDoor returns the door at base, or, if that is nil, that of the running
// bridge of the configuration. The configured secrets go nowhere else.
func openDoor(c *config.Config, base *url.URL, common http.Header, token string, client *http.Client) (*door, error) {
	d := &door{base: base, own: base == nil, common: common, client: client,
		sources: map[string]ingress.SourceConfig{}, headers: map[string]http.Header{}}
	if common.Get("Content-Type") == "" {
		common.Set("Content-Type", "application/json")
	}
	if token != "" {
		common.Set("Authorization", "Bearer "+token)
	}
	if !d.own {
		return d, nil
	}
	at, err := clientAddrs(c)
	if err != nil {
		return nil, err
	}
	d.base = &url.URL{Scheme: "http", Host: at.Ingress}
	for _, s := range c.EffectiveSources() {
		h := common.Clone()
		if h.Get("Authorization") == "" {
			if err := authorize(h, s.Auth, c.DataDir); err != nil {
				return nil, fmt.Errorf("credentials of the source %s: %w", s.Name, err)
			}
		}
		d.sources[s.Name], d.headers[s.Name] = s, h
	}
	return d, nil
}

// What keeps a delivery from being posted at all.
var (
	errNoSource = errors.New("its source is not configured")
	errNoPath   = errors.New("its source does not serve its path")
)

// knows returns nil if the bridge of our configuration would take the delivery as
// one of the source that it names. Another source would give it other ids.
func (d *door) knows(line deliveryLine) error {
	if !d.own {
		return nil
	}
	s, ok := d.sources[line.Source]
	switch {
	case !ok:
		return errNoSource
	case !s.Serves(line.Path):
		return errNoPath
	}
	return nil
}

// post posts one delivery, with the time at which it was received.
func (d *door) post(ctx context.Context, line deliveryLine) result {
	if err := d.knows(line); err != nil {
		return result{status: err.Error()}
	}
	h := d.common
	if own := d.headers[line.Source]; own != nil {
		h = own
	}
	h = h.Clone()
	h.Set(schema.HeaderReceived, line.Received.UTC().Format(time.RFC3339Nano))
	if line.Test != "" {
		h.Set(schema.HeaderTest, line.Test)
	}
	to := *d.base
	to.Path = strings.TrimRight(to.Path, "/") + line.Path
	to.RawPath = ""
	return poster{url: to.String(), header: h, client: d.client}.post(ctx, line.Body)
}

// ofTheLine reports whether an answer is about the delivery alone, so that the
// next one may fare better.
func (r result) ofTheLine() bool {
	switch r.status {
	case "400", "413", "422", errNoSource.Error(), errNoPath.Error():
		return true
	}
	return r.ok
}

// parserOf returns today's parser of a source. The error says what of the
// configuration is wrong.
func parserOf(c *config.Config, s ingress.SourceConfig) (delivery.Parser, error) {
	location, err := time.LoadLocation(c.Ingress.Timezone)
	if err != nil {
		return delivery.Parser{}, fmt.Errorf("ingress.timezone: %w", err)
	}
	p := delivery.Parser{Location: location}
	for _, name := range s.Kinds {
		k, err := schema.ParseKind(name)
		if err != nil {
			return delivery.Parser{}, fmt.Errorf("kinds of the source %s: %w", s.Name, err)
		}
		p.Kinds = append(p.Kinds, k)
	}
	return p, nil
}
