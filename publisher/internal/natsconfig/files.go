package natsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
)

func (t TLS) readCA() (*x509.CertPool, error) {
	pool, err := certificate.ReadPool(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("nats.tls.ca_file: %w", err)
	}
	return pool, nil
}

func (t TLS) readCert() (tls.Certificate, error) {
	pair, err := certificate.Files{Certificate: t.CertFile, Key: t.KeyFile}.Load()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("nats.tls: cert_file and key_file: %w", err)
	}
	return *pair, nil
}

func readJWT(path string) (string, error) {
	text, err := value.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("nats.credentials_file: %w", err)
	}
	jwt, err := nkeys.ParseDecoratedJWT([]byte(text))
	if err == nil && strings.Count(jwt, ".") != 2 {
		err = errors.New("it holds no JWT")
	}
	if err != nil {
		return "", fmt.Errorf("nats.credentials_file: %s is no credentials file: use the one that nsc or your NATS provider wrote", path)
	}
	return jwt, nil
}

// readSeed reads the key pair from a file with a seed, alone or in a credentials file.
func readSeed(key, path string) (nkeys.KeyPair, error) {
	text, err := value.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	pair, err := nkeys.ParseDecoratedNKey([]byte(value.Trim(text)))
	if err != nil {
		seed, _ := value.CleanSecret(value.Secret(text), "")
		if pair, err = nkeys.FromSeed([]byte(seed)); err != nil {
			return nil, fmt.Errorf("%s: %s holds no seed of a user, which begins with SU", key, path)
		}
	}
	return pair, nil
}

// readNKey returns the public key of the user whose seed a file holds.
func readNKey(path string) (string, error) {
	pair, err := readSeed("nats.nkey_file", path)
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil || !nkeys.IsValidPublicUserKey(public) {
		return "", fmt.Errorf("nats.nkey_file: %s holds no seed of a user, which begins with SU", path)
	}
	return public, nil
}

func sign(nonce []byte, key, path string) ([]byte, error) {
	pair, err := readSeed(key, path)
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	return pair.Sign(nonce)
}

// checkFiles reports each file that is missing or has another content than its key needs. Without it
// only an attempt to connect would.
func checkFiles(cfg Config) error {
	var errs []error
	check := func(path string, read func() error) {
		if path != "" {
			errs = append(errs, read())
		}
	}
	check(cfg.CredentialsFile, func() error {
		if _, err := readJWT(cfg.CredentialsFile); err != nil {
			return err
		}
		_, err := readSeed("nats.credentials_file", cfg.CredentialsFile)
		return err
	})
	check(cfg.NKeyFile, func() error { _, err := readNKey(cfg.NKeyFile); return err })
	check(cfg.TLS.CAFile, func() error { _, err := cfg.TLS.readCA(); return err })
	if cfg.TLS.KeyFile != "" {
		check(cfg.TLS.CertFile, func() error { _, err := cfg.TLS.readCert(); return err })
	}
	return errors.Join(errs...)
}
