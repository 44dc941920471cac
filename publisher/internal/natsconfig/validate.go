package natsconfig

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// Validate reports every problem, each under its key. It reads the named files, and changes nothing.
func (c Config) Validate() error {
	errs := []error{c.validateURL(), c.validateCredentials(), c.validatePlace(), c.Embedded.validate(c.URL == ""), c.CheckSecrets(), checkFiles(c)}
	if c.MaxPayload <= 0 {
		errs = append(errs, errors.New("nats.max_payload: must be more than 0, such as 1MiB"))
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("nats.tls: cert_file and key_file belong together; set both or none"))
	}
	return errors.Join(errs...)
}

// validateURL never repeats the URL, which may hold a password.
func (c Config) validateURL() error {
	var errs []error
	var web, plain int // entries
	for i, u := range c.Servers() {
		if u == nil {
			errs = append(errs, fmt.Errorf("nats.url: entry %d is no URL; use nats://host:port", i+1))
			continue
		}
		if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
			// What was read as the host is the beginning of a secret.
			errs = append(errs, fmt.Errorf("nats.url: entry %d has an @ behind the host; in user, password and token write %%2F for /, %%3F for ? and %%23 for #", i+1))
			continue
		}
		switch u.Scheme {
		case "nats", "tls":
			plain++
		case "ws", "wss":
			web++
		default:
			errs = append(errs, fmt.Errorf("nats.url: entry %d has the scheme %q; use nats, tls, ws or wss", i+1, u.Scheme))
		}
	}
	if web > 0 && plain > 0 {
		errs = append(errs, errors.New("nats.url: websocket URLs (ws, wss) and others (nats, tls) cannot be mixed; use one kind"))
	}
	return errors.Join(errs...)
}

func (c Config) validateCredentials() error {
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

func (c Embedded) validate(used bool) error {
	errs := []error{notBoth("nats.embedded.token", c.Token != "", c.TokenFile != "")}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("nats.embedded.tls: cert_file and key_file belong together; set both or none"))
	}
	if !used {
		return errors.Join(errs...)
	}
	if c.Open && c.hasToken() {
		errs = append(errs, errors.New("nats.embedded.open: true, but there is a token: remove one or the other"))
	}
	if c.TLS.CertFile != "" && c.TLS.KeyFile != "" {
		if _, err := c.TLS.Files().Load(); err != nil {
			errs = append(errs, fmt.Errorf("nats.embedded.tls: %w", err))
		}
	}
	host, _, err := c.HostPort()
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("nats.embedded.addr: %w", err))
	case !value.IsLoopback(host):
		errs = append(errs, c.validateReachable())
	}
	return errors.Join(errs...)
}

// validateReachable checks an address that other hosts can reach. A client without a token could read,
// forge and remove every event there.
func (c Embedded) validateReachable() error {
	var errs []error
	switch token, err := c.ReadToken(); {
	case c.Open:
		errs = append(errs, fmt.Errorf("nats.embedded.open: %s can be reached from other hosts, which need a token: remove open, or use 127.0.0.1", c.Addr))
	case err == nil && c.hasToken() && len(token) < shortestToken:
		errs = append(errs, fmt.Errorf("nats.embedded.token: has fewer than %d bytes, and %s can be reached from other hosts: use openssl rand -hex 32", shortestToken, c.Addr))
	}
	if c.TLS.CertFile == "" && !c.AllowPlaintext {
		errs = append(errs, fmt.Errorf("nats.embedded.addr: %s can be reached from other hosts, and there is no TLS: set nats.embedded.tls.cert_file and key_file, "+
			"or nats.embedded.allow_plaintext: true on a network that you trust, or use 127.0.0.1", c.Addr))
	}
	return errors.Join(errs...)
}

// hasToken reports whether a token is configured, so that the bridge makes none.
func (c Embedded) hasToken() bool { return c.Token != "" || c.TokenFile != "" }

func notBoth(key string, value, file bool) error {
	if value && file {
		return fmt.Errorf("%s: set it or %s_file, not both", key, key)
	}
	return nil
}

// HostPort splits Addr. The host may be empty, for all interfaces.
func (c Embedded) HostPort() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no address; use host:port, such as 127.0.0.1:4222", c.Addr)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535", c.Addr)
	}
	return host, port, nil
}
