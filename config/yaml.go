package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// JSON is said to be YAML, and for the reader of YAML two escapes of JSON are mistakes: \/ and
// the two halves of a character beyond 16 bits, as in "\ud83d\ude00". Many programs write
// them, so their backslash is hidden from the reader behind a character that the text does not
// have. Each line and column stays where it is, which [decoder.verbatim] needs.

// jsonEscape matches what YAML does not know; a backslash that is escaped itself begins none.
var jsonEscape = regexp.MustCompile(`\\(?:\\|/|u[dD][89a-fA-F][0-9a-fA-F]{2})`)

// yamlReader reads the documents of a text.
type yamlReader struct {
	dec  *yaml.Decoder
	mark string // stands for the backslash of an escape; "": there is none
}

func readYAML(text string) *yamlReader {
	r := &yamlReader{}
	mark := '\ue000'
	for strings.ContainsRune(text, mark) {
		mark++
	}
	text = jsonEscape.ReplaceAllStringFunc(text, func(escape string) string {
		if escape == `\\` {
			return escape
		}
		r.mark = string(mark)
		return r.mark + escape[1:]
	})
	r.dec = yaml.NewDecoder(strings.NewReader(text))
	return r
}

// next returns the next document, or io.EOF behind the last one.
func (r *yamlReader) next() (*yaml.Node, error) {
	var doc yaml.Node
	if err := r.dec.Decode(&doc); err != nil {
		return nil, err
	}
	if r.mark != "" {
		r.restore(&doc)
	}
	return &doc, nil
}

// restore puts in place of the marks what they stand for: only double quotes have escapes.
func (r *yamlReader) restore(n *yaml.Node) {
	if n.Style&yaml.DoubleQuotedStyle != 0 {
		n.Value = r.unescape(n.Value)
	} else {
		n.Value = strings.ReplaceAll(n.Value, r.mark, `\`)
	}
	for _, c := range n.Content {
		r.restore(c)
	}
}

// unescape does as encoding/json does, also with a half that stands alone.
func (r *yamlReader) unescape(s string) string {
	half := func(s string) (rune, bool) {
		if s, ok := strings.CutPrefix(s, r.mark+"u"); ok {
			v, err := strconv.ParseUint(s[:4], 16, 16)
			return rune(v), err == nil
		}
		return 0, false
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, r.mark)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		first, ok := half(s[len(before):])
		if !ok { // the slash stays
			s = after
			continue
		}
		s = after[len("ud83d"):]
		second, _ := half(s)
		char := utf16.DecodeRune(first, second)
		if char != utf8.RuneError {
			s = s[len(r.mark)+len("ude00"):]
		}
		b.WriteRune(char)
	}
}

// jsonNode returns JSON as the nodes that the decoder takes, and keeps the text of
// each object. The reader of YAML would refuse some of it, such as the character U+007F.
func (d *decoder) jsonNode(text string) (*yaml.Node, bool) {
	if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
		return nil, false
	}
	d.objects = map[*yaml.Node]string{}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	return d.jsonValue(dec, text), true
}

// jsonValue reads one value of a text that is known to be valid.
func (d *decoder) jsonValue(dec *json.Decoder, text string) *yaml.Node {
	token, _ := dec.Token()
	start := int(dec.InputOffset()) - 1
	n := &yaml.Node{Line: 1 + strings.Count(text[:start], "\n"), Column: 1}
	switch v := token.(type) {
	case json.Delim:
		n.Kind, n.Style = yaml.SequenceNode, yaml.FlowStyle
		if v == '{' {
			n.Kind = yaml.MappingNode
		}
		for dec.More() {
			n.Content = append(n.Content, d.jsonValue(dec, text))
		}
		_, _ = dec.Token() // the end
		if n.Kind == yaml.MappingNode {
			d.objects[n] = text[start:dec.InputOffset()]
		}
	case string:
		n.Kind, n.Style, n.Tag, n.Value = yaml.ScalarNode, yaml.DoubleQuotedStyle, "!!str", v
	case json.Number:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!float", v.String()
	case bool:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!bool", strconv.FormatBool(v)
	default:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!null", "null"
	}
	return n
}

var (
	yamlValue = regexp.MustCompile("`[^`]*`|'[^']*'")
	yamlLine  = regexp.MustCompile(`line \d+`)
	blockKey  = regexp.MustCompile(`^\s*(?:- +)?([A-Za-z_]+)\s*:`)
	replyKey  = regexp.MustCompile(`\breply["']?\s*:`)
)

// replyRemedy says how a reply is written that is JSON.
const replyRemedy = `put the JSON of a reply into single quotes, or on lines of its own behind "reply: |"`

// notYAML is an error of the reader of YAML without what it quotes, and with the way out if
// it is about a reply.
func notYAML(text string, err error) error {
	said := yamlValue.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "…")
	lines, line := lineBreak.Split(text, -1), 1
	said = yamlLine.ReplaceAllStringFunc(said, func(s string) string {
		line, _ = strconv.Atoi(s[len("line "):])
		if strings.Contains(said, "did not find expected") {
			line = min(line+1, len(lines)) // the library counts from 0 here, and from 1 elsewhere
		}
		return fmt.Sprintf("line %d", line)
	})
	if inReply(lines, line) {
		return fmt.Errorf("sources[].reply: %s: %s", said, replyRemedy)
	}
	return errors.New(said)
}

// inReply reports whether a line, counted from 1, belongs to a reply.
func inReply(lines []string, line int) bool {
	for i := min(line, len(lines)) - 1; i >= 0; i-- {
		if replyKey.MatchString(lines[i]) {
			return true
		}
		if blockKey.MatchString(lines[i]) {
			return false
		}
	}
	return false
}

// oneDocument returns the root of a text's only document, nil if it has none.
func oneDocument(text string) (*yaml.Node, error) {
	r := readYAML(text)
	doc, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, nil // empty, or comments only
	} else if err != nil {
		return nil, fmt.Errorf("is not YAML: %w", notYAML(text, err))
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	return doc.Content[0], nil
}
