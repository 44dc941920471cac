package broker

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// clientName is how the bridge shows up in "nats server report connections".
const clientName = "treble-bridge"

// dialOptions returns the options that say whom to connect to, and as whom.
func dialOptions(cfg NATSConfig, s secrets, e *Embedded) []nats.Option {
	opts := []nats.Option{nats.Name(clientName), nats.Timeout(connectTimeout)}
	if e != nil {
		opts = append(opts, nats.InProcessServer(e))
		if s.embeddedToken != "" {
			opts = append(opts, nats.Token(string(s.embeddedToken)))
		}
		return opts
	}
	return append(opts, externalOptions(cfg, s)...)
}

// externalOptions are the credentials and the TLS for a NATS of your own.
func externalOptions(cfg NATSConfig, s secrets) []nats.Option {
	var opts []nats.Option
	if s.token != "" {
		opts = append(opts, nats.Token(string(s.token)))
	}
	if cfg.User != "" {
		opts = append(opts, nats.UserInfo(cfg.User, string(s.password)))
	}
	if cfg.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(cfg.CredentialsFile))
	}
	if cfg.NKeyFile != "" {
		opts = append(opts, func(o *nats.Options) error {
			nkey, err := nats.NkeyOptionFromSeed(cfg.NKeyFile)
			if err != nil {
				return fmt.Errorf("nats.nkey_file: %w", err)
			}
			return nkey(o)
		})
	}
	if cfg.TLS.CAFile != "" {
		opts = append(opts, nats.RootCAs(cfg.TLS.CAFile))
	}
	if cfg.TLS.CertFile != "" {
		opts = append(opts, nats.ClientCert(cfg.TLS.CertFile, cfg.TLS.KeyFile))
	}
	return opts
}

// checkFiles finds a missing file now. The client would find it at each
// attempt to connect, and never say so.
func checkFiles(cfg NATSConfig) error {
	var errs []error
	for _, f := range []struct{ key, path string }{
		{"nats.credentials_file", cfg.CredentialsFile},
		{"nats.nkey_file", cfg.NKeyFile},
		{"nats.tls.ca_file", cfg.TLS.CAFile},
		{"nats.tls.cert_file", cfg.TLS.CertFile},
		{"nats.tls.key_file", cfg.TLS.KeyFile},
	} {
		if f.path == "" {
			continue
		}
		file, err := os.Open(f.path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.key, err))
			continue
		}
		file.Close()
	}
	return errors.Join(errs...)
}

// secrets are the secrets of a NATSConfig after the files are read.
type secrets struct {
	token, password, embeddedToken value.Secret
}

func readSecrets(cfg NATSConfig) (s secrets, err error) {
	for _, f := range []struct {
		into  *value.Secret
		value value.Secret
		key   string
		path  string
	}{
		{&s.token, cfg.Token, "nats.token_file", cfg.TokenFile},
		{&s.password, cfg.Password, "nats.password_file", cfg.PasswordFile},
		{&s.embeddedToken, cfg.Embedded.Token, "nats.embedded.token_file", cfg.Embedded.TokenFile},
	} {
		*f.into = f.value
		if f.path == "" {
			continue
		}
		b, err := os.ReadFile(f.path)
		if err != nil {
			return secrets{}, fmt.Errorf("%s: %w", f.key, err)
		}
		text := strings.TrimSpace(string(b))
		if text == "" || strings.ContainsAny(text, "\r\n") {
			return secrets{}, fmt.Errorf("%s: want one line with the secret in %s", f.key, f.path)
		}
		*f.into = value.Secret(text)
	}
	return s, nil
}
