// Command cacerts prints the certificate authorities that the image trusts, as
// PEM: those of Mozilla, from a Go module pinned in go.sum. So the image is the
// same on every machine, and an authority that somebody's machine trusts for
// its own reasons does not get into it.
//
// It is a module of its own, so that the bridge does not depend on it.
package main

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cacerts:", err)
		os.Exit(1)
	}
}

func run() error {
	out := bufio.NewWriter(os.Stdout)
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // trusted for older certificates only, which PEM cannot say
		}
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return err
		}
	}
	return out.Flush()
}
