package bridge

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"
)

// commandTimeout bounds a command of the bridge.
const commandTimeout = 3 * time.Minute

// Command runs a command of the bridge to its end, and returns what it wrote and its exit code. The
// environment holds nothing else than env.
func Command(t *testing.T, env []string, args ...string) (out, errs string, code int) {
	t.Helper()
	path := Binary(t) // building it is not part of the time
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append([]string{}, env...) // not nil, which would be the developer's own
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%v: %v\n%s%s", args, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// MustCommand is Command for one that has to work. It returns what is on standard output.
func MustCommand(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, errs, code := Command(t, env, args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d\n%.2000s%s", args, code, out, errs)
	}
	return out
}
