package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/treble-bridge/treble-bridge/config"
)

// schemaNode is the part of a JSON Schema that these tests look at.
type schemaNode struct {
	Properties map[string]*schemaNode `json:"properties"`
	Items      *schemaNode            `json:"items"`
	Additional *bool                  `json:"additionalProperties"`
}

func (s *schemaNode) UnmarshalJSON(b []byte) error {
	type plain schemaNode
	// additionalProperties may be a schema too; that is none of our business here.
	var v struct {
		plain
		Additional any `json:"additionalProperties"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*s = schemaNode(v.plain)
	if is, ok := v.Additional.(bool); ok {
		s.Additional = &is
	}
	return nil
}

// leaves returns the paths of what has no properties.
func (s *schemaNode) leaves(prefix string) (paths []string) {
	if len(s.Properties) == 0 {
		return []string{prefix}
	}
	for name, p := range s.Properties {
		paths = append(paths, p.leaves(strings.TrimPrefix(prefix+"."+name, "."))...)
	}
	slices.Sort(paths)
	return paths
}

func loadSchema(t *testing.T) *schemaNode {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := &schemaNode{}
	if err := json.Unmarshal(b, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaKnowsEveryKey: the values' config has the bridge's keys, all of them
// and no other.
func TestSchemaKnowsEveryKey(t *testing.T) {
	s := loadSchema(t).Properties["config"]
	report(t, compare("config", s.leaves(""), names(config.Keys())))
	report(t, compare("config.sources[]", s.Properties["sources"].Items.leaves(""), names(config.SourceKeys())))
}

func names(keys []config.Key) (all []string) {
	for _, k := range keys {
		all = append(all, k.Name)
	}
	return all
}

// compare reports what one of two lists has and the other has not.
func compare(what string, got, want []string) (problems []string) {
	for _, name := range want {
		if !slices.Contains(got, name) {
			problems = append(problems, fmt.Sprintf("values.schema.json: %s: %s is missing", what, name))
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			problems = append(problems, fmt.Sprintf("values.schema.json: %s: %s is not known", what, name))
		}
	}
	return problems
}

// TestSchemaKnowsEveryValue: what values.yaml explains is what the schema takes.
func TestSchemaKnowsEveryValue(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var defaults map[string]any
	if err := yaml.UnmarshalStrict(b, &defaults); err != nil {
		t.Fatal(err)
	}
	s := loadSchema(t)
	if s.Additional == nil || *s.Additional {
		t.Error("the schema takes values that it does not know")
	}
	delete(s.Properties, "global") // Helm's own
	delete(s.Properties, "config") // looked at above
	delete(defaults, "config")
	report(t, compare("values", s.leaves(""), valuePaths(defaults, s, "")))
}

// valuePaths returns the paths of the defaults, as deep as the schema goes.
func valuePaths(values map[string]any, s *schemaNode, prefix string) (paths []string) {
	for name, v := range values {
		path := strings.TrimPrefix(prefix+"."+name, ".")
		inner, isMap := v.(map[string]any)
		if p := s.Properties[name]; isMap && p != nil && len(p.Properties) > 0 {
			paths = append(paths, valuePaths(inner, p, path)...)
			continue
		}
		paths = append(paths, path)
	}
	return paths
}
