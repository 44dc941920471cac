// Package attack attacks the real bridge over raw sockets, on loopback, as somebody on the
// internet could (build tag attack; make attack). The short half of the attacks is in the
// tests of the packages that meet them.
package attack

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

func TestMain(m *testing.M) { bridge.Main(m) }
