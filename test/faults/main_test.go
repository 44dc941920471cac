// Package faults takes away from the real bridge what it stands on, under load: its process,
// NATS, the network, the disk. The judge is package oracle. What takes longer, and most of
// what needs containers, has the build tag faults or soak.
package faults

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// docker is the engine that the tests share. Closing it also proves that every test removed
// its containers, networks and images.
var docker = containers.New()

func TestMain(m *testing.M) { bridge.Main(m, docker) }
