//go:build soak

package test

import "testing"

// The faults of a cluster, more often.

func TestSoakCluster(t *testing.T)            { clusterFaults(t, 40, 10, 10) }
func TestSoakClusterRolling(t *testing.T)     { clusterRolling(t, 10) }
func TestSoakClusterStepdown(t *testing.T)    { clusterStepdown(t, 600) }
func TestSoakClusterScaling(t *testing.T)     { clusterScaling(t, 15) }
func TestSoakClusterScalingIdle(t *testing.T) { clusterScalingIdle(t, 1_000_000) }
