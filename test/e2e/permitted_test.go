package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const permissionsFile = bridge.Root + "/deployments/nats/permissions.conf"

// rolePassword is that of every user of a permitted server.
const rolePassword = "pw-of-a-test"

// permissionsOptions reads deployments/nats/permissions.conf as nats-server does.
func permissionsOptions(t *testing.T) *server.Options {
	t.Helper()
	// What comes from the environment of a nats-server; here several run at once.
	text := strings.NewReplacer("$BRIDGE_PASSWORD", rolePassword, "$ORDERS_PASSWORD", rolePassword,
		"$OPERATOR_PASSWORD", rolePassword, "$SYS_PASSWORD", rolePassword).Replace(bridge.ReadFile(t, permissionsFile))
	file := filepath.Join(t.TempDir(), "permissions.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatalf("%s: %v", permissionsFile, err)
	}
	return o
}

// permitted is a nats-server in which every role has its permissions and nothing
// else.
type permitted struct {
	*server.Server
	t *testing.T
}

func startPermitted(t *testing.T) *permitted {
	t.Helper()
	o := permissionsOptions(t)
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	o.JetStream, o.StoreDir = true, t.TempDir()
	return &permitted{natstest.Run(t, o), t}
}

// env is the environment of a bridge, or of a command, in a role.
func (p *permitted) env(role string, more ...string) []string {
	return append([]string{
		"TREBLE_BRIDGE_NATS_URL=" + p.ClientURL(),
		"TREBLE_BRIDGE_NATS_USER=" + role,
		"TREBLE_BRIDGE_NATS_PASSWORD=" + rolePassword,
		"TREBLE_BRIDGE_NATS_INBOX_PREFIX=" + inboxOf(role),
	}, more...)
}

// inboxOf is the first part of the subjects on which a role gets its answers.
func inboxOf(role string) string {
	name, _, _ := strings.Cut(role, "-") // bridge, bridge-apply and bridge-check are one bridge
	return "_INBOX_" + name
}

// role is a client of ours in a role.
type role struct {
	t    *testing.T
	name string
	nc   *nats.Conn
	js   jetstream.JetStream
}

func (p *permitted) role(name string, opts ...nats.Option) *role {
	p.t.Helper()
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}) // the tests ask LastError
	nc, err := nats.Connect(p.ClientURL(), append(opts, nats.UserInfo(name, rolePassword), nats.CustomInboxPrefix(inboxOf(name)), quiet)...)
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	p.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		p.t.Fatal(err)
	}
	return &role{p.t, name, nc, js}
}

// mayNotPublish wants the server to refuse a publish to each subject; that is what
// every call of the JetStream API is too.
func (r *role) mayNotPublish(subjects ...string) {
	r.t.Helper()
	for _, subject := range subjects {
		if err := r.nc.Publish(subject, []byte("{}")); err != nil {
			r.t.Fatal(err)
		}
		r.refused("publish to", subject)
	}
}

// mayNotSubscribe wants the server to refuse each subscription.
func (r *role) mayNotSubscribe(subjects ...string) {
	r.t.Helper()
	for _, subject := range subjects {
		sub, err := r.nc.SubscribeSync(subject)
		if err != nil {
			r.t.Fatal(err)
		}
		r.refused("subscribe to", subject)
		_ = sub.Unsubscribe() // the client may have done so itself
	}
}

func (r *role) refused(what, subject string) {
	r.t.Helper()
	if err := r.nc.Flush(); err != nil {
		r.t.Fatal(err)
	}
	// The refusal comes before the answer to Flush.
	if err := r.nc.LastError(); err == nil || !strings.Contains(err.Error(), `"`+subject+`"`) {
		r.t.Errorf("%s may %s %s; the last error is %v", r.name, what, subject, err)
	}
}

// expectPermitted fails the test if the log tells of a missing permission.
func expectPermitted(t *testing.T, who, wrote string) {
	t.Helper()
	if strings.Contains(strings.ToLower(wrote), "permissions violation") {
		t.Errorf("%s was refused something:\n%s", who, wrote)
	}
}
