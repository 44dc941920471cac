package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is the effective value of one key, fit to be shown: secrets are
// "<secret>".
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin Origin `json:"origin"`
}

// Settings returns the effective value of every key, in the order of the
// documentation. Numbers, truth values, lists and objects keep their type;
// sizes and durations are strings as one would type them.
func (l *Loaded) Settings() []Setting {
	root := reflect.ValueOf(l.Config)
	var all []Setting
	for _, k := range Keys() {
		all = append(all, Setting{k.Name, printable(root.FieldByIndex(k.index)), l.Origins[k.Name]})
	}
	return all
}

// Print writes the effective configuration as YAML, with the origin of each
// value that is not the default. Secrets are "<secret>".
func (l *Loaded) Print(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range l.Settings() {
		var val yaml.Node
		if err := val.Encode(s.Value); err != nil {
			return fmt.Errorf("print %s: %w", s.Key, err)
		}
		parent, name := group(root, s.Key)
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: name}
		if s.Origin != OriginDefault {
			comment := "from " + string(s.Origin)
			if val.Kind == yaml.ScalarNode {
				val.LineComment = comment
			} else {
				key.LineComment = comment
			}
		}
		parent.Content = append(parent.Content, key, &val)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// group returns the mapping that holds a key, and the last part of its name.
func group(n *yaml.Node, key string) (*yaml.Node, string) {
	head, rest, nested := strings.Cut(key, ".")
	if !nested {
		return n, key
	}
	// Keys come in order, so an open group is always the last one.
	if i := len(n.Content) - 2; i >= 0 && n.Content[i].Value == head {
		return group(n.Content[i+1], rest)
	}
	inner := &yaml.Node{Kind: yaml.MappingNode}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: head}, inner)
	return group(inner, rest)
}

// printable returns what an encoder may write: plain types without a secret.
// The entries of sources become objects with their keys' names.
func printable(v reflect.Value) any {
	switch {
	case v.Type() == objectType:
		return v.Interface() // it knows how to write itself
	case v.Kind() == reflect.Bool, v.Kind() == reflect.Int:
		return v.Interface()
	case v.Kind() == reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			fields[keyName(v.Type().Field(i))] = printable(v.Field(i))
		}
		return fields
	case v.Kind() == reflect.Slice:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = printable(v.Index(i))
		}
		return items
	}
	return formatValue(v)
}

// userinfo reaches to the last @ of an entry: in a password that is not escaped
// there may be a slash, or another @.
var userinfo = regexp.MustCompile(`((?:^|,)\s*(?:[A-Za-z][A-Za-z0-9+.-]*://)?)[^,]*@`)

// withoutUserinfo hides the user and password that a URL may hold.
func withoutUserinfo(s string) string { return userinfo.ReplaceAllString(s, "$1<secret>@") }
