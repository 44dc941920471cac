// Package load posts events over HTTP as fast as it can (Closed), or at a
// constant rate (Open), and tells what became of each and how long it took.
package load

import (
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is the result of a run.
type Result struct {
	First     int64     // number of the first event
	Outcomes  []Outcome // by number, from First
	Answered  int
	Refused   int
	Unknown   int
	Took      time.Duration // from the first request to the last answer
	Window    time.Duration // how long the run was to be
	InWindow  int           // of Answered, those that were answered within it
	Latency   *hdrhistogram.Histogram
	FirstFail string // what the first request that was not answered 2xx met
}

// Quantile returns a quantile of the latency, such as 0.99.
func (r *Result) Quantile(q float64) time.Duration {
	return time.Duration(r.Latency.ValueAtPercentile(q*100)) * time.Microsecond
}

// shards is the number of histograms that the connections share: one for each of 10,000
// connections would take gigabytes, a single one would be a bottleneck.
const shards = 16

// recorder collects what the connections of a run see. One connection may
// record at a time into a shard.
type recorder struct {
	result Result
	end    time.Time // of the window
	shards [shards]shard
}

type shard struct {
	mu        sync.Mutex
	latency   *hdrhistogram.Histogram
	last      time.Time
	inWindow  int
	count     [Unknown + 1]int
	firstFail string
}

// newHistogram counts microseconds up to two minutes, to three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 120_000_000, 3) }

func newRecorder(first int64, count int, began time.Time, d time.Duration) *recorder {
	r := &recorder{result: Result{First: first, Outcomes: make([]Outcome, count), Window: d}, end: began.Add(d)}
	for i := range r.shards {
		r.shards[i].latency = newHistogram()
	}
	return r
}

// record notes the answer to the event at an index, which no other has, from
// the connection with a number.
func (r *recorder) record(conn, index int, began, ended time.Time, status int, err error) {
	o := outcomeOf(status, err)
	r.result.Outcomes[index] = o
	s := &r.shards[conn%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[o]++
	if ended.After(s.last) {
		s.last = ended
	}
	if o == Answered && !ended.After(r.end) {
		s.inWindow++
	}
	if o == Answered {
		_ = s.latency.RecordValue(max(1, ended.Sub(began).Microseconds())) // no run is as long as the histogram
	} else if s.firstFail == "" {
		s.firstFail = fmt.Sprintf("status %d", status)
		if err != nil {
			s.firstFail = err.Error()
		}
	}
}

// finish merges the shards, when every connection has ended.
func (r *recorder) finish(began time.Time) *Result {
	out := &r.result
	out.Latency = newHistogram()
	last := began
	for i := range r.shards {
		s := &r.shards[i]
		out.Latency.Merge(s.latency)
		out.Answered += s.count[Answered]
		out.Refused += s.count[Refused]
		out.Unknown += s.count[Unknown]
		out.InWindow += s.inWindow
		if s.last.After(last) {
			last = s.last
		}
		if out.FirstFail == "" {
			out.FirstFail = s.firstFail
		}
	}
	out.Took = max(last.Sub(began), time.Microsecond)
	return out
}
