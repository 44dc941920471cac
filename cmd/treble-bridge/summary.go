package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// summary is what became of a run of send. Its JSON form is stable.
type summary struct {
	Run      string         `json:"run"` // value of the header Treble-Test; "" for exported deliveries
	URL      string         `json:"url"`
	Sent     int            `json:"sent"`
	OK       int            `json:"ok"`       // answered with 200
	Statuses map[string]int `json:"statuses"` // by HTTP status, or by what kept it from being one
	Seconds  float64        `json:"seconds"`
	Rate     float64        `json:"rate"` // answers a second
	Latency  latency        `json:"latency_ms"`

	took  []time.Duration
	reply string // the first that was not a 200
}

// latency holds percentiles in milliseconds.
type latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (s *summary) add(r result) {
	s.Sent++
	s.Statuses[r.status]++
	s.took = append(s.took, r.took)
	switch {
	case r.ok:
		s.OK++
	case s.reply == "":
		s.reply = r.reply
	}
}

func (s *summary) finish(elapsed time.Duration) {
	s.Seconds = elapsed.Seconds()
	if s.Seconds > 0 {
		s.Rate = float64(s.Sent) / s.Seconds
	}
	slices.Sort(s.took)
	s.Latency = latency{percentile(s.took, 50), percentile(s.took, 95), percentile(s.took, 99), percentile(s.took, 100)}
}

// percentile returns the smallest of the sorted times that is not below p
// percent of them, in milliseconds.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return float64(sorted[max(rank, 1)-1]) / float64(time.Millisecond)
}

func (s *summary) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(s)
	}
	var counts []string
	for _, status := range slices.Sorted(maps.Keys(s.Statuses)) {
		counts = append(counts, fmt.Sprintf("%s: %d", status, s.Statuses[status]))
	}
	var b strings.Builder
	run := ""
	if s.Run != "" {
		run = ", run " + s.Run
	}
	fmt.Fprintf(&b, "sent %d to %s in %.2f s (%.0f/s)%s\n", s.Sent, s.URL, s.Seconds, s.Rate, run)
	if len(counts) > 0 {
		fmt.Fprintf(&b, "answers  %s\n", strings.Join(counts, ", "))
		fmt.Fprintf(&b, "latency  p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, max %.1f ms\n", s.Latency.P50, s.Latency.P95, s.Latency.P99, s.Latency.Max)
	}
	if s.reply != "" {
		fmt.Fprintf(&b, "first that was not taken: %s\n", printable(strings.TrimSpace(s.reply)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
