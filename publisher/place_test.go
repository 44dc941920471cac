package publisher_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// place is a NATS as it lives somewhere: where the bridge connects to, and a JetStream
// that reaches the streams.
type place struct {
	nats func(*publisher.NATSConfig)
	js   jetstream.JetStream
	hub  jetstream.JetStream // of the hub behind a leaf node
}

// TestPlaces: a bridge and a command work with a JetStream that is not simply there: behind a leaf
// node, exported by another account, with an inbox of its own, behind a websocket or TLS.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) place{
		"leaf-node-to-the-hub":            func(t *testing.T) place { return startLeaf(t, "hub", false) },
		"leaf-node-with-streams-itself":   func(t *testing.T) place { return startLeaf(t, "leaf", false) },
		"leaf-node-with-its-own-treble":   func(t *testing.T) place { return startLeaf(t, "leaf", true) },
		"api-of-another-account":          startImport,
		"inbox-of-its-own":                startInbox,
		"tls-handshake-first":             startTLSFirst,
		"websocket":                       startWebsocket,
		"websocket-to-a-jetstream-domain": startDomain,
	} {
		t.Run(name, func(t *testing.T) {
			at := start(t)
			o := withJournal(t, "")
			at.nats(&o.NATS)
			p := open(t, o)
			ids := natstest.Numbered("e", 20)
			accept(t, p, ids[:10]...)
			if err := p.Accept(t.Context(), natstest.Rejected("{")); err != nil {
				t.Error(err)
			}
			settle(t, p)
			if err := p.Conn().NATS().ForceReconnect(); err != nil { // what is retained is compared
				t.Fatal(err)
			}
			publish(t, p, ids[10:]...)
			natstest.WantIDs(t, at.js, "TREBLE", ids...)
			natstest.Eventually(t, "the refused body is there", func() bool { return len(natstest.IDs(t, at.js, "TREBLE_QUARANTINE")) == 1 })
			natstest.Eventually(t, "all is well", func() bool { return well(p) })
			c := clienttest.Open(t, clientOptions(o))
			if got := followed(t, c, client.FollowOptions{FromStart: true, StopAtEnd: true}); !slices.Equal(got, ids) {
				t.Errorf("a command read %v", got)
			}
			a, err := audit.Open(t.Context(), c, o.Config.Spec(""))
			if err == nil {
				err = a.Put(t.Context(), audit.Record{Run: "run", State: audit.Done})
			}
			if err == nil {
				_, err = a.Get(t.Context(), "run")
			}
			var records []audit.Record
			if err == nil {
				records, err = a.List(t.Context(), "")
			}
			if err == nil && (len(records) != 1 || records[0].Run != "run") {
				t.Errorf("the audit lists %v", records)
			}
			if err != nil {
				t.Errorf("audit: %v", err)
			}
			if err := p.Conn().NATS().LastError(); err != nil {
				t.Error(err)
			}
		})
	}
}

// jsAt is a JetStream of a test's own connection, in a domain, or "" for that of the server.
func jsAt(t *testing.T, url, domain string, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	js := natstest.Connect(t, url, opts...)
	if domain == "" {
		return js
	}
	js, err := jetstream.NewWithDomain(js.Conn(), domain)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// startLeaf starts a hub and a leaf node, each with a domain, and a bridge at the leaf node
// that stores in one of them. With decoy the hub has a stream of another name and the same
// kind of subjects, as that of another bridge.
func startLeaf(t *testing.T, domain string, decoy bool) place {
	t.Helper()
	return startLeafBehind(t, domain, decoy, func(hub string) string { return hub })
}

// startLeafBehind is startLeaf with something between the two: link is given the address of the
// hub, and returns the one that the leaf node connects to.
func startLeafBehind(t *testing.T, domain string, decoy bool, link func(hub string) string) place {
	t.Helper()
	hub := natstest.Start(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "hub"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", -1
	})
	varz, err := hub.Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	port := varz.LeafNode.Port
	leaf := natstest.Start(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "leaf", "leaf"
		remote := &url.URL{Scheme: "nats", Host: link(fmt.Sprintf("127.0.0.1:%d", port))}
		o.LeafNode.ReconnectInterval = 100 * time.Millisecond
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{remote}}}
	})
	natstest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 && hub.NumLeafNodes() == 1 })
	natstest.Eventually(t, "the domain answers", func() bool {
		js, err := jetstream.NewWithDomain(leaf.NC, domain)
		if err != nil {
			return false
		}
		_, err = js.AccountInfo(t.Context())
		return err == nil
	})
	if decoy {
		hub.Stream(t, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other.>"}})
	}
	return place{
		nats: func(n *publisher.NATSConfig) { n.URL, n.JetStreamDomain = leaf.URL, domain },
		js:   jsAt(t, leaf.URL, domain),
		hub:  hub.JS,
	}
}

