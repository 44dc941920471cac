package publisher

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema"
)

var streamName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// minJournal is room for a few of the largest events, with the segment that is
// being written and the one before it.
const minJournal = 16 * value.MiB

// Validate reports every problem, each under its key.
func (c JournalConfig) Validate() error {
	var errs []error
	if c.MaxBytes < minJournal {
		errs = append(errs, fmt.Errorf("journal.max_bytes: is %s; use at least %s, such as 10GiB", c.MaxBytes, minJournal))
	}
	if c.Reserve < 0 {
		errs = append(errs, errors.New("journal.reserve: must not be negative; 0 reserves nothing"))
	}
	if c.Retain < 0 {
		errs = append(errs, errors.New("journal.retain: must not be negative, such as 10m"))
	}
	return errors.Join(errs...)
}

// Validate reports every problem, each under its key. It reads no files.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("publisher."+key+": "+format, args...))
	}
	switch c.Ack {
	case AckJournal, AckStream:
	default:
		bad("ack", "%q is unknown; use journal or stream", c.Ack)
	}
	if c.AckTimeout <= 0 {
		bad("ack_timeout", "must be more than 0, such as 2s")
	}
	if _, err := schema.ParsePrefix(c.SubjectPrefix); err != nil {
		bad("subject_prefix", "%w", err)
	}
	if !streamName.MatchString(c.Stream) {
		bad("stream", "%q is no stream name; use 1 to 200 of A-Z, a-z, 0-9, _ and -", c.Stream)
	}
	oneOf := func(key, got string, want ...string) {
		for _, w := range want {
			if got == w {
				return
			}
		}
		bad(key, "%q is unknown; use one of %s", got, strings.Join(want, ", "))
	}
	oneOf("streams", c.Streams, StreamsCreate, StreamsApply, StreamsCheck)
	oneOf("discard", c.Discard, DiscardNew, DiscardOld)
	if c.MaxAge < 0 {
		bad("max_age", "must not be negative; 0 keeps events for ever")
	}
	if c.MaxBytes < 0 {
		bad("max_bytes", "must not be negative; 0 is unlimited")
	}
	if c.RefusedAfter < 0 {
		bad("refused_after", "is %s; use a duration of 0s or more", c.RefusedAfter)
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		bad("replicas", "is %d; use 1, 3 or 5", c.Replicas)
	}
	switch {
	case c.DuplicateWindow < minDuplicateWindow:
		bad("duplicate_window", "is %s; must be at least %s", c.DuplicateWindow, minDuplicateWindow)
	case c.MaxAge > 0 && c.DuplicateWindow > c.MaxAge:
		bad("duplicate_window", "is %s, which is more than publisher.max_age (%s); JetStream takes no such stream", c.DuplicateWindow, c.MaxAge)
	}
	return errors.Join(errs...)
}

// Validate reports every problem, each under its key. It reads the files that
// are named, and changes nothing.
func (c NATSConfig) Validate() error {
	_, secretErr := readSecrets(c)
	errs := []error{c.validateURL(), c.validateCredentials(), c.Embedded.validate(c.URL == ""), secretErr, checkFiles(c)}
	if c.MaxPayload <= 0 {
		errs = append(errs, errors.New("nats.max_payload: must be more than 0, such as 1MiB"))
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("nats.tls: cert_file and key_file belong together; set both or none"))
	}
	return errors.Join(errs...)
}

// validateURL never repeats the URL, which may hold a password.
func (c NATSConfig) validateURL() error {
	if c.URL == "" {
		return nil
	}
	var errs []error
	for i, s := range strings.Split(c.URL, ",") {
		s = strings.TrimSpace(s)
		if !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" {
			errs = append(errs, fmt.Errorf("nats.url: entry %d is no URL; use nats://host:port", i+1))
			continue
		}
		if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
			// What was read as the host is the beginning of a secret.
			errs = append(errs, fmt.Errorf("nats.url: entry %d has an @ behind the host; in user, password and token write %%2F for /, %%3F for ? and %%23 for #", i+1))
			continue
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			errs = append(errs, fmt.Errorf("nats.url: entry %d has the scheme %q; use nats, tls, ws or wss", i+1, u.Scheme))
		}
	}
	return errors.Join(errs...)
}

func (c NATSConfig) validateCredentials() error {
	errs := []error{
		notBoth("nats.token", c.Token != "", c.TokenFile != ""),
		notBoth("nats.password", c.Password != "", c.PasswordFile != ""),
	}
	if c.User == "" && (c.Password != "" || c.PasswordFile != "") {
		errs = append(errs, errors.New("nats.user: is empty, but there is a password; set the user too"))
	}
	var ways []string
	for key, set := range map[string]bool{
		"token": c.Token != "" || c.TokenFile != "", "user": c.User != "",
		"credentials_file": c.CredentialsFile != "", "nkey_file": c.NKeyFile != "",
	} {
		if set {
			ways = append(ways, key)
		}
	}
	slices.Sort(ways)
	if len(ways) > 1 {
		errs = append(errs, errors.New("nats: use one of token, user, credentials_file and nkey_file, not several"))
	}
	if c.URL == "" && len(ways) > 0 {
		errs = append(errs, fmt.Errorf("nats.%s: is for a NATS of your own, but nats.url is empty; for the embedded server set nats.embedded.token", ways[0]))
	}
	return errors.Join(errs...)
}

func (c EmbeddedConfig) validate(used bool) error {
	errs := []error{notBoth("nats.embedded.token", c.Token != "", c.TokenFile != "")}
	if !used {
		return errors.Join(errs...)
	}
	host, _, err := splitAddr(c.Addr)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("nats.embedded.addr: %w", err))
	case !isLoopback(host) && c.Token == "" && c.TokenFile == "":
		errs = append(errs, fmt.Errorf("nats.embedded.addr: %s can be reached from other hosts; set nats.embedded.token, or use 127.0.0.1", c.Addr))
	}
	return errors.Join(errs...)
}

func notBoth(key string, value, file bool) error {
	if value && file {
		return fmt.Errorf("%s: set it or %s_file, not both", key, key)
	}
	return nil
}

// splitAddr splits host:port. The host may be empty, for all interfaces.
func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no address; use host:port, such as 127.0.0.1:4222", addr)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535", addr)
	}
	return host, port, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
