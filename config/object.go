package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// A JSON object of the configuration is sent as it is written. Written as JSON, in a
// string or as a flow mapping of YAML, it is kept byte for byte. Written as YAML it is
// put together from the texts of its nodes: YAML's own reading would make a
// time of 2026-01-31, 83 of 0123, and would sort the names.

// deepest bounds the nesting, and with it an alias that contains itself.
const deepest = 100

// objectText sets an object from an environment variable.
func (d *decoder) objectText(text string, into reflect.Value) error {
	object, err := value.ParseObject(text)
	if err == nil {
		into.SetString(string(object))
	}
	return err
}

// object sets an object from a YAML node.
func (d *decoder) object(n *yaml.Node, into reflect.Value, path string) error {
	if n.Kind == yaml.ScalarNode {
		err := d.objectText(n.Value, into)
		if err != nil && n.Style == 0 {
			err = fmt.Errorf("%w: %s", err, replyRemedy)
		}
		return at(n, path, err)
	}
	if n.Kind != yaml.MappingNode {
		return at(n, path, errors.New("want an object: "+replyRemedy))
	}
	if raw := d.verbatim(n); raw != "" {
		return at(n, path, d.objectText(raw, into))
	}
	var b bytes.Buffer
	if err := d.json(&b, n, path, 0); err != nil {
		return err
	}
	return at(n, path, d.objectText(b.String(), into))
}

// lineBreak matches the line ends of YAML.
var lineBreak = regexp.MustCompile("\r\n|[\r\n\u0085\u2028\u2029]")

// verbatim returns the text of a flow mapping that is JSON, or "".
func (d *decoder) verbatim(n *yaml.Node) string {
	if raw, ok := d.objects[n]; ok {
		return raw
	}
	if n.Style&yaml.FlowStyle == 0 {
		return ""
	}
	rest := d.source
	for range n.Line - 1 {
		end := lineBreak.FindStringIndex(rest)
		if end == nil {
			return ""
		}
		rest = rest[end[1]:]
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	var raw json.RawMessage
	if !strings.HasPrefix(rest, "{") || json.NewDecoder(strings.NewReader(rest)).Decode(&raw) != nil {
		return ""
	}
	return string(raw)
}

// json writes a node as JSON.
func (d *decoder) json(b *bytes.Buffer, n *yaml.Node, path string, depth int) error {
	n = resolve(n)
	if depth > deepest {
		return at(n, path, fmt.Errorf("is nested deeper than %d", deepest))
	}
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		first := true
		err := eachPair(n, path, func(key, val *yaml.Node) error {
			if key = resolve(key); key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
				return at(key, path, errors.New("want names as keys"))
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			b.WriteString(jsonString(key.Value) + ":")
			return d.json(b, val, join(path, key.Value), depth+1)
		})
		b.WriteByte('}')
		return err
	case yaml.SequenceNode:
		b.WriteByte('[')
		var errs []error
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			errs = append(errs, d.json(b, item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		b.WriteByte(']')
		return errors.Join(errs...)
	}
	b.WriteString(d.literal(n, path))
	return nil
}

var jsonLiteral = regexp.MustCompile(`^(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$`)

// literal returns a single value: without quotes, what JSON knows as a number, true, false or
// null stays that; anything else is a text.
func (d *decoder) literal(n *yaml.Node, path string) string {
	plain := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
	switch {
	case plain && n.Value == "":
		return "null"
	case plain && jsonLiteral.MatchString(n.Value):
		return n.Value
	}
	if tag := n.ShortTag(); plain && tag != "!!str" && tag != "!!timestamp" {
		d.warn(path, "is sent as a text, since JSON does not write "+strings.TrimPrefix(tag, "!!")+" like that: put it into quotes, or write it as JSON does")
	}
	return jsonString(n.Value)
}

func jsonString(s string) string {
	b, _ := value.MarshalJSON(s) // a string can always be written
	return string(b)
}
