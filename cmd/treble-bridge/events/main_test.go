package events_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/events"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, events.New, events.NewTail) }
