package kubernetes

import (
	"fmt"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// makeSecrets makes the values of the users' Secrets that the bridge reads closely, by key. All others are
// secretOf.
func makeSecrets(t *testing.T) map[string]string {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	ca := certtest.New(t)
	pair := ca.Issue(t, "nats")
	return map[string]string{
		"nkey": string(seed),
		"credentials": fmt.Sprintf("-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n\n"+
			"-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", seed),
		"ca.crt":  bridge.ReadFile(t, ca.File),
		"tls.crt": bridge.ReadFile(t, pair.Certificate),
		"tls.key": bridge.ReadFile(t, pair.Key),
	}
}
