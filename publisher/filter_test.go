package publisher

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

func TestMatchKinds(t *testing.T) {
	for _, tt := range []struct {
		patterns, want string
	}{
		{"", ""},
		{"message.read", "message.read"},
		{"message.*", "message.read message.delivered message.responded message.timed_out"},
		{"*.closed message.read *.closed", "conversation.closed message.read"},
		{"unrecognized", "unrecognized"},
		{"conversation.>", "conversation.closed"},
	} {
		kinds, err := MatchKinds(strings.Fields(tt.patterns))
		var got []string
		for _, k := range kinds {
			got = append(got, string(k))
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%q: got %v, %v; want %s", tt.patterns, got, err, tt.want)
		}
	}
	for _, wrong := range []string{"message", "message.red", "messages.*", "*", "", "message.*.*", "message.>.>"} {
		if kinds, err := MatchKinds([]string{wrong}); wrong != "*" && (err == nil || !strings.Contains(err.Error(), "message.read")) {
			t.Errorf("%q: got %v, %v; want an error that names what there is", wrong, kinds, err)
		}
	}
}

func TestEachChooses(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	p := open(t, o)
	d := deliveryOf("a", "b", "c")
	for i := range d.Events {
		base := d.Events[i].Data.Base()
		base.SessionID, base.ConversationID = "session-"+d.Events[i].ID, "conversation-"+d.Events[i].ID
		base.Phone = "+57300000000" + string(rune('0'+i))
	}
	d.Events[1].Kind, d.Events[1].Data = schema.KindUnrecognized, &schema.Unrecognized{Common: *d.Events[1].Data.Base()}
	d.Events[2].Source = "other"
	if err := p.Accept(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, f := range natstest.Foreign {
		if _, err := n.js.PublishMsg(t.Context(), &nats.Msg{Subject: "treble.message.read", Header: f.Header, Data: []byte(f.Data)}); err != nil {
			t.Fatal(err)
		}
	}
	foreign := len(natstest.Foreign)
	now := time.Now()
	c := openClient(t, o, "")
	for _, tt := range []struct {
		name string
		f    Filter
		want string
	}{
		{"all", Filter{}, "a b c"},
		{"kind", Filter{Kinds: []schema.Kind{schema.KindUnrecognized}}, "b"},
		{"kinds", Filter{Kinds: []schema.Kind{schema.KindUnrecognized, schema.KindMessageRead}}, "a b c"},
		{"session", Filter{Session: "session-b"}, "b"},
		{"conversation", Filter{Conversation: "conversation-c"}, "c"},
		{"phone", Filter{Phone: "+573000000000"}, "a"},
		{"source", Filter{Source: "other"}, "c"},
		{"id", Filter{ID: "b"}, "b"},
		{"two", Filter{ID: "b", Source: "other"}, ""},
		{"sequences", Filter{FromSeq: 2, ToSeq: 3}, "b c"},
		{"behind", Filter{FromSeq: 4}, ""},
		{"one", Filter{ToSeq: 1}, "a"},
		{"until", Filter{Until: now}, "a b c"},
		{"until-early", Filter{Until: now.Add(-time.Hour)}, ""},
		{"since", Filter{Since: now.Add(time.Hour)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			var skipped int64
			err := c.Each(t.Context(), tt.f, &skipped, func(s Stored) error {
				id := "-"
				if ids := s.Header[schema.HeaderMsgID]; len(ids) > 0 {
					id = ids[0]
				}
				got = append(got, id)
				return nil
			})
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, %v; want %q", got, err, tt.want)
			}
			want := 0
			if slices.Contains([]string{"all", "kinds", "behind", "until"}, tt.name) {
				want = foreign
			}
			if int(skipped) != want {
				t.Errorf("skipped %d that are no events, want %d", skipped, want)
			}
		})
	}
	if all, err := c.Consumers(t.Context(), true); err != nil || len(all) > 0 {
		t.Errorf("left %d consumers behind (%v)", len(all), err)
	}
	want := errors.New("enough")
	if err := c.Each(t.Context(), Filter{}, nil, func(Stored) error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want the error of the function", err)
	}
	o.Config.Stream = "OTHER"
	if err := openClient(t, o, "").Each(t.Context(), Filter{}, nil, nil); err == nil || !strings.Contains(err.Error(), "publisher.stream") {
		t.Errorf("no stream: %v", err)
	}
}

