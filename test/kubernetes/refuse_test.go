package kubernetes

import (
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/kubernetes/render"
)

// TestRefuse: what would lose events, leak a secret or not start is refused when
// it is rendered, with a sentence that says what to do instead.
func TestRefuse(t *testing.T) {
	for _, tt := range []struct{ name, shape, values, want string }{
		{"journal-on-emptydir", "standalone", `{persistence: {enabled: false}}`, "persistence.enabled: false would put the journal on an emptyDir"},
		{"standalone-stream", "standalone", `{ack: stream}`, "use shape: stateless"},
		{"standalone-claim", "standalone", `{persistence: {existingClaim: one}}`, "each pod gets a claim of its own"},
		{"stateless-journal", "stateless", `{ack: journal}`, "use shape: standalone"},
		{"sidecar-journal-without-claim", "sidecar", `{ack: journal, persistence: {enabled: false}}`, "ack: journal without a PersistentVolumeClaim"},
		{"sidecar-journal-shared", "sidecar", `{ack: journal, replicas: 2}`, "2 pods cannot share the claim of one journal"},
		{"sidecar-alone", "sidecar", `{sidecar: {containers: []}}`, "put the containers of your application there"},
		{"sidecar-name", "sidecar", `{sidecar: {containers: [{name: treble-bridge, image: x}]}}`, "sidecar"},
		{"sidecar-claim-for-nothing", "sidecar", `{persistence: {existingClaim: one}}`, "nothing would be on it with ack: stream"},
		{"stateless-with-application", "stateless", `{sidecar: {containers: [{name: a, image: b}]}}`, "are for shape: sidecar"},
		{"certificate-without-secret", "stateless", `{nats: {tls: {clientCertificate: true}}}`, "needs nats.tls.existingSecret"},
		{"embedded-replicas", "embedded", `{replicas: 2}`, "every pod would have a stream of its own"},
		{"embedded-stateless", "embedded", `{shape: stateless}`, "only with shape: standalone"},
		{"embedded-and-url", "embedded", `{nats: {url: "nats://x"}}`, "exclude each other"},
		{"embedded-no-token", "embedded", `{nats: {token: ""}}`, "a Secret with the key token"},
		{"no-nats", "standalone", `{nats: {url: ""}}`, "nats.url: is required"},
		{"password-in-url", "standalone", `{nats: {url: "nats://u:p@nats:4222"}}`, "would stand in a ConfigMap"},
		{"credential-without-secret", "standalone", `{nats: {credential: nkey}}`, "a Secret with the key nkey"},
		{"secret-without-credential", "standalone", `{nats: {existingSecret: nats}}`, "nats.credential: is required"},
		{"password-without-user", "standalone", `{nats: {credential: password, existingSecret: nats}}`, "needs config.nats.user"},
		{"no-auth", "stateless", `{auth: {existingSecret: ""}}`, "auth.existingSecret: is required"},
		{"two-auths", "stateless", `{auth: {tokens: [0123456789abcdef]}}`, "exclude each other"},
		{"short-token", "stateless", `{auth: {existingSecret: "", tokens: [short]}}`, "auth"},
		{"disabled-with-secret", "stateless", `{auth: {disabled: true}}`, "auth.disabled: true beside a secret"},
		{"secret-in-sources", "standalone", `{config: {sources: [{name: a, paths: [/a], auth: {bearer: [x]}}]}}`, "config.sources[0].auth: a secret would stand in a ConfigMap"},
		{"key-in-sources", "standalone", `{config: {sources: [{name: a, paths: [/a], auth: {hmac: {header: X-Sum, keys: [x]}}}]}}`, "config.sources[0].auth: a secret would stand in a ConfigMap"},
		{"named-secret-in-sources", "standalone", `{config: {sources: [{name: a, paths: [/a], auth: {secrets: [{name: b, scheme: bearer, value: x}]}}]}}`, "config.sources[0].auth: a secret would stand in a ConfigMap"},
		{"replicas-and-autoscaler", "stateless", `{replicas: 2}`, "the autoscaler decides"},
		{"autoscaler-bounds", "stateless", `{autoscaling: {minReplicas: 9, maxReplicas: 3}}`, "minReplicas is more than"},
		{"owned-data-dir", "standalone", `{config: {data_dir: /tmp}}`, "config.data_dir: belongs to the chart: it is always /data"},
		{"owned-ack", "standalone", `{config: {publisher: {ack: stream}}}`, "config.publisher.ack: belongs to the chart: use ack"},
		{"owned-auth", "standalone", `{config: {auth: {bearer: [x]}}}`, "config.auth: belongs to the chart: use auth"},
		{"owned-addr", "standalone", `{config: {ops: {addr: ":1"}}}`, "config.ops.addr: belongs to the chart"},
		{"unknown-value", "standalone", `{replica: 2}`, "replica"},
		{"unknown-key", "standalone", `{config: {publisher: {max_agee: 1h}}}`, "max_agee"},
		{"unknown-shape", "standalone", `{shape: daemonset}`, "shape"},
		{"size-as-number", "standalone", `{config: {journal: {max_bytes: 10737418240}}}`, "max_bytes"},
		{"duration-without-unit", "standalone", `{config: {journal: {retain: 10}}}`, "retain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := chart(t).Render(release, over(t, tt.shape, tt.values))
			if err == nil {
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %q in it", err, tt.want)
			}
		})
	}
}

// TestRefuseAllAtOnce: two mistakes are told in one go, and no secret with them.
func TestRefuseAllAtOnce(t *testing.T) {
	_, _, err := chart(t).Render(release, over(t, "stateless", `{ack: journal, nats: {url: "nats://u:hidden@nats"}, auth: {existingSecret: ""}}`))
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"ack: journal", "nats.url", "auth.existingSecret"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Errorf("got the password in %v", err)
	}
}

// TestRefuseOldKubernetes: before 1.30 there is no sleep for preStop.
func TestRefuseOldKubernetes(t *testing.T) {
	old := release
	old.KubeVersion = "v1.29.9"
	if _, _, err := chart(t).Render(old, over(t, "stateless", "{}")); err == nil {
		t.Error("got no error")
	}
}

// TestSecretsStayInSecrets: a secret in the values comes out in a Secret, and
// neither in another object nor in the notes.
func TestSecretsStayInSecrets(t *testing.T) {
	const token, natsToken = "the-secret-of-treble", "the-secret-of-nats"
	docs, notes, err := chart(t).Render(release, over(t, "embedded", "{auth: {tokens: ["+token+"]}, nats: {token: "+natsToken+"}}"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range append(docs, render.Document{Template: "NOTES.txt", YAML: notes}) {
		switch has := strings.Contains(d.YAML, token) || strings.Contains(d.YAML, natsToken); {
		case has && d.Template == "secret.yaml":
			found++
		case has:
			t.Errorf("%s holds a secret", d.Template)
		}
	}
	if found != 2 {
		t.Errorf("got %d Secrets, want 2", found)
	}
}
