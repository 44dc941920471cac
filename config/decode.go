package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The decoder works on YAML nodes and on texts of environment variables, not
// on what viper makes of them. Three reasons: viper lower-cases the keys of
// maps (a source's reply would change), a node still has its line and its
// text (a token 0123 stays 0123), and an error must not repeat a value, which
// may be a secret.

// decodeText sets a leaf from the text of an environment variable or a flag.
// Lists are split at commas; sources are YAML or JSON.
func decodeText(text string, into reflect.Value) error {
	switch {
	case into.Type() == sourcesType || into.Type() == objectType:
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			return errors.New("is neither YAML nor JSON")
		}
		if doc.Kind == 0 {
			return nil
		}
		return decodeNode(doc.Content[0], into, "")
	case into.Kind() == reflect.Slice:
		list := reflect.MakeSlice(into.Type(), 0, 2)
		for part := range strings.SplitSeq(text, ",") {
			item := reflect.New(into.Type().Elem()).Elem()
			if err := decodeScalar(strings.TrimSpace(part), item); err != nil {
				return err
			}
			list = reflect.Append(list, item)
		}
		into.Set(list)
		return nil
	}
	return decodeScalar(text, into)
}

// decodeNode sets a value from a YAML node. Errors begin with the path of
// what is wrong inside the value, if it is not the value itself.
func decodeNode(n *yaml.Node, into reflect.Value, path string) error {
	n = resolve(n)
	switch {
	case isNull(n):
		return nil // "key:" alone is as if it were not there
	case into.Type() == objectType:
		return decodeObject(n, into, path)
	case into.Kind() == reflect.Struct:
		return decodeStruct(n, into, path)
	case into.Kind() == reflect.Slice:
		return decodeList(n, into, path)
	case n.Kind != yaml.ScalarNode:
		return at(n, path, errors.New("want a single value"))
	}
	return at(n, path, decodeScalar(n.Value, into))
}

func decodeObject(n *yaml.Node, into reflect.Value, path string) error {
	object := map[string]any{}
	if n.Kind != yaml.MappingNode {
		return at(n, path, errors.New("want an object"))
	}
	if err := n.Decode(&object); err != nil {
		return at(n, path, errors.New("is not an object with names as keys, each once"))
	}
	into.Set(reflect.ValueOf(object))
	return nil
}

func decodeStruct(n *yaml.Node, into reflect.Value, path string) error {
	fields := map[string]int{}
	var names []string
	for i := range into.NumField() {
		name := keyName(into.Type().Field(i))
		fields[name] = i
		names = append(names, join(path, name))
	}
	return eachPair(n, path, func(key, val *yaml.Node) error {
		i, ok := fields[key.Value]
		if !ok {
			return at(key, "", unknownKey(join(path, key.Value), names))
		}
		return decodeNode(val, into.Field(i), join(path, key.Value))
	})
}

func decodeList(n *yaml.Node, into reflect.Value, path string) error {
	items := n.Content
	if n.Kind != yaml.SequenceNode {
		if n.Kind != yaml.ScalarNode || into.Type().Elem().Kind() == reflect.Struct {
			return at(n, path, errors.New("want a list"))
		}
		items = []*yaml.Node{n} // one value alone is a list of one
	}
	list := reflect.MakeSlice(into.Type(), len(items), len(items))
	var errs []error
	for i, item := range items {
		errs = append(errs, decodeNode(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i)))
	}
	into.Set(list)
	return errors.Join(errs...)
}

// decodeScalar parses text as the type asks. Its errors never repeat a text
// that may be a secret.
func decodeScalar(text string, into reflect.Value) error {
	if u, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch {
	case into.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration: use a number with a unit, such as 500ms, 30s, 10m or 720h", text)
		}
		into.SetInt(int64(d))
	case into.Kind() == reflect.String:
		into.SetString(text)
	case into.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		into.SetBool(b)
	case into.Kind() == reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		into.SetInt(int64(i))
	default:
		return fmt.Errorf("type %s is not supported", into.Type())
	}
	return nil
}

// eachPair calls do for every key of a mapping, and reports keys that occur
// twice. It goes on after an error and joins them.
func eachPair(n *yaml.Node, path string, do func(key, val *yaml.Node) error) error {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		return at(n, path, errors.New("want keys with values"))
	}
	var errs []error
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if slices.Contains(seen, key.Value) {
			errs = append(errs, at(key, join(path, shownKey(key.Value)), errors.New("stands here twice")))
			continue
		}
		seen = append(seen, key.Value)
		errs = append(errs, do(key, val))
	}
	return errors.Join(errs...)
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// at puts the path and the line in front of an error.
func at(n *yaml.Node, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case path == "":
		return fmt.Errorf("%w (line %d)", err, n.Line)
	}
	return fmt.Errorf("%s: %w (line %d)", path, err, n.Line)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
