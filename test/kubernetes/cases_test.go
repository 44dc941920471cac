package kubernetes

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/treble-bridge/treble-bridge/test/kubernetes/render"
)

const (
	chartDir     = "../../deployments/helm/treble-bridge"
	manifestsDir = "../../deployments/kubernetes"
)

// release has another name than the chart, so that a name that should follow
// it and does not is found.
var release = render.Release{Name: "wa-events", Namespace: "crm", KubeVersion: "v1.30.0"}

var loadChart = sync.OnceValues(func() (*render.Chart, error) { return render.Load(chartDir) })

func chart(t *testing.T) *render.Chart {
	t.Helper()
	c, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// minimal are the fewest values that each shape takes.
var minimal = map[string]string{
	"standalone": `{nats: {url: "nats://nats:4222"}, auth: {existingSecret: mine}}`,
	"embedded":   `{nats: {embedded: true, token: a-token-for-the-embedded-server}, auth: {tokens: [0123456789abcdef]}}`,
	"stateless":  `{shape: stateless, nats: {url: "nats://nats:4222"}, auth: {existingSecret: mine}}`,
	"sidecar":    `{shape: sidecar, nats: {url: "nats://nats:4222"}, auth: {existingSecret: mine}, sidecar: {containers: [` + application + `]}}`,
}

// application is a container that keeps to the restricted Pod Security by itself.
const application = `{name: app, image: "app:1", ports: [{name: http, containerPort: 8000}],
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, runAsUser: 1000}}`

// more are values over those of a minimal one, by the name of a case.
var more = map[string]struct{ shape, values string }{
	"standalone-header":  {"standalone", `{auth: {header: X-Api-Key}, replicas: 3, nats: {credential: password, existingSecret: nats, url: "tls://a:4443, tls://b:4444,c"}, config: {nats: {user: bridge}}}`},
	"standalone-tls":     {"standalone", `{nats: {url: "wss://nats.example", tls: {existingSecret: nats-tls, clientCertificate: true}}}`},
	"standalone-sources": {"standalone", `{config: {sources: [{name: crm, paths: [/crm], auth: {bearer_file: /etc/treble-bridge/auth/crm}, reply: {Ok: true}}]}}`},
	"standalone-tuned": {"standalone", `{persistence: {size: 100Gi, storageClassName: fast}, shutdownSeconds: 60, drainSeconds: 30, startupSeconds: 61,
	  config: {log: {level: debug}, journal: {max_bytes: 50GiB, reserve: 1GiB, retain: 30m}, ingress: {max_body: 1MiB, timezone: America/Bogota}, publisher: {max_bytes: "0", subject_prefix: crm.treble}},
	  nodeSelector: {disk: ssd}, tolerations: [{key: a, operator: Exists}], priorityClassName: high, imagePullSecrets: [{name: pull}],
	  podLabels: {team: crm}, podAnnotations: {a: b}, serviceMonitor: {enabled: true, labels: {release: prometheus}}, service: {type: LoadBalancer, annotations: {x: z}},
	  serviceAccount: {create: false, name: theirs}, affinity: {nodeAffinity: {}}, topologySpread: false, nameOverride: bridge,
	  image: {repository: images.example/treble-bridge, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}`},
	"standalone-nkey":    {"standalone", `{nats: {credential: nkey, existingSecret: nats}}`},
	"stateless-fixed":    {"stateless", `{autoscaling: {enabled: false}, replicas: 5, podDisruptionBudget: {enabled: false}, networkPolicy: {enabled: false}}`},
	"stateless-open":     {"stateless", `{auth: {existingSecret: "", disabled: true}, networkPolicy: {publicFrom: [{namespaceSelector: {matchLabels: {a: b}}}], natsTo: [{ipBlock: {cidr: 10.0.0.0/8}}], dnsTo: [{namespaceSelector: {}}], monitoringFrom: [], extraEgress: [{ports: [{port: 443}]}]}}`},
	"stateless-token":    {"stateless", `{nats: {credential: token, token: a-token-of-the-cluster}, ack: stream}`},
	"sidecar-journal":    {"sidecar", `{ack: journal, sidecar: {volumes: [{name: scratch, emptyDir: {}}]}}`},
	"sidecar-claim":      {"sidecar", `{ack: journal, persistence: {existingClaim: theirs}, networkPolicy: {enabled: true}}`},
	"sidecar-apart":      {"sidecar", `{sidecar: {gatesPod: false, terminationSeconds: 300, automountServiceAccountToken: true}, replicas: 4, serviceMonitor: {enabled: true}}`},
	"embedded-monitored": {"embedded", `{serviceMonitor: {enabled: true}, nats: {token: "", existingSecret: nats}, auth: {tokens: [], existingSecret: mine, header: X-Key}}`},
}

// values parses YAML.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}

// over lays values over those of a minimal case.
func over(t *testing.T, shape, text string) map[string]any {
	t.Helper()
	base := values(t, minimal[shape])
	overlay(base, values(t, text))
	return base
}

func overlay(base, with map[string]any) {
	for key, v := range with {
		inner, ok := v.(map[string]any)
		if under, is := base[key].(map[string]any); ok && is {
			overlay(under, inner)
			continue
		}
		base[key] = v
	}
}

// cases returns every set of values that the chart must take: the minimal ones,
// those over them, and the chart's examples.
func cases(t *testing.T) map[string]map[string]any {
	t.Helper()
	all, err := render.Examples(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	all = prefixed("example-", all)
	for name := range minimal {
		all["minimal-"+name] = over(t, name, "{}")
	}
	for name, m := range more {
		all[name] = over(t, m.shape, m.values)
	}
	return all
}

func prefixed(prefix string, m map[string]map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, v := range m {
		out[prefix+name] = v
	}
	return out
}

// each runs a test for every case.
func each(t *testing.T, test func(t *testing.T, o *objects)) {
	all := cases(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) { test(t, install(t, all[name])) })
	}
}

// report fails the test with every problem that a check found.
func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}
