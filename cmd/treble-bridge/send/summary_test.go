package send

import (
	"strings"
	"testing"
	"time"
)

func TestAdviceByStatus(t *testing.T) {
	for status, want := range map[string]string{"401": "--token", "404": "sources", "503": "health", "200": ""} {
		s := SummaryJSON{Statuses: map[string]int{status: 1}}
		if got := s.advice(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q", status, got)
		}
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(i+1)*time.Millisecond)
	}
	for p, want := range map[int]float64{50: 50, 95: 95, 99: 99, 100: 100} {
		if got := percentile(times, p); got != want {
			t.Errorf("p%d: got %v, want %v", p, got, want)
		}
	}
	if got := percentile(times[:1], 50); got != 1 {
		t.Errorf("of one: got %v, want 1", got)
	}
	if got := percentile(nil, 99); got != 0 {
		t.Errorf("of none: got %v, want 0", got)
	}
}
