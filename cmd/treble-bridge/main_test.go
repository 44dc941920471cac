package main

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
)

func TestMain(m *testing.M) { clitest.MainOf(m, newRoot, main) }
