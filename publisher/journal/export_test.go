package journal

import "time"

// WithDelays shortens what production waits for.
func (o Options) WithDelays(mark, retry time.Duration) Options {
	o.markDelay, o.retryDelay = mark, retry
	return o
}
