package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/schema"
)

// schemaCommand is the command that prints the documents that describe the events.
type schemaCommand struct {
	streams cli.Streams
	list    bool
	json    bool
}

func newSchema(streams cli.Streams) *cobra.Command {
	s := &schemaCommand{streams: streams}
	cmd := &cobra.Command{
		Use:   "schema [KIND | envelope | asyncapi]",
		Short: "Print the JSON Schema of an event, or the AsyncAPI document",
		Long: `Print the JSON Schema (draft 2020-12) of the events of a kind, or of what all have
in common (envelope), or the AsyncAPI 3.0 document of all subjects. They are
those of this version of the bridge, which serves them on its ops listener too,
below /schemas and at /asyncapi.json. Without an argument it lists them.

--json prints the list as one array of objects with name, content_type, title.
The documents themselves are JSON in any case.`,
		Example: `  treble-bridge schema
  treble-bridge schema message.read > message.read.json
  treble-bridge schema asyncapi | jq '.channels | keys'
  treble-bridge schema --list --json | jq -r '.[].name'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(documentNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              s.run,
	}
	cmd.Flags().BoolVar(&s.list, "list", false, "list what there is")
	cmd.Flags().BoolVar(&s.json, "json", false, "print the list as JSON")
	return cmd
}

func documentNames() []string {
	var names []string
	for _, d := range schema.Documents() {
		names = append(names, d.Name)
	}
	return names
}

func (s *schemaCommand) run(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return s.print()
	case s.list:
		return cli.Usagef("--list and %q: use one of them", args[0])
	}
	for _, d := range schema.Documents() {
		if d.Name == args[0] {
			_, err := s.streams.Out.Write(d.Content())
			return err
		}
	}
	return cli.Usagef("there is no document %q: use one of %s", args[0], strings.Join(documentNames(), ", "))
}

func (s *schemaCommand) print() error {
	type entry struct {
		Name        string `json:"name"`
		ContentType string `json:"content_type"`
		Title       string `json:"title"`
	}
	var all []entry
	for _, d := range schema.Documents() {
		all = append(all, entry{d.Name, d.ContentType, d.Title})
	}
	if s.json {
		return cli.WriteJSON(s.streams.Out, all)
	}
	t := terminal.NewTable(s.streams.Out)
	for _, e := range all {
		t.Row(e.Name, e.Title)
	}
	return t.Flush()
}
