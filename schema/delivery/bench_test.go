package delivery_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// BenchmarkParse compares the way of a body through Parse and Encode with what
// a program does that knows nothing of Treble: it reads the body into a map and
// writes it again. The ratio is what counts; both run in turns.
func BenchmarkParse(b *testing.B) {
	body, err := os.ReadFile(payloadDir + "/conversation-closed.json")
	if err != nil {
		b.Fatal(err)
	}
	var ours, bare time.Duration
	for b.Loop() {
		start := time.Now()
		for _, e := range (delivery.Parser{}).Parse(body, delivery.Origin{Source: "default", Received: received}).Events {
			if _, err := e.Encode(); err != nil {
				b.Fatal(err)
			}
		}
		middle := time.Now()
		var v map[string]any
		if err := json.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
		ours, bare = ours+middle.Sub(start), bare+time.Since(middle)
	}
	b.ReportMetric(float64(ours)/float64(bare), "times-bare-json")
}
