package natsconfig

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/treble-bridge/treble-bridge/config/value"
)

const (
	defaultAPI   = "$JS.API."
	defaultInbox = "_INBOX"
)

// API returns the prefix of the subjects of JetStream's API, with a dot at its end: of this account, of a
// domain behind a leaf node, or of an account that exports the API under another name.
func (c Config) API() string {
	switch {
	case c.JetStreamDomain != "":
		return "$JS." + c.JetStreamDomain + ".API."
	case c.APIPrefix != "":
		return strings.TrimSuffix(c.APIPrefix, ".") + "."
	}
	return defaultAPI
}

// InDomain reports whether a PubAck with a domain can come from the configured JetStream. A hub and its
// leaf nodes may have streams of the same name.
func (c Config) InDomain(domain string) bool {
	if found := domainAPI.FindStringSubmatch(c.API()); found != nil {
		return domain == found[1]
	}
	return true // this account, or a prefix that does not contain the domain
}

// ExplainNoResponders adds to the error of an unanswered request to JetStream's API the key that may name
// the wrong place. It returns any other error, and one without such a key, as it is.
func (c Config) ExplainNoResponders(err error) error {
	key, what := c.Place()
	if key == "" || !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrJetStreamNotEnabled) {
		return err
	}
	return fmt.Errorf("nobody answers for the JetStream API %s: is %s right, and the link to it up? %w", what, key, err)
}

// Place returns the key that names the place of JetStream, and its value in words; "" if JetStream is in
// the account itself.
func (c Config) Place() (key, words string) {
	switch {
	case c.JetStreamDomain != "":
		return "nats.jetstream_domain", "of the domain " + c.JetStreamDomain
	case c.APIPrefix != "":
		return "nats.api_prefix", "under " + strings.TrimSuffix(c.APIPrefix, ".")
	}
	return "", ""
}

// Inbox returns the first part of the subjects of answers.
func (c Config) Inbox() string {
	if c.InboxPrefix != "" {
		return c.InboxPrefix
	}
	return defaultInbox
}

// JetStream returns the configured JetStream on a connection.
func (c Config) JetStream(nc *nats.Conn) (jetstream.JetStream, error) {
	if c.API() == defaultAPI {
		return jetstream.New(nc)
	}
	return jetstream.NewWithAPIPrefix(nc, strings.TrimSuffix(c.API(), "."))
}

// placeOptions returns the options of the protocol, apart from credentials.
func (c Config) placeOptions() (opts []nats.Option) {
	if c.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	if c.TLS.HandshakeFirst {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	return opts
}

var (
	domainAPI  = regexp.MustCompile(`^\$JS\.([^.]+)\.API\.$`)
	domainName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	subject    = regexp.MustCompile(`^[^\s.*>]+(\.[^\s.*>]+)*$`)
)

func (c Config) validatePlace() error {
	var p value.Problems
	if c.JetStreamDomain != "" && !domainName.MatchString(c.JetStreamDomain) {
		p.Add("nats.jetstream_domain", "%q is no domain; use letters, digits, _ and -", c.JetStreamDomain)
	}
	if c.APIPrefix != "" && !subject.MatchString(strings.TrimSuffix(c.APIPrefix, ".")) {
		p.Add("nats.api_prefix", "%q is no subject without wildcards, such as $JS.hub.API", c.APIPrefix)
	}
	if c.JetStreamDomain != "" && c.APIPrefix != "" {
		p.Add("nats.jetstream_domain", "is the api_prefix $JS.%s.API; set one of the two", c.JetStreamDomain)
	}
	if c.InboxPrefix != "" && !subject.MatchString(c.InboxPrefix) {
		p.Add("nats.inbox_prefix", "%q is no subject without wildcards and without a dot at its end, such as _INBOX_bridge", c.InboxPrefix)
	}
	web := strings.Contains(c.URL, "ws://") || strings.Contains(c.URL, "wss://")
	if c.TLS.HandshakeFirst && web {
		p.Add("nats.tls.handshake_first", "is not for websocket URLs, which begin with TLS anyway (wss)")
	}
	if c.URL == "" {
		for key, set := range map[string]bool{
			"jetstream_domain": c.JetStreamDomain != "", "api_prefix": c.APIPrefix != "",
			"inbox_prefix": c.InboxPrefix != "", "tls.handshake_first": c.TLS.HandshakeFirst,
		} {
			if set {
				p.Add("nats."+key, "is for a NATS of your own, but nats.url is empty")
			}
		}
	}
	return p.Err()
}
