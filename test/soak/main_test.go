// Package soak measures the real bridge with much data (build tag soak).
package soak

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

func TestMain(m *testing.M) { bridge.Main(m) }
