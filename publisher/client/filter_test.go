package client_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
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
		{"message.*", strings.Join(kindsOf("message."), " ")},
		{"*.closed message.read *.closed", "conversation.closed message.read"},
		{"unrecognized", "unrecognized"},
		{"conversation.>", "conversation.closed"},
	} {
		kinds, err := client.MatchKinds(strings.Fields(tt.patterns))
		var got []string
		for _, k := range kinds {
			got = append(got, string(k))
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%q: got %v, %v; want %s", tt.patterns, got, err, tt.want)
		}
	}
	for _, wrong := range []string{"message", "message.red", "messages.*", "*", "", "message.*.*", "message.>.>"} {
		if kinds, err := client.MatchKinds([]string{wrong}); wrong != "*" && (err == nil || !strings.Contains(err.Error(), "message.read")) {
			t.Errorf("%q: got %v, %v; want an error that names what there is", wrong, kinds, err)
		}
	}
}

// kindsOf returns the kinds that begin with a prefix.
func kindsOf(prefix string) (kinds []string) {
	for _, k := range schema.Kinds() {
		if strings.HasPrefix(string(k), prefix) {
			kinds = append(kinds, string(k))
		}
	}
	return kinds
}

func TestSelect(t *testing.T) {
	n := natstest.Start(t)
	events := natstest.Events("a", "b", "c")
	for i, e := range events {
		base := e.Data.Base()
		base.SessionID, base.ConversationID = "session-"+e.ID, "conversation-"+e.ID
		base.Phone = "+57300000000" + string(rune('0'+i))
	}
	events[1].Kind, events[1].Data = schema.KindUnrecognized, &schema.Unrecognized{Common: *events[1].Data.Base()}
	events[2].Source = "other"
	n.Store(t, events...)
	for _, f := range natstest.Foreign {
		if _, err := n.JS.PublishMsg(t.Context(), &nats.Msg{Subject: "treble.message.read", Header: f.Header, Data: []byte(f.Data)}); err != nil {
			t.Fatal(err)
		}
	}
	foreign := len(natstest.Foreign)
	now := time.Now()
	c := clienttest.Open(t, clienttest.Options(n.URL))
	for _, tt := range []struct {
		name string
		f    client.Filter
		want string
	}{
		{"all", client.Filter{}, "a b c"},
		{"kind", client.Filter{Kinds: []schema.Kind{schema.KindUnrecognized}}, "b"},
		{"kinds", client.Filter{Kinds: []schema.Kind{schema.KindUnrecognized, schema.KindMessageRead}}, "a b c"},
		{"session", client.Filter{Session: "session-b"}, "b"},
		{"conversation", client.Filter{Conversation: "conversation-c"}, "c"},
		{"phone", client.Filter{Phone: "+573000000000"}, "a"},
		{"source", client.Filter{Source: "other"}, "c"},
		{"id", client.Filter{ID: "b"}, "b"},
		{"two", client.Filter{ID: "b", Source: "other"}, ""},
		{"sequences", client.Filter{FromSeq: 2, ToSeq: 3}, "b c"},
		{"behind", client.Filter{FromSeq: 4}, ""},
		{"one", client.Filter{ToSeq: 1}, "a"},
		{"until", client.Filter{Until: now}, "a b c"},
		{"until-early", client.Filter{Until: now.Add(-time.Hour)}, ""},
		{"since", client.Filter{Since: now.Add(time.Hour)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			var skipped int64
			for s, err := range c.Select(t.Context(), tt.f, &skipped) {
				if err != nil {
					t.Fatal(err)
				}
				id := "-"
				if ids := s.Header[schema.HeaderMsgID]; len(ids) > 0 {
					id = ids[0]
				}
				got = append(got, id)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %q", got, tt.want)
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
	for m, err := range c.Select(t.Context(), client.Filter{}, nil) {
		if err != nil || m.Sequence != 1 {
			t.Errorf("got %d, %v; want that it ends with the loop", m.Sequence, err)
		}
		break
	}
	o := clienttest.Options(n.URL)
	o.Events = "OTHER"
	if err := firstError(clienttest.Open(t, o).Select(t.Context(), client.Filter{}, nil)); err == nil || !strings.Contains(err.Error(), "publisher.stream") {
		t.Errorf("no stream: %v", err)
	}
}

func TestIsEvent(t *testing.T) {
	for _, f := range natstest.Foreign {
		if (client.Message{Header: f.Header, Data: []byte(f.Data)}).IsEvent() {
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
		for name, s := range map[string]client.Message{
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
			e := natstest.Event("a", `{}`)
			base := e.Data.Base()
			base.Phone, base.CountryCode, base.Cellphone = tt.phone, tt.code, tt.cellphone
			b, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if got := client.PhoneOf(e); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if chosen, _ := (client.Filter{Phone: tt.want}).Match(client.Message{Header: e.Header(), Data: b}); !chosen {
				t.Error("is not chosen by it")
			}
			if chosen, _ := (client.Filter{Phone: "+573009999999"}).Match(client.Message{Header: e.Header(), Data: b}); chosen {
				t.Error("is chosen by another")
			}
		})
	}
}

// TestFollowEndsWhenTheRestIsRemoved: what was counted at the start may be
// purged before it is read.
func TestFollowEndsWhenTheRestIsRemoved(t *testing.T) {
	n := natstest.Start(t)
	n.Store(t, natstest.Events("a", "b")...)
	c := clienttest.Open(t, clienttest.Options(n.URL))
	s := n.Find(t, "TREBLE")
	// The last message of the stream is deleted, so that what the consumer says is
	// pending at "a" can be more than what comes.
	for m, err := range c.Select(t.Context(), client.Filter{}, nil) {
		if err == nil && m.Sequence == 1 {
			err = s.DeleteMsg(t.Context(), 2)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
