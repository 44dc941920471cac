// The command manifests writes the rendered chart to deployments/kubernetes:
// go generate, in test/kubernetes.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/test/kubernetes/render"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: manifests CHART DIRECTORY")
	}
	files, err := render.Manifests(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(os.Args[2], name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
