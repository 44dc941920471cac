// Package deploy uses what users deploy: the image, the archives of a release, the
// consumer in TypeScript (build tag deploy).
package deploy

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// docker is the engine that the tests share. Closing it also proves that every test removed
// its containers, networks and images.
var docker = containers.New()

func TestMain(m *testing.M) { bridge.Main(m, docker) }
