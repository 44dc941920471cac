//go:build attack

package attack

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// commandTime bounds a command on what an attacker has sent.
const commandTime = 20 * time.Second

// run runs a command of the bridge on its data directory, and returns what it writes.
func run(t *testing.T, p *bridge.Process, args ...string) string {
	t.Helper()
	began := time.Now()
	out, errs, code := bridge.Command(t, []string{"TREBLE_BRIDGE_DATA_DIR=" + p.DataDir}, args...)
	took := time.Since(began).Round(time.Millisecond)
	if code != 0 || took > commandTime {
		t.Fatalf("%v: exit code %d after %s\n%.2000s%.2000s", args, code, took, out, errs)
	}
	t.Logf("%s: %s, %d bytes", strings.Join(args, " "), took, len(out))
	return out + errs
}

// TestAttackCommands: commands that read an event made to be slow to mask end in time, and show no
// number that is to be masked.
func TestAttackCommands(t *testing.T) {
	numbers := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "+57 317 %07d, ", i*97%10_000_000)
		}
		return b.String()
	}
	phones := make([]string, 2000)
	for i := range phones {
		phones[i] = fmt.Sprintf(`{"key":"k%d","value":"+57318%07d"}`, i, i)
	}
	for _, tt := range []struct{ name, body string }{
		{"many-phones", `{"session_id":"a","read_at":"2026-01-01 09:00:02","country_code":"+57","cellphone":"3176477608",
			"user_session_keys":[` + strings.Join(phones, ",") + `],"sent_text":"` + numbers(20_000) + `"}`},
		{"two-megabytes-of-digits", `{"session_id":"a","read_at":"2026-01-01 09:00:02","country_code":"+57","cellphone":"3176477608","sent_text":"` +
			strings.Repeat("3176477608", 200_000) + `"}`},
		{"two-megabytes-of-text", `{"session_id":"a","read_at":"2026-01-01 09:00:02","country_code":"+57","cellphone":"3176477608","sent_text":"` +
			strings.Repeat("3 1 7 (6) ", 200_000) + `"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := bridge.Serve(t)
			under(t, p, func(t *testing.T, addr string) {
				if status := post(addr, tt.body); status != 200 {
					t.Fatalf("got %d, want 200", status)
				}
				p.Published(t)
				unmasked := regexp.MustCompile(`3176477608|57 ?31[78] ?\d{7}`)
				for _, args := range [][]string{
					{"tail", "--since", "1h", "--no-follow", "--limit", "1", "--session", "a"},
					{"tail", "--since", "1h", "--no-follow", "--limit", "1", "--session", "a", "--json"},
					{"events", "--since", "1h", "--session", "a"},
				} {
					if shown := unmasked.FindString(run(t, p, args...)); shown != "" {
						t.Errorf("%v: a number is shown: %q", args, shown)
					}
				}
				run(t, p, "forget", "--phone", "+573176477608", "--yes")
			})
		})
	}
}

// TestAttackSetAside: events that are too large for NATS, however many, leave room in set-aside for what
// was accepted, and good events go on.
func TestAttackSetAside(t *testing.T) {
	p := bridge.Serve(t)
	begin, end := `{"session_id":"s","x":"`, `"}`
	filling := strings.Repeat("\xffx", 99*(10<<20)/200)
	under(t, p, func(t *testing.T, addr string) {
		for i := range 30 {
			for status := 0; status != 413; {
				if status = post(addr, begin+fmt.Sprint(i), filling, end); status != 413 && status != 429 {
					t.Fatalf("got %d, want 413", status)
				}
			}
		}
	})
	list := run(t, p, "journal", "set-aside", "list", "--json")
	if n := strings.Count(list, `"too-large"`); n < 5 || n > 20 {
		t.Errorf("%d of 30 are in set-aside, want no more than half of it", n)
	}
	p.Published(t)
}
