package doctor_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// wrong is a set-up in which one thing is wrong, and what doctor must say of it. {dir}, {config} and
// so on stand for what the configuration names.
type wrong struct {
	name      string
	setup     func(t *testing.T) clitest.ConfigFile
	check, of string
	status    diagnose.Status // "": there is no such check
	detail    string
	fix       string // the whole line, or its beginning if it ends in …
	in        string
}

func (w wrong) run(t *testing.T) {
	t.Parallel()
	p := w.setup(t)
	named := strings.NewReplacer("{dir}", p.DataDir, "{config}", p.Path, "{bearer}", p.Auth.BearerFile, "{keys}", p.Encryption.KeyFile, "{ingress}", p.Ingress.Addr)
	list, code := examine(t, p, "--no-probe", "--timeout", "3s", "--max-pending", "2")
	if w.status == diagnose.Fail && code != cli.ExitFailed {
		t.Errorf("exit %d, want 1", code)
	}
	found := find(list, w.check, named.Replace(w.of))
	fix := named.Replace(w.fix)
	begin, open := strings.CutSuffix(fix, "…")
	if slices.ContainsFunc(found, func(c diagnose.Check) bool {
		return c.Status == w.status && strings.Contains(c.Detail, named.Replace(w.detail)) && c.FixIn == w.in && (c.Fix == fix || open && strings.HasPrefix(c.Fix, begin))
	}) || w.status == "" && len(found) == 0 {
		return
	}
	t.Errorf("want %s %s %s, %q, fix in %s: %q\ngot %+v", w.status, w.check, w.of, w.detail, w.in, fix, found)
}

// withStream is a set-up with a stream that is wrong.
func withStream(change func(*jetstream.StreamConfig), changes ...any) func(*testing.T) clitest.ConfigFile {
	return func(t *testing.T) clitest.ConfigFile {
		h := clitest.StartNATS(t)
		h.Stream(t, change)
		return clitest.NewConfigFile(t, h.URL, changes...)
	}
}

// withServer is a set-up with a server that is wrong.
func withServer(conf string, changes ...any) func(*testing.T) clitest.ConfigFile {
	return func(t *testing.T) clitest.ConfigFile {
		return clitest.NewConfigFile(t, clitest.StartNATS(t, conf).URL, changes...)
	}
}

