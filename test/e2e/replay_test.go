package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// replayed is an event stream in a broker of its own, without a bridge, and the
// envelopes in it.
type replayed struct {
	*natstest.Server
	t         *testing.T
	envelopes [][]byte // by sequence; the first is not used
}

// replayPhone is the number of every tenth event; it may be nowhere but in events.
const replayPhone = "+573007654321"

func startReplayed(t *testing.T, events int) *replayed {
	t.Helper()
	r := &replayed{Server: natstest.Start(t), t: t, envelopes: make([][]byte, events+1)}
	var all []schema.Event
	for i := 1; i <= events; i++ {
		e := natstest.Event(fmt.Sprintf("event%021d", i), fmt.Sprintf(`{"number":  %d}`, i))
		if i%10 == 0 {
			e.Data.Base().Phone = replayPhone
		}
		var err error
		if r.envelopes[i], err = e.Encode(); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	r.Store(t, all...)
	return r
}

// command is the replay command for this broker.
func (r *replayed) command(args ...string) (string, int) {
	r.t.Helper()
	return command(r.t, nil, append([]string{"replay", "--nats-url", r.ClientURL()}, args...)...)
}

// replays starts a replay and returns when at least n events are replayed.
func (r *replayed) replays(n int, args ...string) *bridge.Process {
	r.t.Helper()
	cmd := exec.Command(bridge.Binary(r.t), append([]string{"replay", "--nats-url", r.ClientURL(), "--yes"}, args...)...)
	cmd.Env = []string{"TREBLE_BRIDGE_DATA_DIR=" + r.t.TempDir()}
	p := bridge.Start(r.t, cmd)
	p.Await(fmt.Sprintf("%d events are replayed", n), bridge.AtLeast(n, func() int { return bridge.Stored(r.t, r.JS, "TREBLE_REPLAY") }))
	return p
}

// lastRun returns the newest run, as list prints it.
func (r *replayed) lastRun() (run struct {
	Run, State, Filter, Target, Problem string
	Events, Replayed                    int
}) {
	r.t.Helper()
	out, code := command(r.t, nil, "replay", "list", "--json", "--nats-url", r.ClientURL())
	rows := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(rows[len(rows)-1]), &run); err != nil || code != 0 {
		r.t.Fatalf("replay list: exit code %d, %v\n%s", code, err, out)
	}
	return run
}

// checkRun wants each event of a run in a stream once, in order and unchanged.
func (r *replayed) checkRun(stream, run string) {
	r.t.Helper()
	seen := 0
	for _, m := range natstest.Messages(r.t, r.JS, stream) {
		if m.Header.Get(schema.HeaderReplayRun) != run {
			continue
		}
		seen++
		seq, err := strconv.Atoi(m.Header.Get(schema.HeaderReplaySequence))
		if err != nil || seq != seen {
			r.t.Fatalf("got event %d in the place of %d (%v)", seq, seen, err)
		}
		if !bytes.Equal(m.Data, r.envelopes[seq]) || m.Header.Get(schema.HeaderMsgID) != fmt.Sprintf("%s.%d", run, seq) ||
			m.Header.Get(schema.HeaderKind) != "message.read" || m.Subject != "treble-replay."+run+".message.read" {
			r.t.Fatalf("event %d: got %s on %s, %v", seq, m.Data, m.Subject, m.Header)
		}
	}
	if want := len(r.envelopes) - 1; seen != want {
		r.t.Errorf("got %d events, want %d", seen, want)
	}
}

