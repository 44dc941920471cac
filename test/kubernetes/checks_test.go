package kubernetes

import (
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/test/kubernetes/render"
)

// TestChecksFind breaks what the chart renders, one text at a time, and wants
// the checks to find it: a check that finds nothing proves nothing.
func TestChecksFind(t *testing.T) {
	for _, tt := range []struct{ name, shape, values, old, new, want string }{
		{"unknown-field", "standalone", `{}`, "serviceName:", "serviceNames:", `unknown field "spec.serviceNames"`},
		{"field-twice", "standalone", `{}`, "podManagementPolicy:", "replicas: 7\n  podManagementPolicy:", `"replicas" already set in map`},
		{"wrong-type", "stateless", `{}`, "maxUnavailable: 0", "maxUnavailable: [0]", "unmarshal"},
		{"monitor-field", "standalone", `{serviceMonitor: {enabled: true}}`, "interval:", "intervall:", `unknown field "intervall"`},
		{"journal-on-emptydir", "sidecar", `{ack: journal}`, "persistentVolumeClaim: {claimName: wa-events}", "emptyDir: {}", "no PersistentVolumeClaim"},
		{"journal-from-stream", "stateless", `{}`, "ack: stream", "ack: journal", "no PersistentVolumeClaim"},
		{"journal-elsewhere", "standalone", `{}`, "mountPath: /data", "mountPath: /datum", "nothing that can be written is mounted"},
		{"journal-shared", "sidecar", `{ack: journal}`, "replicas: 1", "replicas: 2", "several pods share one journal"},
		{"selector", "standalone", `{}`, "unhealthyPodEvictionPolicy: AlwaysAllow\n  selector:\n    matchLabels:", "selector:\n    matchLabels:\n      a: b", "PodDisruptionBudget: its selector"},
		{"target-port", "standalone", `{}`, "targetPort: treble-http", "targetPort: http", "Service wa-events: port 8080 leads to"},
		{"ops-in-public", "standalone", `{}`, "clusterIP: None", "type: LoadBalancer", "exposes the ops port"},
		{"monitored-nothing", "standalone", `{serviceMonitor: {enabled: true}}`, "app.kubernetes.io/component: ops\nspec:\n  clusterIP", "a: b\nspec:\n  clusterIP", "selects 0 Services"},
		{"scales-another", "stateless", `{}`, "kind: Deployment, name: wa-events", "kind: Deployment, name: other", "HorizontalPodAutoscaler: scales"},
		{"volume", "standalone", `{}`, "configMap: {name: wa-events}", "configMap: {name: other}", "there is no ConfigMap other"},
		{"claim", "sidecar", `{ack: journal}`, "claimName: wa-events", "claimName: other", "there is no PersistentVolumeClaim other"},
		{"ops-for-everybody", "standalone", `{}`, "port: 8080, protocol: TCP}]", "port: 9464, protocol: TCP}]", "NetworkPolicy: port 9464 is open for everybody"},
		{"root", "standalone", `{}`, "runAsUser: 65532", "runAsUser: 0", "restricted Pod Security: "},
		{"escalation", "sidecar", `{}`, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation != false"},
		{"writable-root", "standalone", `{}`, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "root file system"},
		{"grace", "standalone", `{}`, "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 35", "is not more than 35s"},
		{"port", "standalone", `{}`, "addr: :9464", "addr: :9465", "port treble-ops is 9464"},
		{"loopback", "standalone", `{}`, "addr: :8080", "addr: 127.0.0.1:8080", "port treble-http is 8080"},
		{"egress", "standalone", `{}`, "{port: 4222, protocol: TCP}", "{port: 4223, protocol: TCP}", "no way out to port 4222"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			docs, _, err := chart(t).Render(release, over(t, tt.shape, tt.values))
			if err != nil {
				t.Fatal(err)
			}
			if found := problemsOf(t, breakText(t, docs, tt.old, tt.new)); !strings.Contains(found, tt.want) {
				t.Errorf("got %q, want %q in it", found, tt.want)
			}
			if found := problemsOf(t, docs); found != "" {
				t.Errorf("got %q of what is whole", found)
			}
		})
	}
}

// breakText replaces a text where it first stands.
func breakText(t *testing.T, docs []render.Document, old, with string) []render.Document {
	t.Helper()
	broken, done := []render.Document{}, false
	for _, d := range docs {
		if !done && strings.Contains(d.YAML, old) {
			d.YAML, done = strings.Replace(d.YAML, old, with, 1), true
		}
		broken = append(broken, d)
	}
	if !done {
		t.Fatalf("%q stands nowhere", old)
	}
	return broken
}

// TestChart checks what the chart renders of every set of values that it must take.
func TestChart(t *testing.T) {
	each(t, func(t *testing.T, o *objects) { report(t, check(o, kubelet(t, o).load(t))) })
}

// check holds the objects against each other, against Kubernetes and against the configuration of the bridge in
// them. A check of its own is a further line.
func check(o *objects, c *config.Config) []string {
	return slices.Concat(
		checkReferences(o), // what names another thing names one that is there
		checkSecurity(o),
		checkJournal(o, c),  // where a 200 rests on the journal, the journal outlives the pod
		checkShutdown(o, c), // the grace period covers all that an end may take
		checkPorts(o, c),    // the ports of the container are those of the configuration
	)
}

// problemsOf returns what decoding or the checks say, joined.
func problemsOf(t *testing.T, docs []render.Document) string {
	t.Helper()
	o, err := decode(docs)
	if err != nil {
		return err.Error()
	}
	// Before the files are mounted, since that needs the references to be right.
	problems := append(checkReferences(o), checkSecurity(o)...)
	if len(problems) == 0 {
		problems = check(o, kubelet(t, o).load(t))
	}
	return strings.Join(problems, "\n")
}