func TestDoctorNamesWrongStreams(t *testing.T) {
	t.Parallel()
	edit := func(flags string) string { return "nats stream edit TREBLE " + flags }
	for _, w := range []wrong{
		{"missing", withServer("", "publisher.streams", "check"), "stream", "TREBLE", diagnose.Fail, "publisher.streams is check",
			"nats stream add TREBLE --subjects 'treble.>' --storage=file --retention=limits --discard=new --replicas=1 --dupe-window=10m --allow-batch --allow-fast --max-age=720h --defaults", diagnose.InShell},
		{"not-yet", withServer(""), "stream", "TREBLE", diagnose.Warn, "the bridge makes it when it starts", "nats stream add TREBLE --subjects 'treble.>' …", diagnose.InShell},
		{"memory", withStream(func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }), "stream", "TREBLE", diagnose.Warn, "in memory",
			"treble-bridge replay --to-file ./TREBLE.ndjson  # the first step of …", diagnose.InShell},
		{"discard-old", withStream(func(c *jetstream.StreamConfig) { c.Discard, c.MaxBytes = jetstream.DiscardOld, 1<<20 }), "stream", "TREBLE", diagnose.Warn,
			"drops the oldest events", edit("--discard=new"), diagnose.InShell},
		{"max-bytes", withStream(func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }, "publisher.max_bytes", "1GiB"), "stream", "TREBLE", diagnose.Warn,
			"1048576 bytes", edit("--max-bytes=1073741824"), diagnose.InShell},
		{"max-age", withStream(func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }), "stream", "TREBLE", diagnose.Warn, "1h0m0s", edit("--max-age=720h"), diagnose.InShell},
		{"dupe-window", withStream(func(c *jetstream.StreamConfig) { c.Duplicates = time.Second }), "stream", "TREBLE", diagnose.Warn, "1s", edit("--dupe-window=10m"), diagnose.InShell},
		{"max-msg-size", withStream(func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 }), "stream", "TREBLE", diagnose.Warn, "1000 bytes", edit("--max-msg-size=-1"), diagnose.InShell},
		{"max-msg-size-body", withStream(func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 }), "payload", "", diagnose.Warn, "max_msg_size of the stream is 1000 B", edit("--max-msg-size=-1"), diagnose.InShell},
		{"subjects", withStream(func(c *jetstream.StreamConfig) { c.Subjects = []string{"treble.message.*"} }), "stream", "TREBLE", diagnose.Fail,
			"treble.contact.opted_out", edit("--subjects 'treble.>'"), diagnose.InShell},
		{"taken-subjects", withStream(func(c *jetstream.StreamConfig) {
			c.Name, c.Subjects = "OTHER", []string{"treble.message.*", "mine.>"}
		}), "stream", "TREBLE", diagnose.Fail, "OTHER captures subjects of treble.>", "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=treble-bridge TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_BRIDGE", diagnose.InEnv},
		{"beside-production", withStream(func(*jetstream.StreamConfig) {}, "publisher.subject_prefix", "treble.dev"), "stream", "TREBLE", diagnose.Warn,
			"stored among those of others", "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=treble-dev TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_DEV", diagnose.InEnv},
		{"shared", withStream(func(c *jetstream.StreamConfig) { c.Subjects, c.MaxMsgSize = []string{"treble.>", "mine.>"}, 1000 }), "payload", "", diagnose.Warn,
			"max_msg_size of the stream", "nats stream info TREBLE  # it has mine.> too…", diagnose.InShell},
		{"no-ack", withStream(func(c *jetstream.StreamConfig) { c.NoAck = true }), "stream", "TREBLE", diagnose.Fail, "acknowledges nothing", edit("--ack"), diagnose.InShell},
		{"one-copy-of-three", func(t *testing.T) clitest.ConfigFile {
			h := clitest.StartCluster(t)
			h.Stream(t, nil)
			return clitest.NewConfigFile(t, h.URL)
		}, "replicas", "TREBLE", diagnose.Warn, "the cluster three has 3 servers", edit("--replicas=3"), diagnose.InShell},
		{"consumer-behind", func(t *testing.T) clitest.ConfigFile {
			h := clitest.StartNATS(t)
			s := h.Stream(t, nil)
			if _, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "crm"}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := h.JetStream(t).Publish(t.Context(), "treble.message.read", []byte("{}")); err != nil {
					t.Fatal(err)
				}
			}
			return clitest.NewConfigFile(t, h.URL)
		}, "consumers", "crm", diagnose.Warn, "3 pending", "nats consumer info TREBLE crm", diagnose.InShell},
	} {
		t.Run(w.name, w.run)
	}
}

// users is a server with a user who may do everything and one who may not.
func users(permissions string) string {
	return `authorization: {users: [{user: all, password: s3cret-all}, {user: bridge, password: s3cret-bridge, permissions: ` + permissions + `}]}`
}

// withUser is a set-up where the streams are there and the bridge's user is limited.
func withUser(permissions string) func(*testing.T) clitest.ConfigFile {
	return func(t *testing.T) clitest.ConfigFile {
		h := clitest.StartNATS(t, users(permissions))
		_, err := h.JetStream(t, nats.UserInfo("all", "s3cret-all")).CreateStream(t.Context(), jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}})
		if err != nil {
			t.Fatal(err)
		}
		return clitest.NewConfigFile(t, h.URL, "nats.user", "bridge", "nats.password", "s3cret-bridge")
	}
}

// withAccount is a set-up with an account A as it is configured, and the streams there.
func withAccount(account string, streams ...jetstream.StreamConfig) func(*testing.T) clitest.ConfigFile {
	return func(t *testing.T) clitest.ConfigFile {
		h := clitest.StartNATS(t, "accounts: {A: {"+account+", users: [{user: a, password: s3cret-a}]}}\nno_auth_user: a")
		for _, cfg := range append(streams, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}}) {
			s, err := h.JetStream(t).CreateStream(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "crm"}); err != nil {
				t.Fatal(err)
			}
		}
		return clitest.NewConfigFile(t, h.URL)
	}
}

