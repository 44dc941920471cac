package replay_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
)

func TestReplayUsage(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", t.TempDir())
	clitest.CheckUsage(t, "replay", "", []clitest.WrongUsage{
		{"two-targets", "--to-file x --to-url http://127.0.0.1/", "use one of them"},
		{"url", "--to-url bridge:80", "--to-url: use http://"},
		{"header-alone", "--header s3cret:1", "--header: is for --to-url"},
		{"header", "--to-url http://127.0.0.1/ --header s3cret", "--header: use 'Name: value'"},
		{"header-name", "--to-url http://127.0.0.1/ --header s3cret{:1", "--header: use 'Name: value'"},
		{"kind", "--kind message.red", "use one of message.read"},
		{"phone", "--phone s3cret", "--phone: use the international form"},
		{"since", "--since yesterday", "--since:"},
		{"sequences", "--from-seq 3 --to-seq 2", "--to-seq"},
		{"rate", "--rate -1", "--rate"},
		{"limit", "--limit -1", "--limit"},
		{"retries", "--retries -1", "--retries"},
		{"timeout", "--timeout 0s", "--timeout"},
		{"give-up", "--give-up 0s", "--give-up"},
		{"json-stdout", "--json --to-file -", "use one of them"},
		{"resume-filter", "--resume replay-x --kind message.read", "--kind: leave it out with --resume"},
		{"resume-target", "--resume replay-x --to-file x", "--to-file: leave it out with --resume"},
		{"argument", "replay-x", `unknown command "replay-x"`},
	})
}
