package forget_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/events"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/forget"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/journal"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/quarantine"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/replay"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/send"
)

func TestMain(m *testing.M) {
	clitest.Main(m, forget.New, replay.New, events.NewTail, journal.New, send.New, quarantine.New)
}
