package render

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// The name of the release, and so of the objects, in the manifests.
const name = "treble-bridge"

// Sidecar is the example that the patch is made of.
const sidecar = "sidecar"

// Manifests renders every example of the chart, each to a file of its name, and
// the patch that puts the bridge into a Deployment that is there already. It
// returns their contents by path below deployments/kubernetes.
func Manifests(chartDir string) (map[string]string, error) {
	c, err := Load(chartDir)
	if err != nil {
		return nil, err
	}
	examples, err := Examples(chartDir)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, example := range slices.Sorted(maps.Keys(examples)) {
		docs, _, err := c.Render(Release{Name: name, Namespace: "default", KubeVersion: "v1.30.0"}, examples[example])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", example, err)
		}
		files[example+".yaml"] = head(example) + join(docs)
		if example != sidecar {
			continue
		}
		if files["sidecar-patch/patch.yaml"], err = patch(docs); err != nil {
			return nil, err
		}
		if files["sidecar-patch/objects.yaml"], err = objects(docs); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Examples returns the values in the chart's examples, by name.
func Examples(chartDir string) (map[string]map[string]any, error) {
	paths, err := filepath.Glob(filepath.Join(chartDir, "examples", "*.yaml"))
	if err != nil {
		return nil, err
	}
	examples := map[string]map[string]any{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var values map[string]any
		if err := yaml.UnmarshalStrict(text, &values); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		examples[strings.TrimSuffix(filepath.Base(path), ".yaml")] = values
	}
	return examples, nil
}

func head(example string) string {
	return fmt.Sprintf(`# Rendered from the Helm chart; do not edit. To make it again, with other values:
#   helm template %s deployments/helm/treble-bridge -f deployments/helm/treble-bridge/examples/%s.yaml
# What it needs to be there, and what to put in place of image and URL: README.md
# beside this file.
`, name, example)
}

func join(docs []Document) string {
	var b strings.Builder
	for _, d := range docs {
		b.WriteString("---\n" + d.YAML)
	}
	return b.String()
}