// startImport has the streams in an account that exports its API and its subjects to that
// of the bridge, as docs/operations.md says it.
func startImport(t *testing.T) place {
	t.Helper()
	r := startReloaded(t, exportedAccounts+"\nno_auth_user: owner")
	return place{
		nats: func(n *publisher.NATSConfig) {
			n.URL, n.User, n.Password, n.APIPrefix = r.URL, "bridge", "s3cret-bridge", "JS.treble"
		},
		js: jsAt(t, r.URL, "", nats.UserInfo("owner", "s3cret-owner")),
	}
}

// exportedAccounts is in docs/operations.md, word for word.
const exportedAccounts = `accounts {
  OWNER {
    jetstream: enabled
    users: [{user: owner, password: s3cret-owner}]
    exports: [
      {service: "$JS.API.>", response: stream, accounts: [BRIDGE]}
      {service: "treble.>", accounts: [BRIDGE]}
      {service: "treble-quarantine.>", accounts: [BRIDGE]}
      {service: "treble-replay.>", accounts: [BRIDGE]}
      {service: "$KV.TREBLE_AUDIT.>", accounts: [BRIDGE]}
    ]
  }
  BRIDGE {
    users: [{user: bridge, password: s3cret-bridge}]
    imports: [
      {service: {account: OWNER, subject: "$JS.API.>"}, to: "JS.treble.>"}
      {service: {account: OWNER, subject: "treble.>"}}
      {service: {account: OWNER, subject: "treble-quarantine.>"}}
      {service: {account: OWNER, subject: "treble-replay.>"}}
      {service: {account: OWNER, subject: "$KV.TREBLE_AUDIT.>"}, to: "JS.treble.$KV.TREBLE_AUDIT.>"}
    ]
  }
}`

// startInbox has a user that may receive answers in its own inbox only.
func startInbox(t *testing.T) place {
	t.Helper()
	r := startReloaded(t, `authorization: {users: [
		{user: all, password: s3cret-all}
		{user: bridge, password: s3cret-bridge, permissions: {publish: ["treble.>", "treble-quarantine.>", "$KV.>", "$JS.API.>", "$JS.ACK.>"], subscribe: ["_INBOX_bridge.>"]}}
	]}
	no_auth_user: all`)
	return place{
		nats: func(n *publisher.NATSConfig) {
			n.URL, n.User, n.Password, n.InboxPrefix = r.URL, "bridge", "s3cret-bridge", "_INBOX_bridge"
		},
		js: r.JS,
	}
}

func tlsConfig(t *testing.T, f certtest.Files) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{certtest.Load(t, f)}, MinVersion: tls.VersionTLS12}
}

func startTLSFirst(t *testing.T) place {
	t.Helper()
	authority := certtest.New(t)
	issued := authority.Issue(t, "127.0.0.1")
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40,
		TLS: true, TLSCert: issued.Certificate, TLSKey: issued.Key, TLSConfig: tlsConfig(t, issued), TLSTimeout: 5, TLSHandshakeFirst: true,
	}
	s := natstest.Run(t, o)
	return place{
		nats: func(n *publisher.NATSConfig) {
			n.URL, n.TLS.CAFile, n.TLS.HandshakeFirst = "tls://"+s.Addr().String(), authority.File, true
		},
		js: jsAt(t, "tls://"+s.Addr().String(), "", nats.RootCAs(authority.File), nats.TLSHandshakeFirst()),
	}
}

