// Command generate writes the documents that package schema embeds: a JSON
// Schema of the envelope, one of each kind, and the AsyncAPI document. It reads
// the source of the package, not its compiled types, so that the comments of
// the fields become descriptions; tests hold the result against the types.
//
// It runs in the directory of package schema, by "go generate ./schema".
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run writes the documents of the package in dir.
func run(dir string) error {
	src, err := readSource(dir)
	if err != nil {
		return err
	}
	docs, err := documents(src)
	if err != nil {
		return err
	}
	for name, doc := range docs {
		if err := write(filepath.Join(dir, filepath.FromSlash(name)), doc); err != nil {
			return err
		}
	}
	return nil
}

// documents returns every document by the name of its file.
func documents(src *source) (map[string]object, error) {
	docs := map[string]object{}
	envelope, err := envelopeSchema(src)
	if err != nil {
		return nil, err
	}
	docs["jsonschema/envelope.json"] = envelope
	kinds, err := kindsOf(src)
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		if docs["jsonschema/"+k.name+".json"], err = eventSchema(src, k); err != nil {
			return nil, err
		}
	}
	if docs["asyncapi.json"], err = asyncAPI(src, kinds); err != nil {
		return nil, err
	}
	return docs, src.unusedRules()
}

func write(path string, doc object) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, b, "", "  "); err != nil {
		return err
	}
	text.WriteByte('\n')
	return os.WriteFile(path, text.Bytes(), 0o644)
}
