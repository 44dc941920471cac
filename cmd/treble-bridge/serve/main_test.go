package serve_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/events"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/send"
)

func TestMain(m *testing.M) { clitest.Main(m, events.NewTail, send.New) }
