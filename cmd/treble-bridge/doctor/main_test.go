package doctor_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/doctor"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, doctor.New) }
