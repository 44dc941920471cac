package certificate

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// errNone is the error for a file without a certificate.
var errNone = errors.New("holds no certificate in PEM")

// first returns the first certificate in PEM.
func first(text []byte) (*x509.Certificate, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errNone
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

// ReadLeaf reads the first certificate of a file, whatever else is in it.
func ReadLeaf(file string) (*x509.Certificate, error) {
	text, err := value.ReadFile(file)
	if err != nil {
		return nil, err
	}
	leaf, err := first([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return leaf, nil
}

// ReadPool reads a file with the certificates of authorities, in PEM.
func ReadPool(file string) (*x509.CertPool, error) {
	text, err := value.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, fmt.Errorf("%s: %w", file, errNone)
	}
	return pool, nil
}