// TestReplayKilled kills a replay with SIGKILL several times, each at some counted
// progress, and resumes it each time.
func TestReplayKilled(t *testing.T) {
	t.Parallel()
	const events = 6000
	r := startReplayed(t, events)
	args := []string{"--rate", "2500"}
	for _, at := range []int{700, 2600, 4500} {
		r.replays(at, args...).Kill()
		run := r.lastRun()
		if run.State != "running" {
			t.Errorf("got state %q of a killed run, want running", run.State)
		}
		args = []string{"--rate", "2500", "--resume", run.Run}
	}
	out, code := r.command("--resume", r.lastRun().Run, "--yes", "--json")
	var res struct {
		Run, State       string
		Events, Replayed int
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil || code != 0 || res.State != "done" || res.Events != events || res.Replayed != events {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	r.checkRun("TREBLE_REPLAY", res.Run)
	if got := bridge.Stored(t, r.JS, "TREBLE_REPLAY"); got != events {
		t.Errorf("got %d messages, want %d", got, events)
	}
}

// TestReplayInterrupted: Ctrl-C leaves a record and prints the line to go on, which
// does.
func TestReplayInterrupted(t *testing.T) {
	t.Parallel()
	const events = 3000
	r := startReplayed(t, events)
	p := r.replays(500, "--rate", "1500")
	p.Signal(syscall.SIGINT)
	code := p.ExitCode()
	_, line, ok := strings.Cut(p.Output.String(), "to go on: treble-bridge ")
	if code != 1 || !ok {
		t.Fatalf("exit code %d, and no line to go on", code)
	}
	if run, stored := r.lastRun(), bridge.Stored(t, r.JS, "TREBLE_REPLAY"); run.State != "stopped" || run.Replayed != stored {
		t.Errorf("got %+v, and %d are stored", run, stored)
	}
	line, _, _ = strings.Cut(line, "\n")
	if again, code := command(t, nil, strings.Fields(line)...); code != 0 {
		t.Fatalf("%s: exit code %d\n%s", line, code, again)
	}
	r.checkRun("TREBLE_REPLAY", r.lastRun().Run)
}

// TestReplayTargets runs each target from the command line, by a phone number, which is
// then looked for everywhere.
func TestReplayTargets(t *testing.T) {
	t.Parallel()
	const events, chosen = 200, 20
	r := startReplayed(t, events)
	if _, err := r.JS.CreateStream(t.Context(), jetstream.StreamConfig{Name: "TARGET", Subjects: []string{"again.>"}}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var posted []string
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		mu.Lock()
		defer mu.Unlock()
		if req.Header.Get("X-Key") == "header-s3cret" && req.Header.Get("Content-Type") == schema.ContentType {
			posted = append(posted, string(b))
		}
	}))
	defer web.Close()
	file := filepath.Join(t.TempDir(), "events.jsonl")
	canaries := []string{"573007654321", "s3cret"}
	for _, args := range [][]string{
		{"--dry-run"},
		{"--dry-run", "--json"},
		{"--yes"},
		{"--yes", "--json", "--to-subject", "again.{kind}"},
		{"--to-url", web.URL + "/path-s3cret", "--header", "X-Key: header-s3cret"},
		{"--to-file", file},
	} {
		out, code := r.command(append(args, "--phone", replayPhone)...)
		if code != 0 || !strings.Contains(out, strconv.Itoa(chosen)) {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
		for _, c := range canaries {
			if strings.Contains(out, c) {
				t.Errorf("%v: %s is in the output:\n%s", args, c, out)
			}
		}
		if args[0] == "--dry-run" && bridge.Stored(t, r.JS, "TREBLE_REPLAY") > 0 {
			t.Error("the dry run stored something")
		}
	}
	rows := strings.SplitAfter(bridge.ReadFile(t, file), "\n")
	stored := map[string][]*jetstream.RawStreamMsg{}
	for _, stream := range []string{"TREBLE_REPLAY", "TARGET"} {
		stored[stream] = natstest.Messages(t, r.JS, stream)
	}
	if len(posted) != chosen || len(rows) != chosen+1 || len(stored["TREBLE_REPLAY"]) != chosen || len(stored["TARGET"]) != chosen {
		t.Fatalf("got %d posted, %d lines, %d and %d stored, want %d of each", len(posted), len(rows)-1,
			len(stored["TREBLE_REPLAY"]), len(stored["TARGET"]), chosen)
	}
	for i := range chosen {
		want := string(r.envelopes[10*(i+1)])
		for where, got := range map[string]string{"url": posted[i], "file": strings.TrimSuffix(rows[i], "\n"),
			"replay": string(stored["TREBLE_REPLAY"][i].Data), "target": string(stored["TARGET"][i].Data)} {
			if got != want {
				t.Errorf("%s, event %d: got %s, want %s", where, i, got, want)
			}
		}
	}
	out, code := command(t, nil, "replay", "list", "--nats-url", r.ClientURL())
	if code != 0 || strings.Count(out, "done") != 4 {
		t.Errorf("list: exit code %d\n%s", code, out)
	}
	kept := auditRecords(t, r.JS)
	if len(kept) != 4 {
		t.Errorf("got %d records, want 4", len(kept))
	}
	for _, record := range kept {
		out += "\n" + record
	}
	for _, c := range append(canaries, "path-") {
		if strings.Contains(out, c) {
			t.Errorf("%s is on record:\n%s", c, out)
		}
	}
}

// auditRecords returns the audit records by their runs, as they are kept.
func auditRecords(t *testing.T, js jetstream.JetStream) map[string]string {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), "TREBLE_AUDIT")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kv.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for _, key := range keys {
		entry, err := kv.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		kept[key] = string(entry.Value())
	}
	return kept
}

// TestReplayAsks: without a terminal and without --yes nothing is replayed.
func TestReplayAsks(t *testing.T) {
	t.Parallel()
	r := startReplayed(t, 5)
	for _, args := range [][]string{{}, {"--to-url", "http://192.0.2.1/x"}} {
		if out, code := r.command(args...); code != 2 || !strings.Contains(out, "--yes") || !strings.Contains(out, "5 events") {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
	if n := bridge.Stored(t, r.JS, "TREBLE_REPLAY"); n > 0 {
		t.Errorf("%d events were replayed all the same", n)
	}
	if out, code := r.command("--resume", "replay-nothing"); code != 1 || !strings.Contains(out, "replay list") {
		t.Errorf("no such run: exit code %d\n%s", code, out)
	}
}
