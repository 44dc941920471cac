package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// A certificate that expires within this time should have been renewed, unless it lives for less
// than five times as long.
const renewedBefore = 14 * 24 * time.Hour

// checkCertificates says how long the certificates are valid that the bridge shows to others.
func (d *command) checkCertificates(now time.Time) (checks []diagnose.Check) {
	c := d.config
	if tls := c.Ingress.TLS.InDataDir(c.DataDir); tls.Enabled() {
		key := "ingress.tls.cert_file"
		if len(tls.ACME.Domains) > 0 {
			key = "ingress.tls.acme"
		}
		checks = append(checks, d.checkCertificate(key, tls.File(), now))
	}
	if file := c.NATS.Embedded.TLS.CertFile; c.NATS.URL == "" && file != "" {
		checks = append(checks, d.checkCertificate("nats.embedded.tls.cert_file", file, now))
	}
	return checks
}

func (d *command) checkCertificate(key, file string, now time.Time) diagnose.Check {
	line := func(s diagnose.Status, fix, detail string, args ...any) diagnose.Check {
		return diagnose.Check{Name: "certificate", Of: key, Status: s, Detail: fmt.Sprintf(detail, args...), Fix: fix}
	}
	look := cli.ShellWords("openssl", "x509", "-noout", "-subject", "-dates", "-in", file)
	leaf, err := certificate.ReadLeaf(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && key == "ingress.tls.acme":
		if !d.running {
			return line(diagnose.Skip, "", "there is none yet: the bridge obtains it when it runs")
		}
		return line(diagnose.Fail, cli.ShellWords("ls", "-l", file), "there is none: the log of the bridge says why the ACME server gave none")
	case err != nil:
		return line(diagnose.Fail, look, "%v", err)
	}
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	if err := certificate.CheckTime(leaf, now); err != nil {
		return line(diagnose.Fail, look, "%v", err)
	}
	if left := leaf.NotAfter.Sub(now); left < min(renewedBefore, leaf.NotAfter.Sub(leaf.NotBefore)/5) {
		return line(diagnose.Warn, look, "it expires in %d days, on %s, and should have been renewed", int(left.Hours()/24), until)
	}
	return line(diagnose.Pass, "", "valid until %s", until)
}
