package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
)

// sessionEvents is the number of events of each session in the stream.
const sessionEvents = 4

// startSessions is an event stream without a bridge that holds sessions of four events
// each, interleaved: the first event of all of them, then the second, and so on. Their
// own times run the other way in every tenth session.
func startSessions(t *testing.T, sessions int) *natstest.Server {
	t.Helper()
	b := natstest.Start(t)
	sent := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	var events []schema.Event
	for step := range sessionEvents {
		for n := range sessions {
			events = append(events, sessionEvent(n, step, sent))
		}
	}
	b.Store(t, events...)
	return b
}

func sessionEvent(n, step int, sent time.Time) schema.Event {
	common := schema.Common{
		SessionID: fmt.Sprintf("session-%05d", n), Phone: fmt.Sprintf("+57300%07d", n),
		Raw: []byte(fmt.Sprintf(`{"n": %d, "cellphone":"300%07d"}`, n, n)),
	}
	e := schema.Event{Source: "default", Subject: common.SessionID, DedupeKey: schema.DedupeContent, ID: fmt.Sprintf("event%05dstep%012d", n, step)}
	switch step {
	case 0:
		e.Kind, e.Data = schema.KindMessageDelivered, &schema.MessageDelivered{Common: common, SentAt: &sent, SentText: "Hello"}
	case 1:
		e.Kind, e.Data = schema.KindMessageRead, &schema.MessageRead{Common: common, SentAt: &sent, SentText: "Hello"}
	case 2:
		e.Kind, e.Data = schema.KindMessageResponded, &schema.MessageResponded{Common: common, SentAt: &sent, SentText: "Hello", ActualResponse: "yes"}
	case 3:
		e.Kind, e.Data = schema.KindConversationClosed, &schema.ConversationClosed{Common: common}
	}
	after := time.Duration(step) * 90 * time.Second
	if n%10 == 0 {
		after = time.Duration(sessionEvents-step) * 90 * time.Second
	}
	e.Time, e.ReceivedTime = sent.Add(after), sent.Add(time.Hour)
	return e
}

// storedLine is a line of events --json.
type storedLine struct {
	Sequence uint64
	Stored   time.Time
	Subject  string
	Event    struct{ ID, Type, Subject string }
	GapMS    *int64 `json:"gap_ms"`
	Marks    []string
}

