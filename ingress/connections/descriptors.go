package connections

import "syscall"

// descriptorShare is the part of the process's file descriptors that the connections of the
// public listener may take: the journal, NATS and the ops listener need the rest.
const descriptorShare = 2

// descriptors returns how many file descriptors the process may have open, 0 if that is not
// known. The Go runtime has raised the soft limit to the hard one.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}

// WithinDescriptors returns how many of the configured connections the file descriptors of the process
// allow, and how many descriptors those are, 0 if that is not known.
func WithinDescriptors(configured int) (connections int, limit uint64) {
	limit = descriptors()
	return within(configured, limit), limit
}

func within(configured int, limit uint64) int {
	if limit == 0 {
		return configured
	}
	return int(min(uint64(configured), max(limit/descriptorShare, 1)))
}
