package publisher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// reloaded is a nats-server with a configuration file, which the test changes.
type reloaded struct {
	*natstest.Server
	file string
	base string
}

func (r *reloaded) set(t *testing.T, conf string) {
	t.Helper()
	if err := os.WriteFile(r.file, []byte(r.base+conf+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.Server == nil {
		return
	}
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
}

func startReloaded(t *testing.T, conf string) *reloaded {
	t.Helper()
	r := &reloaded{file: filepath.Join(t.TempDir(), "nats.conf")}
	r.base = fmt.Sprintf("listen: 127.0.0.1:-1\njetstream: {store_dir: %q}\n", t.TempDir())
	r.set(t, conf)
	r.Server = natstest.Start(t, func(o *server.Options) {
		read, err := server.ProcessConfigFile(r.file)
		if err != nil {
			t.Fatal(err)
		}
		read.NoSigs, read.NoLog = true, true
		*o = *read
	})
	// A reload may not change the port.
	r.base = strings.Replace(r.base, ":-1", fmt.Sprintf(":%d", r.Options.Port), 1)
	return r
}

// oneAccount is a configuration in which all are of one account with settings.
func oneAccount(settings string) string {
	return "accounts: {A: {" + settings + ", users: [{user: a, password: a-password}]}}\nno_auth_user: a"
}
