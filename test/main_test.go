package test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/test/containers"
)

// docker is the engine that the tests of this package share. Closing it also proves that
// every test removed its containers, networks and images.
var docker = containers.New()

func TestMain(m *testing.M) { runMain(m, docker) }
