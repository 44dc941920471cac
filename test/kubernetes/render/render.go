// Package render renders the Helm chart of treble-bridge as helm install would,
// without a cluster, and makes the manifests in deployments/kubernetes from it.
package render

import (
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Chart is the loaded chart. It is safe for concurrent use.
type Chart struct{ chart *chart.Chart }

// Release has the values that Helm itself adds.
type Release struct {
	Name        string // also of the objects, unless nameOverride is set
	Namespace   string
	KubeVersion string // such as v1.30.0
}

// Document is an object of the rendered chart, as text.
type Document struct {
	Template string // file below templates/
	YAML     string
}

// Load reads the chart in dir.
func Load(dir string) (*Chart, error) {
	c, err := loader.Load(dir)
	if err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("check chart: %w", err)
	}
	return &Chart{chart: c}, nil
}

// Render checks the values against the schema, renders every template and
// returns the documents in the order of their templates, and the notes. The
// error has the text that Helm prints. Unlike Helm it takes a key that is
// missing in the values for an error, so that no template has a typo.
func (c *Chart) Render(r Release, values map[string]any) (docs []Document, notes string, err error) {
	kube, err := chartutil.ParseKubeVersion(r.KubeVersion)
	if err != nil {
		return nil, "", fmt.Errorf("version of Kubernetes: %w", err)
	}
	if want := c.chart.Metadata.KubeVersion; !chartutil.IsCompatibleRange(want, kube.Version) {
		return nil, "", fmt.Errorf("the chart needs Kubernetes %s, this is %s", want, kube.Version)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *kube
	release := chartutil.ReleaseOptions{Name: r.Name, Namespace: r.Namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c.chart, values, release, capabilities)
	if err != nil {
		return nil, "", err
	}
	files, err := engine.Engine{Strict: true}.Render(c.chart, all)
	if err != nil {
		return nil, "", err
	}
	for path, text := range files {
		switch _, name, _ := strings.Cut(path, "/templates/"); {
		case name == "NOTES.txt":
			notes = text
		case !strings.HasPrefix(name, "_"):
			docs = append(docs, split(name, text)...)
		}
	}
	slices.SortStableFunc(docs, func(a, b Document) int { return strings.Compare(a.Template, b.Template) })
	return docs, notes, nil
}

// split returns the documents of one rendered template that hold anything.
func split(name, text string) []Document {
	var docs []Document
	for part := range strings.SplitSeq("\n"+text, "\n---") {
		if part = strings.TrimSpace(part); part != "" {
			docs = append(docs, Document{Template: name, YAML: part + "\n"})
		}
	}
	return docs
}
