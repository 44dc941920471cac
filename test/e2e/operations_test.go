package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestOperations runs every block of commands of docs/operations.md against a real
// bridge, in order, in a shell, and wants what stands below it: the same words in the
// same lines. Words with a digit (ids, times, counts, rates) may be others, and more
// lines may be between.
func TestOperations(t *testing.T) {
	t.Parallel()
	o := startOperations(t)
	for i, block := range shellBlocks(bridge.ReadFile(t, "../../docs/operations.md")) {
		sh := exec.CommandContext(t.Context(), "sh", "-e", "-c", block.commands)
		sh.Dir, sh.Env = o.dir, o.env
		out, err := sh.CombinedOutput()
		t.Logf("block %d:\n%s%s", i, block.commands, out)
		if err != nil {
			t.Errorf("block %d ended with %v", i, err)
		}
		if block.output == "" {
			t.Errorf("block %d has no output below it", i)
		}
		for _, line := range unlike(string(out), block.output) {
			t.Errorf("block %d printed no line like %q", i, line)
		}
	}
}

// shellBlock is a block of commands in a document, with the output that stands below.
type shellBlock struct {
	commands, output string
}

func shellBlocks(text string) (blocks []shellBlock) {
	for i, part := range strings.Split(text, "```") {
		kind, body, _ := strings.Cut(part, "\n")
		switch {
		case i%2 == 0: // between two blocks
		case kind == "sh":
			blocks = append(blocks, shellBlock{commands: body})
		case kind == "text" && len(blocks) > 0:
			blocks[len(blocks)-1].output += body
		}
	}
	return blocks
}

var timeOfDay = regexp.MustCompile(`^\d\d:\d\d:\d\d$`)

// unlike returns the lines of want that nothing in got is like, in their order.
func unlike(got, want string) (missing []string) {
	rows := strings.Split(got, "\n")
	for line := range strings.Lines(want) {
		var words []string
		for _, word := range strings.Fields(line) {
			pattern := regexp.QuoteMeta(word)
			switch {
			case timeOfDay.MatchString(word):
				pattern = `(\d{4}-\d\d-\d\d )?\S+` // the date stands before it if midnight is between two times
			case strings.ContainsAny(word, "0123456789"):
				pattern = `\S+`
			case word == "segment" || word == "segments":
				pattern = `segments?` // a new one is begun by the clock
			}
			words = append(words, pattern)
		}
		if len(words) == 0 {
			continue
		}
		like := regexp.MustCompile(`^\s*` + strings.Join(words, `\s+`) + `\s*$`)
		found := -1
		for i, row := range rows {
			if like.MatchString(row) {
				found = i
				break
			}
		}
		if found < 0 {
			missing = append(missing, strings.TrimSpace(line))
			continue
		}
		rows = rows[found+1:]
	}
	return missing
}

func TestUnlike(t *testing.T) {
	got := "run replay-a1: done, 7 of 8\nsomething else\nto go on: no\n"
	for want, missing := range map[string]int{
		"run replay-zz9: done, 200 of 201\nto go on: no\n": 0,
		"run replay-zz9: failed, 7 of 8\n":                 1,
		"to go on: no\nrun replay-a1: done, 7 of 8\n":      1, // in order
		"run replay-a1: done, 7 of 8, and more\n":          1,
	} {
		if lines := unlike(got, want); len(lines) != missing {
			t.Errorf("%q: got %q, want %d", want, lines, missing)
		}
	}
}

// operations is a bridge with a past, as docs/operations.md tells of it.
type operations struct {
	dir string
	env []string
}

func startOperations(t *testing.T) operations {
	t.Helper()
	dir := t.TempDir()
	leavePending(t, filepath.Join(dir, "disk-of-dead-host"))
	dataDir := filepath.Join(dir, "data")
	refuseKinds(t, dataDir)

	p := bridge.ServeOn(t, dataDir)
	for i := range 200 {
		p.PostEvent(t, bridge.ReadEvent(fmt.Sprintf("s-%d", i), i, 10))
	}
	for _, body := range oneSession() {
		p.PostEvent(t, body)
	}
	p.Published(t)
	js := p.JetStream(t)
	c, err := js.CreateOrUpdateConsumer(t.Context(), "TREBLE", jetstream.ConsumerConfig{Durable: "crm", FilterSubject: "treble.message.>", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(50)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	if err := os.Symlink(bridge.Binary(t), filepath.Join(bin, "treble-bridge")); err != nil {
		t.Fatal(err)
	}
	return operations{dir, []string{
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + dir, "TZ=UTC",
		"TREBLE_BRIDGE_DATA_DIR=" + dataDir,
		"TREBLE_BRIDGE_AUTH_BEARER=" + bridge.Token,
	}}
}

// leavePending leaves a data directory with three pending deliveries, of a bridge that was
// killed while it had no NATS.
func leavePending(t *testing.T, dataDir string) {
	t.Helper()
	p := bridge.ServeOn(t, dataDir, "TREBLE_BRIDGE_NATS_URL=nats://127.0.0.1:1")
	for i := range 3 {
		p.PostEvent(t, bridge.ReadEvent(fmt.Sprintf("dead-%d", i), i, 10))
	}
	p.Kill()
}

// refuseKinds runs a bridge for a while whose source takes only message.read.
func refuseKinds(t *testing.T, dataDir string) {
	t.Helper()
	p := bridge.ServeOn(t, dataDir, sourceOf("default", "message.read")...)
	var bodies []refusedBody
	for i := range 3 {
		bodies = append(bodies, refusedBody{fmt.Sprintf(`{"session_id":"early-%d","country_code":"+57","cellphone":"3009876543","delivered_at":"2026-01-31 07:00:0%d"}`, i, i),
			"/webhook", "kind-not-accepted", 422})
	}
	bodies = append(bodies, refusedBody{`{"session_id":"broken","cellphone":"3009876543"`, "/webhook", "not-json", 400})
	for _, b := range bodies {
		refuse(t, p, []refusedBody{b}) // one after the other, so that the list is always the same
	}
	p.Stop()
}

// oneSession are the bodies of one session, in the order in which they arrive.
func oneSession() []string {
	const who = `"session_id":"5f0c2c1e9bd84a7796a1","conversation_id":34820,"country_code":"+57","cellphone":"3001234567"`
	began := time.Now().UTC().Add(-15 * time.Minute)
	at := func(d time.Duration) string { return began.Add(d).Format(time.DateTime) }
	message := `,"sent_at":"` + at(0) + `","sent_text":"Shall we go on?","question":{"type":"open","text":"Shall we go on?"},"user_session_keys":[]`
	return []string{
		"{" + who + message + `,"delivered_at":"` + at(2*time.Second) + `"}`,
		"{" + who + message + `,"responded_at":"` + at(151*time.Second) + `","actual_response":"yes, please","classified_answer":{"text":"yes"}}`,
		"{" + who + message + `,"read_at":"` + at(95*time.Second) + `"}`,
		`{"session":{"external_id":"5f0c2c1e9bd84a7796a1","closed_at":"` + at(754*time.Second) + `"},"user":{"country_code":"+57","cellphone":"3001234567"},"messages":[{"sender":"user","type":"text","text":{"message":"yes, please"},"created_at":"` + at(151*time.Second) + `"}],"company":{"id":1},"user_session_keys":[],"hsm":{"name":"reminder"}}`,
	}
}
