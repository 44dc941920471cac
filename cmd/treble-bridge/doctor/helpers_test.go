package doctor_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/doctor"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// examine runs doctor --json.
func examine(t *testing.T, p clitest.ConfigFile, args ...string) (doctor.ChecklistJSON, int) {
	t.Helper()
	code, out, errs := clitest.Command(t.Context(), "", append([]string{"doctor", "--json", "--config", p.Path}, args...)...)
	var list doctor.ChecklistJSON
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	for _, c := range list.Checks {
		if c.Status == diagnose.Fail && code != cli.ExitFailed || (c.Status == diagnose.Warn || c.Status == diagnose.Fail) && (c.Fix == "" || c.FixIn == "") {
			t.Errorf("exit %d, %+v: want a fix with each warn and fail, and exit 1 with a fail", code, c)
		}
	}
	if strings.Contains(out+errs, clitest.Secret) || strings.Contains(out+errs, "s3cret") {
		t.Errorf("a secret is printed:\n%s%s", out, errs)
	}
	return list, code
}

// find returns the checks with a name, and of what.
func find(l doctor.ChecklistJSON, name, of string) []diagnose.Check {
	var found []diagnose.Check
	for _, c := range l.Checks {
		if c.Name == name && c.Of == of {
			found = append(found, c)
		}
	}
	return found
}

// only returns the one check with a name, and of what.
func only(t *testing.T, l doctor.ChecklistJSON, name, of string) diagnose.Check {
	t.Helper()
	found := find(l, name, of)
	if len(found) != 1 {
		t.Fatalf("%s %s: got %+v, want one check", name, of, found)
	}
	return found[0]
}