func startWebsocket(t *testing.T) place {
	t.Helper()
	s := natstest.Start(t, func(o *server.Options) {
		o.Websocket.Host, o.Websocket.Port, o.Websocket.NoTLS = "127.0.0.1", -1, true
	})
	return place{nats: func(n *publisher.NATSConfig) { n.URL = s.WebsocketURL() }, js: s.JS}
}

func startDomain(t *testing.T) place {
	t.Helper()
	authority := certtest.New(t)
	s := natstest.Start(t, func(o *server.Options) {
		o.JetStreamDomain = "hub"
		o.Websocket.Host, o.Websocket.Port, o.Websocket.TLSConfig = "127.0.0.1", -1, tlsConfig(t, authority.Issue(t, "127.0.0.1"))
	})
	return place{
		nats: func(n *publisher.NATSConfig) {
			n.URL, n.JetStreamDomain, n.TLS.CAFile = s.WebsocketURL(), "hub", authority.File
		},
		js: jsAt(t, s.URL, "hub"),
	}
}

// TestCutLeafLink: while the link of a leaf node to the hub is cut, the bridge at the leaf node has its
// connection, and nobody answers; what comes waits, the reason names the key, and all is in the hub
// once and in its order when the link is there again.
func TestCutLeafLink(t *testing.T) {
	t.Parallel()
	var px *natstest.Proxy
	at := startLeafBehind(t, "hub", false, func(hub string) string {
		px = natstest.StartProxy(t, "nats://"+hub)
		return strings.TrimPrefix(px.URL(), "nats://")
	})
	o := withJournal(t, "")
	at.nats(&o.NATS)
	p := open(t, o)
	ids := natstest.Numbered("e", 30)
	publish(t, p, ids[:10]...)
	px.Down()
	accept(t, p, ids[10:20]...)
	natstest.Eventually(t, "the reason names the key", func() bool {
		return says(p, "nats.jetstream_domain")
	})
	if !p.Conn().Connected() || p.Events().Account().Pending == 0 {
		t.Errorf("connected %v, %d pending; want the connection to the leaf node, and events that wait", p.Conn().Connected(), p.Events().Account().Pending)
	}
	px.Up()
	accept(t, p, ids[20:]...)
	natstest.Eventually(t, "all is published", p.Events().Drained)
	natstest.WantIDs(t, at.hub, "TREBLE", ids...)
	natstest.Eventually(t, "all is well", func() bool { return well(p) })
}

// TestWrongDomain: a stream of the same name in another domain takes the events first. The
// bridge does not count that as stored, and says so.
func TestWrongDomain(t *testing.T) {
	at := startLeaf(t, "hub", false)
	o := withJournal(t, "")
	at.nats(&o.NATS)
	// The leaf node has its own stream of that name, on the same subjects.
	local := jsAt(t, o.NATS.URL, "leaf")
	if _, err := local.CreateStream(t.Context(), jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}}); err != nil {
		t.Fatal(err)
	}
	p := open(t, o)
	accept(t, p, "e")
	natstest.Eventually(t, "it is in the right domain, or the reason is told", func() bool {
		s, err := at.js.Stream(t.Context(), "TREBLE")
		stored := err == nil && s.CachedInfo().State.Msgs > 0
		told := p.Events().Account().Pending == 1 && says(p, `JetStream domain "leaf"`)
		return stored || told
	})
}

