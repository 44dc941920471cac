package forget_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/forget"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
)

// nobody is the person who is to be forgotten.
const (
	nobody        = "+573001234567"
	nobodySession = "d2fa98d29a2670dfa119335df1b0371720d674f1677302aba2288fff"
)

// traces may not be found in any file afterwards: the number in each
// spelling that the tests use, and the session.
var traces = []string{
	"573001234567", "3001234567", "300 123 4567", "300-123-4567", `\u0033001234567`, "%2B57300",
	base64.StdEncoding.EncodeToString([]byte(`{"cellphone":"+573001234567","x":`))[:24], nobodySession,
}

// filesOf returns the files below dir in which any of the texts stands, and which.
func filesOf(t *testing.T, dir string, texts ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				found = append(found, fmt.Sprintf("%s (%s)", strings.TrimPrefix(path, dir), text))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// people are bodies of many people, and of nobody in many spellings.
func people(persons, each int) (all []string) {
	for p := range persons {
		for i := range each {
			all = append(all, bodiesOf("57", fmt.Sprintf("31%08d", p), fmt.Sprintf("session-of-person-%04d", p), i))
		}
	}
	return all
}

// bodiesOf is the i-th body of a person; one of four kinds, of which one has no number.
func bodiesOf(code, number, session string, i int) string {
	common := fmt.Sprintf(`"country_code":"+%s","cellphone":"%s","session_id":"%s","conversation_id":%d`, code, number, session, i)
	switch i % 4 {
	case 0:
		return fmt.Sprintf(`{%s,"read_at":"2026-01-02 03:04:%02d"}`, common, i%60)
	case 1:
		return fmt.Sprintf(`{%s,"delivered_at":"2026-01-02 03:04:%02d"}`, common, i%60)
	case 2:
		return fmt.Sprintf(`{"session":{"external_id":"%s","closed_at":"2026-01-02 03:04:%02d"},"user":{"country_code":"%s","cellphone":"%s"},"messages":[]}`, session, i%60, code, number)
	}
	return fmt.Sprintf(`{"session_id":"%s","user_session_keys":[{"key":"n","value":"%d"}]}`, session, i)
}

// ofNobody are bodies of the person who is to be forgotten.
func ofNobody() []string {
	var all []string
	for i := range 12 {
		all = append(all, bodiesOf("57", "3001234567", nobodySession, i))
	}
	return append(all,
		`{"country_code":"57","cellphone":"\u0033001234567","session_id":"other-1","read_at":"2026-01-02 03:04:05"}`,
		`{"country_code":"57","cellphone":"300 123 4567","session_id":"other-1","read_at":"2026-01-02 03:04:06"}`,
		// Of somebody else, who names the number.
		`{"country_code":"57","cellphone":"3100000001","session_id":"session-of-person-0001","read_at":"2026-01-02 03:04:07","sent_text":"ask +57 300-123-4567"}`,
		"{\"country_code\":\"57\",\"cellphone\":\"3001234567\",\"session_id\":\"other-2\",\"read_at\":\"2026-01-02 03:04:05\",\"sent_text\":\"\xff\"}",
	)
}

// forgetPerson runs forget --json, and checks that it prints nothing of the person.
func forgetPerson(t *testing.T, p *clitest.Process, want int, stdin string, args ...string) (forget.RunJSON, string) {
	t.Helper()
	code, out, errs := clitest.Command(t.Context(), stdin, append([]string{"forget", "--json", "--data-dir", p.Dir}, args...)...)
	if code != want {
		t.Fatalf("forget %v: exit %d, want %d\n%s%s", args, code, want, out, errs)
	}
	for _, trace := range traces {
		if strings.Contains(out+errs, trace) {
			t.Errorf("forget prints %q:\n%s%s", trace, out, errs)
		}
	}
	var v forget.RunJSON
	if out != "" {
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return v, errs
}

// Everything of one person in every place, among thousands of events of others,
// is gone from all files and streams while the bridge runs, and after it ran again.
func TestForgetPerson(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := clitest.StartProcessEnv(t, dir, []string{"TREBLE_BRIDGE_NATS_MAX_PAYLOAD=300"}, "serve", "--dev", "--nats-url", clitest.Away)
	p.AwaitRunning(t)
	// Too large for the limit in force: set aside.
	p.Post(t, http.StatusRequestEntityTooLarge, bodiesOf("57", "3001234567", nobodySession, 0), bodiesOf("57", "3109999999", "session-of-another", 0))
	p.Kill(t)
	damaged := filepath.Join(dir, "journal", "damaged")
	if err := os.MkdirAll(damaged, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"1.bin": "\x00\x01+57 300 123 4567\x02", "2.bin": "\x00\x01+57 310 999 9999\x02"} {
		if err := os.WriteFile(filepath.Join(damaged, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	p = clitest.StartProcessEnv(t, dir, briefJournal, "serve", "--dev")
	p.AwaitRunning(t)
	others, mine := people(100, 10), ofNobody()
	p.Post(t, http.StatusOK, others[:len(others)/2]...)
	p.Post(t, http.StatusOK, mine...)
	p.Post(t, http.StatusOK, others[len(others)/2:]...)
	p.Post(t, http.StatusBadRequest, `{"phone":"+573001234567`, `{"x":"%2B573001234567",`, `{"session_id":"`+nobodySession+`"`, `{"phone":"+573109999999`)
	p.Await(t, "TREBLE", len(others)+len(mine))
	p.Await(t, "TREBLE_QUARANTINE", 4)
	p.Command(t, cli.ExitFine, "replay", "--kind", "message.read", "--since", "1h", "--yes")
	p.Command(t, cli.ExitFine, "replay", "--session", nobodySession, "--yes")
	p.Command(t, cli.ExitFine, "replay", "--phone", nobody, "--yes")

	before := filesOf(t, dir, traces...)
	for _, place := range []string{"/set-aside/", "/journal/0", "/journal/damaged/", "/TREBLE/msgs", "/TREBLE_QUARANTINE/msgs", "/TREBLE_REPLAY/msgs"} {
		if !slices.ContainsFunc(before, func(f string) bool { return strings.Contains(f, place) }) {
			t.Errorf("nothing of the person is in %s, so that the search proves nothing:\n%s", place, strings.Join(before, "\n"))
		}
	}
	dry, _ := forgetPerson(t, p, cli.ExitFine, nobody+"\n", "--phone", "-", "--dry-run")
	if dry.State != "dry-run" || dry.Found.Streams["TREBLE"] != int64(len(mine)) || dry.Found.Journal != int64(len(mine))+3 || dry.Found.SetAside != 1 || dry.Found.Damaged != 1 {
		t.Errorf("dry run: %+v", dry)
	}
	p.Await(t, "TREBLE", len(others)+len(mine)) // nothing was deleted
	// The journals begin new segments.
	more := large(6)
	p.Post(t, http.StatusOK, more...)
	for i, body := range more {
		more[i] = strings.TrimSuffix(body, "}")
	}
	p.Post(t, http.StatusBadRequest, more...)
	p.Await(t, "TREBLE", len(others)+len(mine)+len(more))
	p.Await(t, "TREBLE_QUARANTINE", 4+len(more))
	want := map[string]map[uint64]string{}
	for _, stream := range []string{"TREBLE", "TREBLE_QUARANTINE", "TREBLE_REPLAY"} {
		want[stream] = p.Stored(t, stream)
		for seq, text := range want[stream] {
			if slices.ContainsFunc(traces, func(s string) bool { return strings.Contains(text, s) }) || strings.Contains(text, `"other-2"`) {
				delete(want[stream], seq)
			}
		}
	}

	if _, errs := forgetPerson(t, p, cli.ExitUsage, nobody, "--phone", "-"); !strings.Contains(errs, "confirm with --yes") {
		t.Errorf("without --yes: %s", errs)
	}
	v, _ := forgetPerson(t, p, cli.ExitFine, nobody+"\n", "--phone", "-", "--yes", "--wait")
	if v.State != audit.Done || v.DataDir != "running" || v.Left == nil || v.Left.Total() != 0 || v.Sessions != 3 ||
		v.Erased.Deletable() != dry.Found.Deletable() || fmt.Sprint(v.Erased.Streams) != fmt.Sprint(dry.Found.Streams) {
		t.Errorf("forget: %+v", v)
	}
	check := func(when string) {
		t.Helper()
		if found := filesOf(t, dir, traces...); len(found) > 0 {
			t.Errorf("%s something of the person is left:\n%s", when, strings.Join(found, "\n"))
		}
		for stream, messages := range want {
			got := p.Stored(t, stream)
			for seq, text := range messages {
				if got[seq] != text {
					t.Fatalf("%s message %d of %s is another one:\n%s\n%s", when, seq, stream, got[seq], text)
				}
			}
			if len(got) != len(messages) {
				t.Errorf("%s %s holds %d messages, want %d", when, stream, len(got), len(messages))
			}
		}
		if n := len(filesOf(t, dir, "3109999999", "310 999 9999")); n < 3 {
			t.Errorf("%s what was set aside of somebody else is gone", when)
		}
	}
	check("afterwards")
	if again, _ := forgetPerson(t, p, cli.ExitFine, "", "--phone", nobody, "--yes"); again.Run != "" || again.Found.Total() != 0 {
		t.Errorf("again: %+v", again)
	}
	p.Stop(t)
	if found := filesOf(t, dir, traces...); len(found) > 0 {
		t.Errorf("when it stopped, something of the person is left:\n%s", strings.Join(found, "\n"))
	}
	p = clitest.Serve(t, dir)
	p.Post(t, http.StatusOK, `{"x":"after"}`)
	p.Await(t, "TREBLE", len(want["TREBLE"])+1)
	for seq, text := range p.Stored(t, "TREBLE") {
		if strings.Contains(text, `"after"`) {
			want["TREBLE"][seq] = text
		}
	}
	check("after it ran again")
	if v := p.JournalStatus(t, cli.ExitFine, "verify"); v.Unaccounted != 0 || !v.Sound {
		t.Errorf("verify: %+v", v)
	}
	if strings.Contains(p.Errs.String(), "lost") {
		t.Errorf("erased events are taken for lost:\n%s", p.Errs)
	}
}
