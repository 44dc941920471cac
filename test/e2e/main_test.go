// Package e2e starts the real bridge, posts what Treble sends and what it never should, and
// looks at everything that comes out of it and of its commands.
package e2e

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

func TestMain(m *testing.M) { bridge.Main(m) }
