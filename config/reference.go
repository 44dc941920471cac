package config

import (
	"fmt"
	"strings"
)

// Template returns a commented configuration file with every key at its
// default. The keys are commented out, so that a key keeps following the
// default of a later version until an operator sets it.
func Template() string {
	var b strings.Builder
	b.WriteString("# Configuration of treble-bridge. Every key stands here with its default.\n" +
		"# An environment variable " + EnvPrefix + "<KEY_WITH_UNDERSCORES> wins over this file:\n" +
		"# " + EnvName("auth.bearer") + " alone is enough to start: secrets of at least 16 bytes, joined by commas.\n\n")
	var open []string
	for _, k := range Keys() {
		parts := strings.Split(k.Name, ".")
		groups := parts[:len(parts)-1]
		for i, g := range groups {
			if i >= len(open) || open[i] != g {
				if i == 0 {
					b.WriteString("\n")
				}
				fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), g)
				open = nil
			}
		}
		open = groups
		indent := strings.Repeat("  ", len(groups))
		fmt.Fprintf(&b, "%s# %s\n%s# %s: %s\n", indent, sentence(k.Doc), indent, parts[len(parts)-1], yamlDefault(k))
	}
	b.WriteString("#   - name: default\n#     paths: [/webhook]\n#     auth: {bearer_file: /run/secrets/treble}\n")
	return b.String()
}

// yamlDefault writes a default as YAML.
func yamlDefault(k Key) string {
	switch k.Type {
	case "list", "list of secrets":
		if strings.Contains(k.Default, ":") {
			return `["` + strings.ReplaceAll(k.Default, ",", `", "`) + `"]`
		}
		return "[" + k.Default + "]"
	case "sources":
		return "" // the example below it follows
	case "named secrets":
		return "[]"
	case "string", "secret":
		if k.Default == "" || strings.ContainsAny(k.Default, ":#*") {
			return `"` + k.Default + `"`
		}
	}
	return k.Default
}

func sentence(doc string) string { return strings.ToUpper(doc[:1]) + doc[1:] + "." }

// Reference returns the table of all keys for the README, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString("| Key | Type | Default | Meaning |\n|---|---|---|---|\n")
	for _, k := range Keys() {
		def := ""
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, def, cell(k.Doc))
	}
	b.WriteString("\nEach entry of `sources`:\n\n| Key | Type | Meaning |\n|---|---|---|\n")
	authentication := false
	for _, k := range SourceKeys() {
		if strings.HasPrefix(k.Name, "auth.") {
			if !authentication {
				b.WriteString("| `auth` | keys | all keys of `auth` above, for this source |\n")
			}
			authentication = true
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, k.Type, cell(k.Doc))
	}
	b.WriteString("\nEach entry of `auth.secrets`:\n\n| Key | Type | Meaning |\n|---|---|---|\n")
	for _, k := range SecretKeys() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, k.Type, cell(k.Doc))
	}
	return b.String()
}

// cell makes a text fit for a cell: < would begin a tag, | would end the cell.
func cell(s string) string { return strings.NewReplacer("<", `\<`, "|", `\|`).Replace(s) }