func withMapping(to string) func(*testing.T) clitest.ConfigFile {
	return withAccount(`jetstream: enabled, mappings: {"treble.>": "`+to+`"}`, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other.>"}})
}

func TestDoctorNamesWrongServers(t *testing.T) {
	t.Parallel()
	const besides = "  # besides what it has; or run doctor as the user operator of deployments/nats/permissions.conf"
	allowed := func(what, subject string) string {
		return `permissions: {` + what + `: {allow: ["` + subject + `"]}}` + besides
	}
	limited := func(limits string) string {
		return "accounts: {A: {jetstream: " + limits + ", users: [{user: a, password: s3cret-a}]}}"
	}
	for _, w := range []wrong{
		{"unreachable", func(t *testing.T) clitest.ConfigFile {
			return clitest.NewConfigFile(t, "nats://someone:s3cret@127.0.0.1:1")
		}, "nats", "", diagnose.Fail,
			"127.0.0.1:1: nothing answers", "nats-server --jetstream --addr 127.0.0.1 --port 1", diagnose.InShell},
		{"websocket-unreachable", func(t *testing.T) clitest.ConfigFile { return clitest.NewConfigFile(t, "ws://127.0.0.1:1") }, "nats", "", diagnose.Fail,
			"127.0.0.1:1: nothing answers", "websocket: {listen: \"127.0.0.1:1\", …", diagnose.InServer},
		{"old", func(t *testing.T) clitest.ConfigFile {
			px := natstest.StartProxy(t, clitest.StartNATS(t, "").URL)
			px.Rewrite = func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"version":"`+server.VERSION+`"`), []byte(`"version":"2.9.10"`), 1)
			}
			return clitest.NewConfigFile(t, px.URL())
		}, "nats", "", diagnose.Warn, "nats-server 2.9.10 is older than 2.10", "# nats-server 2.10 or later…", diagnose.InServer},
		{"missing-in-a-domain", func(t *testing.T) clitest.ConfigFile {
			return clitest.NewConfigFile(t, clitest.StartNATS(t, "# no jetstream but this", fmt.Sprintf("jetstream: {domain: hub, store_dir: %q}", t.TempDir())).URL, "nats.jetstream_domain", "hub", "publisher.streams", "check")
		}, "stream", "TREBLE", diagnose.Fail, "publisher.streams is check", "nats --js-domain=hub stream add TREBLE …", diagnose.InShell},
		{"not-nats", func(t *testing.T) clitest.ConfigFile {
			l := listen(t)
			go func() {
				for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
					conn.Close()
				}
			}()
			return clitest.NewConfigFile(t, "nats://"+l.Addr().String())
		}, "nats", "", diagnose.Fail, "something answers", "nats --server 127.0.0.1:…", diagnose.InShell},
		{"token", withServer("authorization: {token: right-token}", "nats.token", "s3cret-wrong"), "nats", "", diagnose.Fail,
			"refuses the credentials (nats.token)", "TREBLE_BRIDGE_NATS_TOKEN=<token in nats-server.conf>", diagnose.InEnv},
		{"password", withServer(users("{}"), "nats.user", "bridge", "nats.password", "s3cret-wrong"), "nats", "", diagnose.Fail,
			"refuses the credentials (nats.password)", "TREBLE_BRIDGE_NATS_PASSWORD=<…", diagnose.InEnv},
		{"user-in-url", func(t *testing.T) clitest.ConfigFile {
			return clitest.NewConfigFile(t, strings.Replace(clitest.StartNATS(t, users("{}")).URL, "://", "://bridge:s3cret-wrong@", 1))
		}, "nats", "", diagnose.Fail, "refuses the credentials (nats.url)", "TREBLE_BRIDGE_NATS_URL=<…", diagnose.InEnv},
		{"no-jetstream", withServer("# no jetstream"), "jetstream", "", diagnose.Fail, "not enabled", "jetstream: {store_dir: /var/lib/nats}", diagnose.InServer},
		{"wrong-domain", withServer("", "nats.jetstream_domain", "nowhere"), "jetstream", "", diagnose.Fail,
			"nobody answers for the JetStream API of the domain nowhere: is nats.jetstream_domain right", "TREBLE_BRIDGE_NATS_JETSTREAM_DOMAIN=<…", diagnose.InEnv},
		{"wrong-prefix", withServer("", "nats.api_prefix", "JS.nowhere"), "jetstream", "", diagnose.Fail,
			"nobody answers for the JetStream API under JS.nowhere: is nats.api_prefix right", "TREBLE_BRIDGE_NATS_API_PREFIX=<…", diagnose.InEnv},
		{"no-jetstream-account", withServer(`accounts: {A: {users: [{user: a, password: s3cret-a}]}, B: {jetstream: enabled}}`, "nats.user", "a", "nats.password", "s3cret-a"),
			"jetstream", "", diagnose.Fail, "account", "jetstream: enabled  # in the account", diagnose.InServer},
		{"account-streams", withServer(limited("{max_streams: 1}"), "nats.user", "a", "nats.password", "s3cret-a"), "account", "streams", diagnose.Fail,
			"0 of 1, and the bridge needs 2 more", "max_streams: 4  # in jetstream of the account", diagnose.InServer},
		{"account-streams-of-commands", withServer(limited("{max_streams: 3}"), "nats.user", "a", "nats.password", "s3cret-a"), "account", "streams", diagnose.Warn,
			"2 of 3, and the commands", "max_streams: 4  # in jetstream of the account", diagnose.InServer},
		{"account-consumers", withAccount("jetstream: {max_consumers: 1}"), "account", "consumers", diagnose.Warn,
			"1 of 1 in stream TREBLE", "max_consumers: 2  # in jetstream of the account", diagnose.InServer},
		{"mapped-to-nobody", withMapping("elsewhere.>"), "permissions", "TREBLE", diagnose.Fail,
			"does not reach it", "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=<a prefix that no mapping of the account has> TREBLE_BRIDGE_PUBLISHER_STREAM=<…", diagnose.InEnv},
		{"mapped-to-another", withMapping("other.>"), "permissions", "TREBLE", diagnose.Fail,
			"reaches stream OTHER", "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=<a prefix that no mapping of the account has> TREBLE_BRIDGE_PUBLISHER_STREAM=<…", diagnose.InEnv},
		{"account-storage", withServer(limited("{max_file: 100MB}"), "nats.user", "a", "nats.password", "s3cret-a"), "account", "storage", diagnose.Fail,
			"reserve 1.0 GiB", "max_file: 1140850688  # in jetstream of the account", diagnose.InServer},
		{"account-unbounded", withServer(limited("{max_bytes_required: true}"), "nats.user", "a", "nats.password", "s3cret-a"), "account", "storage", diagnose.Fail,
			"publisher.max_bytes is 0", "TREBLE_BRIDGE_PUBLISHER_MAX_BYTES=1GiB", diagnose.InEnv},
		{"max-payload", withServer("max_payload: 200KB"), "payload", "", diagnose.Warn, "answered 413", "max_payload: 1572864", diagnose.InServer},
		{"may-not-publish", withUser(`{publish: ["$JS.API.>"]}`), "permissions", "TREBLE", diagnose.Fail, "treble.bridge.probe", allowed("publish", "treble.>"), diagnose.InServer},
		{"may-not-quarantine", withUser(`{publish: ["$JS.API.>", "treble.>"]}`), "permissions", "TREBLE_QUARANTINE", diagnose.Fail, "treble-quarantine.", allowed("publish", "treble-quarantine.>"), diagnose.InServer},
		{"may-not-ask", withUser(`{publish: ["treble.>"]}`), "jetstream", "", diagnose.Fail, "$JS.API.INFO", allowed("publish", "$JS.API.INFO"), diagnose.InServer},
		{"may-not-listen", withUser(`{subscribe: ["nothing"]}`), "jetstream", "", diagnose.Fail, "_INBOX", allowed("subscribe", "_INBOX.>"), diagnose.InServer},
	} {
		t.Run(w.name, w.run)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestDoctorNamesWrongHosts(t *testing.T) {
	t.Parallel()
	h := clitest.StartNATS(t)
	with := func(changes ...any) func(*testing.T) clitest.ConfigFile {
		return func(t *testing.T) clitest.ConfigFile { return clitest.NewConfigFile(t, h.URL, changes...) }
	}
	mode := func(mode os.FileMode) func(*testing.T) clitest.ConfigFile {
		return func(t *testing.T) clitest.ConfigFile {
			p := clitest.NewConfigFile(t, h.URL)
			chmod(t, p.DataDir, mode)
			t.Cleanup(func() { _ = os.Chmod(p.DataDir, 0o700) })
			return p
		}
	}
	secretFile := func(t *testing.T) clitest.ConfigFile {
		file := clitest.File(t, "tokens of mine", clitest.Secret+"\n")
		chmod(t, file, 0o644)
		p := clitest.NewConfigFile(t, h.URL, "auth.bearer", nil, "auth.bearer_file", file)
		chmod(t, p.Path, 0o666)
		return p
	}
	wrongConfig := with("auth.bearer", []string{"short"}, "auth.allow_short_secrets", true, "log.level", "loud")
	all := []wrong{
		// The tests are run by root, to whom nothing is forbidden.
		{"not-writable", mode(0o500), "files", "{dir}", diagnose.Fail, "may not write it (mode 0500)", "chmod u+rwx {dir}", diagnose.InShell},
		{"open-to-write", mode(0o777), "files", "{dir}", diagnose.Fail, "everybody may write it", "chmod 700 {dir}", diagnose.InShell},
		{"open-to-read", mode(0o755), "files", "{dir}", diagnose.Warn, "personal data", "chmod 700 {dir}", diagnose.InShell},
		{"port-taken", func(t *testing.T) clitest.ConfigFile {
			return clitest.NewConfigFile(t, h.URL, "ingress.addr", listen(t).Addr().String())
		}, "ports", "ingress.addr", diagnose.Fail, "{ingress}", "TREBLE_BRIDGE_INGRESS_ADDR=<another address>", diagnose.InEnv},
		{"port-free", with(), "ports", "ops.addr", diagnose.Pass, "", "", ""},
		{"secret-file", secretFile, "files", "{bearer}", diagnose.Warn, "", "chmod 600 '{bearer}'", diagnose.InShell},
		{"config-without-secret", secretFile, "files", "{config}", "", "", "", ""},
		{"key-file", func(t *testing.T) clitest.ConfigFile {
			file := filepath.Join(t.TempDir(), "keys.json")
			if err := atrest.Create(file); err != nil {
				t.Fatal(err)
			}
			chmod(t, file, 0o644)
			return clitest.NewConfigFile(t, h.URL, "encryption.key_file", file)
		}, "files", "{keys}", diagnose.Warn, "", "chmod 600 {keys}", diagnose.InShell},
		{"config-with-secret", func(t *testing.T) clitest.ConfigFile {
			p := clitest.NewConfigFile(t, h.URL)
			chmod(t, p.Path, 0o666)
			return p
		}, "files", "{config}", diagnose.Fail, "", "chmod 600 {config}", diagnose.InShell},
		{"disk-full", with("journal.reserve", "1000TiB"), "disk", "", diagnose.Fail, "", "du -xh…", diagnose.InShell},
		{"disk-too-small", with("journal.max_bytes", "1000TiB"), "disk", "", diagnose.Warn, "", "TREBLE_BRIDGE_JOURNAL_MAX_BYTES=…", diagnose.InEnv},
		{"config", wrongConfig, "config", "", diagnose.Fail, "log.level", "…", diagnose.InShell},
		{"config-advice", wrongConfig, "config", "", diagnose.Warn, "short", "treble-bridge config check --config {config}", diagnose.InShell},
		{"short-healing", with("journal.retain", "1m"), "sync-interval", "", diagnose.Warn, "", "TREBLE_BRIDGE_JOURNAL_RETAIN=10m0s", diagnose.InEnv},
	}
	if os.Geteuid() == 0 { // nobody else can give a directory away
		all = append(all, wrong{"started-as-root", func(t *testing.T) clitest.ConfigFile {
			p := clitest.NewConfigFile(t, h.URL)
			if err := errors.Join(os.Mkdir(filepath.Join(p.DataDir, "journal"), 0o700), os.Chown(p.DataDir, 1234, 1235)); err != nil {
				t.Fatal(err)
			}
			return p
		}, "files", "{dir}", diagnose.Fail, "", "sudo chown -R 1234:1235 {dir}", diagnose.InShell})
	}
	for _, w := range all {
		t.Run(w.name, w.run)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
