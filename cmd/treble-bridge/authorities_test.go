package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// TestCertificateAuthorities: where the system has no certificate authorities, as in an image
// FROM scratch, the binary brings its own. The system is asked once a process, so another one
// looks.
func TestCertificateAuthorities(t *testing.T) {
	const within = "TREBLE_BRIDGE_TEST_AUTHORITIES"
	if os.Getenv(within) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestCertificateAuthorities$")
		cmd.Env = append(os.Environ(), within+"=1", "SSL_CERT_FILE=/nonexistent", "SSL_CERT_DIR=/nonexistent")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if pool.Equal(x509.NewCertPool()) {
		t.Error("got no certificate authorities, want those of the module")
	}
}