func TestEvents(t *testing.T) {
	t.Parallel()
	const sessions = 750
	b := startSessions(t, sessions)
	run := func(args ...string) (out, errs string) {
		t.Helper()
		out, errs, code := cli(t, t.TempDir(), nil, append([]string{"events", "--nats-url", b.ClientURL()}, args...)...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
		if strings.Contains(out, "3000000") != strings.Contains(strings.Join(args, " "), "--show-pii") {
			t.Errorf("%v: a number is in the output, or is not\n%.500s", args, out)
		}
		return out, errs
	}

	out, errs := run()
	if rows := strings.Split(strings.TrimSpace(out), "\n"); len(rows) != 20 || !strings.HasPrefix(rows[19], "   3000  ") || !strings.Contains(errs, "--limit") {
		t.Errorf("the newest 20:\n%s%s", out, errs)
	}
	if _, errs = run("--phone", "+573000000042", "--limit", "4"); errs != "" {
		t.Errorf("all there are are shown, and yet %q", errs)
	}
	out, errs = run("--phone", "+573000000042", "--show-pii", "--limit", "3")
	if strings.Count(out, "+573000000042") != 3 || strings.Contains(out, "message.delivered") || !strings.Contains(errs, "the newest 3") {
		t.Errorf("the newest 3 of a person:\n%s%s", out, errs)
	}
	out, _ = run("--kind", "message.*", "--limit", "0", "--json")
	if all := lines[storedLine](t, out); len(all) != 3*sessions || all[0].Sequence != 1 || all[0].GapMS != nil || all[0].Marks != nil ||
		all[0].Subject != "treble.message.delivered" || all[0].Stored.IsZero() || all[0].Event.Type != "ai.treble.message.delivered" {
		t.Errorf("all of three kinds: %d, the first %+v", len(all), all[0])
	}
	if out, errs = run("--session", "session-"); out != "" || !strings.Contains(errs, "whole id") {
		t.Errorf("no such session:\n%s%s", out, errs)
	}

	for _, one := range []string{"event00042step000000000002", "1543"} {
		out, _ = run(one)
		for _, want := range []string{"message.responded", "event00042step000000000002", "session-00042", "at 1543 on treble.message.responded", "********42", `"actual_response": "yes"`, `"n": 42`} {
			if !strings.Contains(out, want) {
				t.Errorf("events %s: %q is not in\n%s", one, want, out)
			}
		}
	}
	if out, _ = run("1543", "--raw", "--show-pii"); out != `{"n": 42, "cellphone":"3000000042"}`+"\n" {
		t.Errorf("the body as received: %q", out)
	}
	for _, absent := range []string{"event99999step000000000002", "3001"} {
		if out, errs, code := cli(t, t.TempDir(), nil, "events", "--nats-url", b.ClientURL(), absent); code != 1 || out != "" || !strings.Contains(errs, absent) {
			t.Errorf("events %s: exit code %d\n%s%s", absent, code, out, errs)
		}
	}
	if _, errs, code := cli(t, t.TempDir(), nil, "events", "3001", "--session", "x"); code != 2 || !strings.Contains(errs, "one of them") {
		t.Errorf("both: exit code %d, %s", code, errs)
	}
	checkTimelines(t, run)
}

// checkTimelines looks at a session whose events were stored as they happened, and at
// one where it was the other way around.
func checkTimelines(t *testing.T, run func(...string) (string, string)) {
	out, _ := run("--session", "session-00041", "--json")
	var got []string
	for _, l := range lines[storedLine](t, out) {
		got = append(got, fmt.Sprintf("%d %s %d %v", l.Sequence, strings.TrimPrefix(l.Event.Type, "ai.treble."), *l.GapMS, l.Marks))
	}
	want := "[42 message.delivered 0 [] 792 message.read 90000 [] 1542 message.responded 90000 [] 2292 conversation.closed 90000 []]"
	if fmt.Sprint(got) != want || !strings.Contains(out, `"marks":[]`) {
		t.Errorf("got %v, want %s", got, want)
	}
	got = nil
	out, _ = run("--session", "session-00040", "--json")
	for _, l := range lines[storedLine](t, out) {
		got = append(got, fmt.Sprint(l.Sequence, *l.GapMS, l.Marks))
	}
	want = "[2291 0 [late] 1541 90000 [before-delivered before-read after-closed late] 791 90000 [before-delivered after-closed late] 41 90000 [after-closed]]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	out, errs := run("--session", "session-00041")
	if !strings.HasPrefix(out, "session session-00041: 4 events in 4m30s, ") || strings.Count(out, "+1m30s") != 3 || strings.Contains(out, "not stored") || errs != "" {
		t.Errorf("for people:\n%s%s", out, errs)
	}
	out, errs = run("--session", "session-00041", "--limit", "2")
	if strings.Contains(out, "message.read") || !strings.Contains(errs, "the newest 2") {
		t.Errorf("the newest 2:\n%s%s", out, errs)
	}
}

// consumerLine is a line of consumers --json.
type consumerLine struct {
	Name       string
	Pending    uint64
	AckPending int `json:"ack_pending"`
	Oldest     *struct{ Sequence uint64 }
	LagMS      int64 `json:"lag_ms"`
	Subjects   []string
	Notes      []string
}

func TestConsumers(t *testing.T) {
	t.Parallel()
	const sessions = 750
	b := startSessions(t, sessions)
	run := func(args ...string) (string, string, int) {
		t.Helper()
		return cli(t, t.TempDir(), nil, append([]string{"consumers", "--nats-url", b.ClientURL()}, args...)...)
	}
	if out, errs, code := run(); code != 0 || out != "" || !strings.Contains(errs, "no durable consumer") {
		t.Errorf("without a consumer: exit code %d\n%s%s", code, out, errs)
	}
	for name, subject := range map[string]string{"billing": "treble.conversation.closed", "crm": "treble.>"} {
		c, err := b.JS.CreateOrUpdateConsumer(t.Context(), "TREBLE", jetstream.ConsumerConfig{Durable: name, FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := c.Fetch(sessions)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for m := range batch.Messages() {
			if i++; name == "billing" || i <= 100 {
				if err := m.DoubleAck(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	out, errs, code := run()
	for _, want := range []string{"NAME", "billing", "crm", "treble.conversation.closed", "2250", "650", "100, "} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and %q is not in\n%s%s", code, want, out, errs)
		}
	}
	out, _, _ = run("--json")
	all := lines[consumerLine](t, out)
	if len(all) != 2 || all[0].Name != "billing" || all[0].Pending != 0 || all[0].Oldest != nil || all[0].LagMS != 0 ||
		all[1].Pending != 2250 || all[1].AckPending != 650 || all[1].Oldest.Sequence != 101 || all[1].LagMS <= 0 {
		t.Errorf("got %s", out)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--max-lag", "1h", "--max-pending", "2900"}, 0, ""},
		{[]string{"--max-lag", "1ms"}, 1, "crm: its lag is"},
		{[]string{"--max-pending", "2899"}, 1, "crm: 2900 messages"},
		{[]string{"billing", "--max-lag", "1ms", "--max-pending", "0"}, 0, ""},
		{[]string{"billing", "shipping"}, 1, "no such consumer: shipping"},
		{[]string{"--max-lag", "-1s"}, 2, "--max-lag"},
		{[]string{"--max-pending", "-1"}, 2, "--max-pending"},
	} {
		if out, errs, code := run(c.args...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit code %d, want %d\n%s%s", c.args, code, c.code, out, errs)
		}
	}
}
