package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

const (
	unusedAfter = 30 * 24 * time.Hour // a secret that was not used for so long can be removed
	endsSoon    = 7 * 24 * time.Hour  // a sender that has no other secret then is refused
)

// askCredentials says which secrets of the running bridge have ended, or are not used any more.
func (d *command) askCredentials(ctx context.Context) []diagnose.Check {
	if !d.running {
		return []diagnose.Check{{Name: "credentials", Status: diagnose.Skip, Detail: "no bridge answers"}}
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	status, err := credentialsOf(ctx, "http://"+d.at.Ops+"/credentials")
	if err != nil {
		return []diagnose.Check{{Name: "credentials", Status: diagnose.Skip, Detail: fmt.Sprintf("the running bridge does not say: %v", err)}}
	}
	return checkCredentials(status, time.Now())
}

func credentialsOf(ctx context.Context, url string) (status ops.CredentialsStatus, _ error) {
	code, body, err := cli.GetOps(ctx, url)
	switch {
	case err != nil:
		return status, err
	case code != http.StatusOK:
		return status, fmt.Errorf("%s answered %d", url, code)
	}
	return status, json.Unmarshal(body, &status)
}

// checkCredentials has a line for each secret that is over, or soon will be, or is not used any more, or one that all
// is well. The bridge knows of no use before its start.
func checkCredentials(status ops.CredentialsStatus, now time.Time) []diagnose.Check {
	var checks []diagnose.Check
	warn := func(c ops.CredentialStatus, format string, args ...any) {
		checks = append(checks, diagnose.Check{Name: "credentials", Of: c.Source + "/" + c.Name, Status: diagnose.Warn,
			Detail: fmt.Sprintf(format, args...), Fix: "treble-bridge config print  # then change it in auth"})
	}
	for _, c := range status.Credentials {
		switch {
		case c.Scheme == "open":
		case c.NotAfter != nil && !now.Before(*c.NotAfter):
			warn(c, "it lets nobody in since %s (not_after): remove it", c.NotAfter.Format(time.RFC3339))
		case c.NotAfter != nil && now.Add(endsSoon).After(*c.NotAfter):
			warn(c, "it lets nobody in from %s on (not_after): make sure that its senders have another one", c.NotAfter.Format(time.RFC3339))
		case c.NotBefore != nil && now.Before(c.NotBefore.Add(unusedAfter)):
			// it could not be used long enough
		case c.LastUsed != nil && now.Sub(*c.LastUsed) >= unusedAfter:
			warn(c, "not used since %s: remove it, if nobody sends with it any more", c.LastUsed.Format(time.RFC3339))
		case c.LastUsed == nil && now.Sub(status.Since) >= unusedAfter:
			warn(c, "not used since the bridge was started (%s): remove it, if nobody sends with it any more", status.Since.Format(time.RFC3339))
		}
	}
	if len(checks) == 0 {
		detail := "all were used within 30 days"
		if now.Sub(status.Since) < unusedAfter {
			detail = fmt.Sprintf("the bridge knows of no use before its start (%s), so it cannot tell of 30 days yet", status.Since.Format(time.RFC3339))
		}
		checks = append(checks, diagnose.Check{Name: "credentials", Status: diagnose.Pass, Detail: detail})
	}
	return checks
}
