package client

import (
	"context"
	"iter"
)

// The stream is read from its end in windows of sequences, each twice as large as
// the one before: the newest events are found without reading a million old ones,
// and rare ones with few requests.
const (
	firstWindow  = 2_000
	widestWindow = 128_000
)

// Newest returns the last n of the chosen events, in the order of the stream; n is
// above 0. After each part of the stream it calls progress, if that is not nil, with
// the number of sequences that it has searched so far. It adds to skipped, as Select does, what
// it came upon.
func (c *Client) Newest(ctx context.Context, f Filter, n int, skipped *int64, progress func(uint64)) ([]Message, error) {
	first, last, err := c.bounds(ctx, f)
	if err != nil {
		return nil, err
	}
	var found []Message
	width := uint64(firstWindow)
	if f.all() {
		width = uint64(n) // no more is needed, unless some were deleted
	}
	for to := last; to >= first && to > 0 && len(found) < n; {
		f.FromSeq, f.ToSeq = first, to
		if to-first >= width {
			f.FromSeq = to - width + 1
		}
		part, err := c.lastOf(ctx, f, n-len(found), skipped)
		if err != nil {
			return nil, err
		}
		found = append(part, found...)
		if progress != nil {
			progress(last - f.FromSeq + 1)
		}
		to, width = f.FromSeq-1, min(2*width, widestWindow)
	}
	return found, nil
}

// all reports whether every message is chosen, whatever is in it.
func (f Filter) all() bool { return !f.inside() && f.ID == "" && len(f.Kinds) == 0 }

// lastOf returns the last n of the chosen events, and holds no more of them.
func (c *Client) lastOf(ctx context.Context, f Filter, n int, skipped *int64) ([]Message, error) {
	var last []Message
	for m, err := range c.Select(ctx, f, skipped) {
		if err != nil {
			return nil, err
		}
		if len(last) == n {
			last[0] = Message{} // its data is not kept alive
			last = last[1:]
		}
		last = append(last, m)
	}
	return last, nil
}

// bounds returns the sequences between which the chosen events are; last is below
// first if there is none.
func (c *Client) bounds(ctx context.Context, f Filter) (first, last uint64, err error) {
	s, err := c.Stream(ctx, string(c.opts.Events))
	if err != nil {
		return 0, 0, err
	}
	state := s.CachedInfo().State
	first, last = max(state.FirstSeq, f.FromSeq, 1), state.LastSeq
	if f.ToSeq > 0 {
		last = min(last, f.ToSeq)
	}
	if !f.Since.IsZero() {
		since, err := c.firstSince(ctx, FollowOptions{Since: f.Since})
		if err != nil {
			return 0, 0, err
		}
		if since == 0 {
			return 1, 0, nil
		}
		first = max(first, since)
	}
	if !f.Until.IsZero() {
		until, err := c.firstSince(ctx, FollowOptions{Since: f.Until})
		if err != nil {
			return 0, 0, err
		}
		if until > 0 {
			last = min(last, until-1)
		}
	}
	return first, last, nil
}

// firstSince returns the sequence of the first message that o follows, or 0.
func (c *Client) firstSince(ctx context.Context, o FollowOptions) (seq uint64, err error) {
	o.StopAtEnd, o.HeadersOnly = true, true
	next, stop := iter.Pull2(c.Follow(ctx, o))
	defer stop()
	m, err, _ := next()
	return m.Sequence, err
}
