package send

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
)

// SummaryJSON is the summary of a run of send. Its form is stable.
type SummaryJSON struct {
	Run      string         `json:"run"` // value of the header Treble-Test; "" for exported deliveries
	URL      string         `json:"url"`
	Sent     int            `json:"sent"`
	OK       int            `json:"ok"`       // answered with 200
	Statuses map[string]int `json:"statuses"` // by HTTP status, or by the failure
	Seconds  float64        `json:"seconds"`
	Rate     float64        `json:"rate"` // answers a second
	Latency  latencyJSON    `json:"latency_ms"`

	took  []time.Duration
	reply string // the first that was not a 200
}

// latencyJSON holds percentiles in milliseconds.
type latencyJSON struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (s *SummaryJSON) add(r webhook.Result) {
	s.Sent++
	s.Statuses[r.Status]++
	s.took = append(s.took, r.Took)
	switch {
	case r.OK:
		s.OK++
	case s.reply == "":
		s.reply = r.Reply
	}
}

func (s *SummaryJSON) finish(elapsed time.Duration) {
	s.Seconds = elapsed.Seconds()
	if s.Seconds > 0 {
		s.Rate = float64(s.Sent) / s.Seconds
	}
	slices.Sort(s.took)
	s.Latency = latencyJSON{percentile(s.took, 50), percentile(s.took, 95), percentile(s.took, 99), percentile(s.took, 100)}
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

// advice names the next step for answers that are about the run itself.
func (s *SummaryJSON) advice() string {
	switch {
	case s.Statuses["cannot connect"] > 0:
		return ": is the bridge running? See treble-bridge health, or name it with --url"
	case s.Statuses["401"] > 0:
		return ": use the configuration of the bridge, or name its secret with --token-file or --header"
	case s.Statuses["403"] > 0:
		return ": the bridge takes tests from its own host only; name this one in its ingress.operator_addresses"
	case s.Statuses["404"] > 0:
		return ": no source has this path; see sources in treble-bridge config print"
	case s.Statuses["503"] > 0:
		return ": the bridge takes no events; see treble-bridge health"
	}
	return ""
}

func (s *SummaryJSON) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(w, s)
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
		fmt.Fprintf(&b, "first that was not taken: %s\n", terminal.Printable(strings.TrimSpace(s.reply)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
