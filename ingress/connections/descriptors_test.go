package connections

import "testing"

// TestDescriptorsLimitConnections: the journal, NATS and the ops listener keep half of the file descriptors.
func TestDescriptorsLimitConnections(t *testing.T) {
	for _, tt := range []struct {
		configured int
		limit      uint64
		want       int
	}{
		{1024, 1 << 20, 1024},
		{1024, 1024, 512},
		{1024, 1, 1},
		{1024, 0, 1024}, // not known
		{100, 1<<64 - 1, 100},
	} {
		if got := within(tt.configured, tt.limit); got != tt.want {
			t.Errorf("%d configured, %d descriptors: got %d, want %d", tt.configured, tt.limit, got, tt.want)
		}
	}
}