func TestIsEvent(t *testing.T) {
	for _, f := range natstest.Foreign {
		if (Stored{Header: f.Header, Data: []byte(f.Data)}).IsEvent() {
			t.Errorf("%s is taken for an event", f.Name)
		}
	}
	for _, k := range schema.Kinds() {
		e := schematest.Event(k)
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		later := []byte(strings.Replace(string(b), string(k)+`:1"`, string(k)+`:2"`, 1))
		spaced := append([]byte("\n "), b...)
		for name, s := range map[string]Stored{
			"as-it-is": {Header: e.Header(), Data: b}, "without-headers": {Data: b}, "spaced": {Header: e.Header(), Data: spaced},
			"later": {Header: e.Header(), Data: later}, "later-without-headers": {Data: later},
		} {
			if !s.IsEvent() {
				t.Errorf("%s, %s: is taken for none", k, name)
			}
		}
	}
}

// TestPhoneOfEarlierVersions: a number is chosen by what this version makes of it.
func TestPhoneOfEarlierVersions(t *testing.T) {
	for _, tt := range []struct{ name, phone, code, cellphone, want string }{
		{"same", "+573001234567", "57", "3001234567", "+573001234567"},
		{"trunk", "+4407911123456", "44", "07911 123456", "+447911123456"},
		{"left-out-trunk", "", "44", "०७९११ १२३४५६", "+447911123456"},
		{"left-out", "", "57", "300\u202f1234567", "+573001234567"},
		{"none", "", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := anEvent("a", `{}`)
			base := e.Data.Base()
			base.Phone, base.CountryCode, base.Cellphone = tt.phone, tt.code, tt.cellphone
			b, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if got := PhoneOf(e); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if chosen, _ := (Filter{Phone: tt.want}).Match(Stored{Header: e.Header(), Data: b}); !chosen {
				t.Error("is not chosen by it")
			}
			if chosen, _ := (Filter{Phone: "+573009999999"}).Match(Stored{Header: e.Header(), Data: b}); chosen {
				t.Error("is chosen by another")
			}
		})
	}
}

// TestFollowEndsWhenTheRestIsRemoved: what was counted at the start may be
// purged before it is read.
func TestFollowEndsWhenTheRestIsRemoved(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	p := open(t, o)
	if err := p.Accept(t.Context(), deliveryOf("a", "b")); err != nil {
		t.Fatal(err)
	}
	c := openClient(t, o, "")
	s, err := n.js.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	// The last message of the stream is deleted, so that what the consumer says is
	// pending at "a" can be more than what comes.
	err = c.Each(t.Context(), Filter{}, nil, func(m Stored) error {
		if m.Sequence == 1 {
			return s.DeleteMsg(t.Context(), 2)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAudit(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	open(t, o)
	a, err := OpenAudit(t.Context(), openClient(t, o, ""), o.Config.Spec(""))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := a.List(t.Context(), ""); err != nil || len(all) > 0 {
		t.Errorf("empty: %v, %v", all, err)
	}
	began := time.Now().UTC().Truncate(time.Second)
	for i, run := range []string{"replay-b", "forget-c", "replay-a", "replay-b"} {
		r := AuditRecord{Run: run, Action: strings.Split(run, "-")[0], Began: began.Add(-time.Duration(i) * time.Minute),
			State: AuditRunning, Counts: map[string]int64{"events": int64(i)}}
		if err := a.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	again, err := OpenAudit(t.Context(), openClient(t, o, ""), o.Config.Spec(""))
	if err != nil {
		t.Fatal(err)
	}
	all, err := again.List(t.Context(), "replay")
	if err != nil || len(all) != 2 || all[0].Run != "replay-b" || all[0].Counts["events"] != 3 || all[1].Run != "replay-a" {
		t.Errorf("got %+v, %v; want the newest record of each replay, the oldest first", all, err)
	}
	r, err := again.Get(t.Context(), "forget-c")
	if err != nil || r.Action != "forget" || r.Updated.Before(began) || !r.Ended.IsZero() {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, run := range []string{"nothing", "not a key"} {
		if _, err := again.Get(t.Context(), run); !errors.Is(err, ErrNoRun) {
			t.Errorf("%q: got %v, want ErrNoRun", run, err)
		}
	}
}

// TestMayMatch: what is not decoded has nothing to match.
func TestMayMatch(t *testing.T) {
	envelope := []byte(`{"source":"/treble/shop","subject":"caf\u00e9","data":{"phone":"+573001234567","conversation_id":"34820"}}`)
	for _, tt := range []struct {
		name string
		f    Filter
		want bool
	}{
		{"nothing", Filter{}, true},
		{"phone", Filter{Phone: "+573001234567"}, true},
		{"other-phone", Filter{Phone: "+573001234568"}, false},
		{"escaped", Filter{Session: "café"}, true}, // it may be written in another way
		{"session", Filter{Session: "session-1"}, false},
		{"conversation", Filter{Conversation: "34820", Source: "shop"}, true},
		{"one-of-two", Filter{Conversation: "34820", Source: "other"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.f.mayMatch(envelope); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
