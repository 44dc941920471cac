package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestPermissionsInDocs holds the table in docs/deployment.md against the file.
func TestPermissionsInDocs(t *testing.T) {
	t.Parallel()
	want := permissionsTable(permissionsOptions(t))
	if got := bridge.Between(t, bridge.ReadFile(t, bridge.Root+"/docs/deployment.md"), "permissions"); got != want {
		t.Errorf("docs/deployment.md, between permissions:begin and permissions:end: got\n%s\nwant\n%s", got, want)
	}
}

func permissionsTable(o *server.Options) string {
	var b strings.Builder
	b.WriteString("| User | May publish to | May subscribe to |\n|---|---|---|\n")
	for _, u := range o.Users {
		if u.Permissions == nil {
			continue // the system account
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", u.Username, quoted(u.Permissions.Publish.Allow), quoted(u.Permissions.Subscribe.Allow))
	}
	return b.String()
}

func quoted(subjects []string) string { return "`" + strings.Join(subjects, "` `") + "`" }