// TestImportsThatLack: of an account that imports too little, no wait is without an end, and the
// error names what did not answer.
func TestImportsThatLack(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, conf string) *client.Client {
		t.Helper()
		r := startReloaded(t, conf+"\nno_auth_user: owner")
		r.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}})
		for i := range 3 {
			if _, err := r.JS.Publish(t.Context(), "treble.message.read", []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		o := withJournal(t, r.URL)
		o.NATS.User, o.NATS.Password, o.NATS.APIPrefix = "bridge", "s3cret-bridge", "JS.treble"
		return clienttest.Open(t, clientOptions(o))
	}
	t.Run("bucket-under-its-own-name", func(t *testing.T) {
		c := open(t, strings.Replace(exportedAccounts, `, to: "JS.treble.$KV.TREBLE_AUDIT.>"`, "", 1))
		a, err := audit.Open(t.Context(), c, publisher.DefaultConfig().Spec(""))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = a.Put(ctx, audit.Record{Run: "run"})
		if want := "nothing answers on JS.treble.$KV.TREBLE_AUDIT.run: with nats.api_prefix the account must import"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Put = %v", err)
		}
		if records, err := a.List(t.Context(), ""); err != nil || len(records) != 0 {
			t.Errorf("List = %v, %v", records, err)
		}
	})
	t.Run("one-response-only", func(t *testing.T) {
		if testing.Short() {
			t.Skip("waits until it is sure")
		}
		c := open(t, strings.Replace(exportedAccounts, "response: stream, ", "", 1))
		var err error
		for _, err = range c.Follow(t.Context(), client.FollowOptions{FromStart: true, StopAtEnd: true}) {
		}
		if err == nil || !strings.Contains(err.Error(), "response: stream") {
			t.Errorf("Follow = %v", err)
		}
	})
}

// TestNobodyAnswers: where the configuration names a place, and nobody answers for it, the reason
// names the key.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(*publisher.NATSConfig)
		want string
	}{
		{"domain", func(n *publisher.NATSConfig) { n.JetStreamDomain = "nowhere" }, "nobody answers for the JetStream API of the domain nowhere: is nats.jetstream_domain right"},
		{"prefix", func(n *publisher.NATSConfig) { n.APIPrefix = "JS.nowhere" }, "nobody answers for the JetStream API under JS.nowhere: is nats.api_prefix right"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := withJournal(t, natstest.Start(t).URL)
			tt.set(&o.NATS)
			p := open(t, o)
			accept(t, p, "e")
			natstest.Eventually(t, "each reason names the key", func() bool {
				reasons := reasonsOf(p.Status())
				return len(reasons) >= 2 && !slices.ContainsFunc(reasons, func(r string) bool { return !strings.Contains(r, tt.want) })
			})
			c := clienttest.Open(t, clientOptions(o))
			if _, err := audit.Open(t.Context(), c, o.Config.Spec("")); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("OpenAudit = %v", err)
			}
		})
	}
}

// TestOldServer: a server before 2.10 is a finding, and commands read it all the same.
func TestOldServer(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	px.Rewrite = func(b []byte) []byte {
		return []byte(strings.Replace(string(b), fmt.Sprintf(`"version":%q`, server.VERSION), `"version":"2.9.10"`, 1))
	}
	o := withJournal(t, px.URL())
	p := open(t, o)
	publish(t, p, "e-0", "e-1")
	if !slices.ContainsFunc(p.Findings(), func(f streams.Finding) bool {
		return strings.Contains(f.Problem, "2.9.10 is older than 2.10") && f.FixIn == streams.InServer
	}) {
		t.Errorf("%v", p.Findings())
	}
	got := followed(t, clienttest.Open(t, clienttest.Options(px.URL())), client.FollowOptions{FromStart: true, StopAtEnd: true, Subjects: []string{"treble.message.read", "treble.message.delivered"}})
	if !slices.Equal(got, []string{"e-0", "e-1"}) {
		t.Errorf("read %v", got)
	}
}

// TestExportedAccountsAreDocumented: the page has the configuration of two accounts that TestPlaces
// tries.
func TestExportedAccountsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if indented := "    " + strings.ReplaceAll(exportedAccounts, "\n", "\n    "); !strings.Contains(string(doc), indented) {
		t.Error("docs/operations.md has another configuration of the two accounts than the test")
	}
}
