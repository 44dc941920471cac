package kubernetes

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/treble-bridge/treble-bridge/test/kubernetes/render"
)

// TestManifestsAreCurrent: deployments/kubernetes is what the chart renders. To
// write it: go generate, in test/kubernetes.
func TestManifestsAreCurrent(t *testing.T) {
	want, err := render.Manifests(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join(manifestsDir, name))
		if err != nil || string(got) != text {
			t.Errorf("%s is not current (%v): cd test/kubernetes && go generate", name, err)
		}
	}
	for _, name := range manifests(t) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is rendered from nothing: remove it", name)
		}
	}
}

// manifests returns the paths of the YAML files below deployments/kubernetes.
func manifests(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(manifestsDir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".yaml") {
			names = append(names, path)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	return names
}

// TestManifests reads the files as they are, without Helm, and holds all that
// holds for a rendered chart.
func TestManifests(t *testing.T) {
	for _, name := range manifests(t) {
		if strings.Contains(name, "/") {
			continue // the patch is no object, see TestSidecarPatch
		}
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			o, err := decode(documents(t, name))
			if err != nil {
				t.Fatal(err)
			}
			report(t, check(o, kubelet(t, o).load(t)))
			if len(o.secrets) > 0 {
				t.Error("a Secret stands in a file that everybody reads")
			}
		})
	}
}

// documents splits a file of deployments/kubernetes.
func documents(t *testing.T, name string) (docs []render.Document) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(manifestsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(b), "\n---\n") {
		if i > 0 { // the first is the head
			docs = append(docs, render.Document{Template: name, YAML: part})
		}
	}
	return docs
}

// someApplication is a Deployment that knows nothing of the bridge.
const someApplication = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: your-application}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}, annotations: {a: b}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      initContainers: [{name: migrate, image: "shop:1", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, runAsUser: 1000}}]
      containers: [` + application + `]
      volumes: [{name: scratch, emptyDir: {}}]
`

// TestSidecarPatch applies the patch as kubectl patch does: a strategic merge.
func TestSidecarPatch(t *testing.T) {
	patch, err := os.ReadFile(filepath.Join(manifestsDir, "sidecar-patch", "patch.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	patched, err := strategicpatch.StrategicMergePatch(toJSON(t, someApplication), toJSON(t, string(patch)), appsv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	docs := append(documents(t, "sidecar-patch/objects.yaml"), render.Document{Template: "patched", YAML: string(patched)})
	o, err := decode(docs)
	if err != nil {
		t.Fatal(err)
	}
	report(t, check(o, kubelet(t, o).load(t)))

	spec := o.pod().Spec
	if got := containerNames(spec.InitContainers); !slices.Contains(got, "migrate") || !slices.Contains(got, "treble-bridge") {
		t.Errorf("got the init containers %v, want the application's and the bridge", got)
	}
	if got := containerNames(spec.Containers); !slices.Equal(got, []string{"app"}) {
		t.Errorf("got the containers %v, want the application's", got)
	}
	if !slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == "scratch" }) || o.pod().Annotations["a"] != "b" {
		t.Error("the patch took something of the application's away")
	}
}

func toJSON(t *testing.T, text string) []byte {
	t.Helper()
	b, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil || !json.Valid(b) {
		t.Fatal(err)
	}
	return b
}

func containerNames(list []corev1.Container) (names []string) {
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names
}
