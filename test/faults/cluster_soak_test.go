//go:build soak

package faults

import (
	"fmt"
	"testing"
)

// The faults of a cluster, more often.

func TestSoakCluster(t *testing.T)            { clusterFaults(t, 40, 10, 10) }
func TestSoakClusterRolling(t *testing.T)     { clusterRolling(t, 10) }
func TestSoakClusterStepdown(t *testing.T)    { clusterStepdown(t, 600) }
func TestSoakClusterScaling(t *testing.T)     { clusterScaling(t, 15) }
func TestSoakClusterScalingIdle(t *testing.T) { clusterScalingIdle(t, 1_000_000) }

// TestSoakBlocks takes each block and each pair of blocks of a small store.
func TestSoakBlocks(t *testing.T) {
	for first := range 5 {
		for second := first; second < 5; second++ {
			t.Run(fmt.Sprintf("%d-%d", first, second), func(t *testing.T) {
				blocksLost(t, map[int]func([]byte) []byte{first: half, second: gone})
			})
		}
	}
}
