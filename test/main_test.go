package test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/containers"
)

// What the tests of this package share: the Docker engine, and the binaries.
var (
	docker = containers.New()
	bridge program
)

// TestMain also proves that every test removed its containers, networks and
// images.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := errors.Join(docker.Close(), bridge.Close()); err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		code = 1
	}
	os.Exit(code)
}
