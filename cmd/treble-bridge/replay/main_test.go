package replay_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/replay"
)

func TestMain(m *testing.M) { clitest.Main(m, replay.New) }
