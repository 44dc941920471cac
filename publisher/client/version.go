package client

import (
	"fmt"
	"slices"
)

// OldestServer is the oldest nats-server that the bridge is made for, major and minor. Before
// 2.10 a consumer has one filter only.
var OldestServer = [2]int{2, 10}

// AtLeast reports whether the version of a nats-server, such as "2.12.0-RC.1", is at least
// another one.
func AtLeast(version string, major, minor int) bool {
	var have [2]int
	if n, _ := fmt.Sscanf(version, "%d.%d", &have[0], &have[1]); n < 2 {
		return false
	}
	return slices.Compare(have[:], []int{major, minor}) >= 0
}

// TooOld says that a server is older than OldestServer, and what that means; "" if it is not,
// or if its version is not known.
func TooOld(version string) string {
	if version == "" || AtLeast(version, OldestServer[0], OldestServer[1]) {
		return ""
	}
	return fmt.Sprintf("nats-server %s is older than %d.%d, for which the bridge is made; commands may fail, and losses may not be seen", version, OldestServer[0], OldestServer[1])
}
