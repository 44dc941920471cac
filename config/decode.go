package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// The decoder works on YAML nodes and on texts of environment variables, not
// on what viper makes of them. Three reasons: viper lower-cases the keys of
// maps (a source's reply would change), a node still has its line and its
// text (a token 0123 stays 0123), and an error must not repeat a value, which
// may be a secret.

// decoder sets the fields of a configuration from what one layer has.
type decoder struct {
	source   string                // the text that the nodes were read from
	objects  map[*yaml.Node]string // the text of each object, if the source is JSON
	warnings []string              // what was forgiven, with its key and without its value
}

func (d *decoder) warn(key string, doubts ...string) {
	d.warnings = append(d.warnings, value.Doubts(key+":", doubts)...)
}

// text sets a leaf from the text of an environment variable or a flag.
// Lists are split at commas; lists of entries with keys are YAML or JSON.
func (d *decoder) text(text string, into reflect.Value, key string) error {
	switch {
	case into.Type() == objectType:
		return d.objectText(text, into)
	case structs(into.Type()):
		d.source = value.Decode([]byte(text))
		root, ok := d.jsonNode(d.source)
		if !ok {
			var err error
			if root, err = oneDocument(d.source); err != nil {
				return fmt.Errorf("is no JSON, and %w", err)
			}
		}
		if root == nil {
			return nil
		}
		return d.node(root, into, "")
	case into.Kind() == reflect.Slice:
		list := reflect.MakeSlice(into.Type(), 0, 2)
		text, doubts := value.UnquoteList(text)
		d.warn(key, doubts...)
		for part := range strings.SplitSeq(text, ",") {
			item := reflect.New(into.Type().Elem()).Elem()
			if err := d.scalar(value.Trim(part), item, key); err != nil {
				return err
			}
			list = reflect.Append(list, item)
		}
		into.Set(list)
		return nil
	}
	return d.scalar(text, into, key)
}

// node sets a value from a YAML node. Errors begin with the path of
// what is wrong inside the value, if it is not the value itself.
func (d *decoder) node(n *yaml.Node, into reflect.Value, path string) error {
	n = resolve(n)
	switch {
	case isNull(n):
		return nil // "key:" alone is as if it were not there
	case into.Type() == objectType:
		return d.object(n, into, path)
	case into.Kind() == reflect.Struct:
		return d.structure(n, into, path)
	case into.Kind() == reflect.Slice:
		return d.list(n, into, path)
	case n.Kind != yaml.ScalarNode:
		return at(n, path, errors.New("want a single value"))
	}
	return at(n, path, d.scalar(n.Value, into, path))
}

func (d *decoder) structure(n *yaml.Node, into reflect.Value, path string) error {
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
		return d.node(val, into.Field(i), join(path, key.Value))
	})
}

func (d *decoder) list(n *yaml.Node, into reflect.Value, path string) error {
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
		errs = append(errs, d.node(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i)))
	}
	into.Set(list)
	return errors.Join(errs...)
}

// scalar parses text as the type asks, after what cannot be meant is left out; a secret
// is left to who uses it, see value.CleanSecret. Its errors never repeat a text that may be
// a secret.
func (d *decoder) scalar(text string, into reflect.Value, key string) error {
	if into.Type() == secretType {
		into.SetString(text)
		return nil
	}
	text, doubts := value.Clean(text)
	d.warn(key, doubts...)
	if u, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch {
	case into.Type() == durationType:
		duration, err := value.ParseDuration(text)
		if err != nil {
			return err
		}
		into.SetInt(int64(duration))
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
