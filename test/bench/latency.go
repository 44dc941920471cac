package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
	"github.com/treble-bridge/treble-bridge/test/bench/pace"
	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// openConnections bounds the events of an open loop that are on their way.
const openConnections = 256

// halfRow is the latency of a contestant at half of what it can do.
type halfRow struct {
	Contestant string       `json:"contestant"`
	Rate       float64      `json:"rate"` // arrivals a second
	P50        float64      `json:"p50_us"`
	P99        float64      `json:"p99_us"`
	P999       float64      `json:"p999_us"`
	P99Same    ratio.Spread `json:"p99_to_floor_at_same_rate"`
	P99Half    ratio.Spread `json:"p99_to_floor_at_its_half"`
	Failed     int          `json:"failed"` // not answered 2xx
}

// latency runs open loops at half of each contestant's own saturation, in
// rounds, and the floor beside each: once at half of its own, and once at the
// arrivals that the contestant had.
func (b *bench) latency(ctx context.Context, saturation map[string]float64, names []string, body load.Body, rounds int, d time.Duration) ([]halfRow, error) {
	all, err := b.startAll(ctx, names)
	defer killAll(all)
	if err != nil {
		return nil, err
	}
	floor := all[0]
	type sample struct{ p50, p99, p999, same, half []float64 }
	samples := make([]sample, len(all))
	failed := make([]int, len(all))
	for range rounds {
		atHalf, err := floor.open(ctx, body, saturation[floorName]/2, d)
		if err != nil {
			return nil, err
		}
		for i, r := range all[1:] {
			rate := saturation[r.contestant.name] / 2
			same, err := floor.open(ctx, body, rate, d)
			if err != nil {
				return nil, err
			}
			res, err := r.open(ctx, body, rate, d)
			if err != nil {
				return nil, err
			}
			s := &samples[i+1]
			failed[i+1] += res.Refused + res.Unknown
			p99 := micro(res.Quantile(.99))
			s.p50, s.p99, s.p999 = append(s.p50, micro(res.Quantile(.5))), append(s.p99, p99), append(s.p999, micro(res.Quantile(.999)))
			s.same, s.half = append(s.same, p99/micro(same.Quantile(.99))), append(s.half, p99/micro(atHalf.Quantile(.99)))
		}
	}
	var rows []halfRow
	for i, r := range all[1:] {
		s := samples[i+1]
		rows = append(rows, halfRow{
			Contestant: r.contestant.name, Rate: saturation[r.contestant.name] / 2, Failed: failed[i+1],
			P50: ratio.Of(s.p50).Median, P99: ratio.Of(s.p99).Median, P999: ratio.Of(s.p999).Median,
			P99Same: ratio.Of(s.same), P99Half: ratio.Of(s.half),
		})
	}
	return rows, nil
}

// open runs an open loop and waits until the stream has it.
func (r *running) open(ctx context.Context, body load.Body, rate float64, d time.Duration) (*load.Result, error) {
	client, err := load.Dial(r.target(body), openConnections, r.next)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	res, err := client.Open(ctx, rate, d)
	if err != nil {
		return nil, fmt.Errorf("%s at %.0f/s: %w", r.contestant.name, rate, err)
	}
	return res, r.settle(ctx, res)
}

// settle waits until the stream has what a run was answered, and checks it.
func (r *running) settle(ctx context.Context, res *load.Result) error {
	r.note(res)
	if err := r.awaitStored(ctx); err != nil {
		return err
	}
	return r.checkEqual(ctx)
}

func killAll(all []*running) {
	for _, r := range all {
		r.kill()
	}
}

// loneRow has the latencies of single events without other load.
type loneRow struct {
	Contestant string       `json:"contestant"`
	Answer     float64      `json:"answer_us"`     // median, from the request to its 200
	Stored     float64      `json:"stored_us"`     // median, from the request until a subscriber of the stream has it
	StoredP99  float64      `json:"stored_p99_us"` // the same, 99th percentile of all
	Behind     float64      `json:"behind_us"`     // median, from the 200 until a subscriber has it; negative if it came first
	ToNaive    ratio.Spread `json:"stored_to_naive"`
}

// lone sends one event at a time, with pauses, in turns.
func (b *bench) lone(ctx context.Context, names []string, body load.Body, rounds, events int) ([]loneRow, error) {
	all, err := b.startAll(ctx, names)
	defer killAll(all)
	if err != nil {
		return nil, err
	}
	answers, storeds, behinds := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	medians := make([][]float64, len(all))
	for range rounds {
		for i, r := range all {
			a, s, err := r.loneEvents(ctx, body, events)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.contestant.name, err)
			}
			for j := range a {
				behinds[i] = append(behinds[i], s[j]-a[j])
			}
			answers[i], storeds[i] = append(answers[i], a...), append(storeds[i], s...)
			medians[i] = append(medians[i], ratio.Of(s).Median)
		}
	}
	var rows []loneRow
	for i, r := range all {
		var toNaive []float64
		for j := range medians[i] {
			toNaive = append(toNaive, medians[i][j]/medians[0][j])
		}
		rows = append(rows, loneRow{
			Contestant: r.contestant.name, Answer: ratio.Of(answers[i]).Median, Stored: ratio.Of(storeds[i]).Median,
			StoredP99: ratio.Quantile(storeds[i], .99), Behind: ratio.Of(behinds[i]).Median, ToNaive: ratio.Of(toNaive),
		})
	}
	return rows, nil
}

// lonePause is between two lone events: long enough that nothing of the last
// one is left.
const lonePause = 20 * time.Millisecond

// loneEvents returns, for each event, the microseconds until its answer and until
// a consumer of the stream had it.
func (r *running) loneEvents(ctx context.Context, body load.Body, events int) (answered, stored []float64, err error) {
	consumer, err := r.stream.js.OrderedConsumer(ctx, streamName, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.stream.read + 1,
	})
	if err != nil {
		return nil, nil, err
	}
	arrived := make(chan time.Time, events)
	consuming, err := consumer.Consume(func(jetstream.Msg) { arrived <- time.Now() })
	if err != nil {
		return nil, nil, err
	}
	defer consuming.Stop()
	client, err := load.Dial(r.target(body), 1, r.next)
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	for range events {
		pace.Until(time.Now().Add(lonePause))
		began := time.Now()
		res, err := client.Closed(ctx, 1, time.Minute)
		if err != nil {
			return nil, nil, err
		}
		if res.Answered != 1 {
			return nil, nil, fmt.Errorf("a lone event: %s", res.FirstFail)
		}
		r.note(res)
		answered = append(answered, micro(res.Took))
		select {
		case at := <-arrived:
			stored = append(stored, micro(at.Sub(began)))
		case <-time.After(10 * time.Second):
			return nil, nil, fmt.Errorf("a lone event did not come to the stream")
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	consuming.Stop()
	return answered, stored, r.checkEqual(ctx)
}

// halfLines and loneLines are the rows as tables.
func halfLines(rows []halfRow) [][]string {
	lines := [][]string{{"open loop", "arrivals/s", "p99 ×floor at the same rate", "p99 ×floor at its half", "p50 ms", "p99 ms", "p99.9 ms", "not 2xx"}}
	for _, r := range rows {
		lines = append(lines, []string{
			r.Contestant, ratio.Digits(r.Rate), r.P99Same.String(), r.P99Half.String(),
			ratio.Digits(r.P50 / 1000), ratio.Digits(r.P99 / 1000), ratio.Digits(r.P999 / 1000), fmt.Sprint(r.Failed),
		})
	}
	return lines
}

func loneLines(rows []loneRow) [][]string {
	lines := [][]string{{"lone event", "until stored ×naive", "until its 200, ms", "until stored, ms", "p99, ms", "from 200 to stored, ms"}}
	for _, r := range rows {
		lines = append(lines, []string{
			r.Contestant, r.ToNaive.String(), ratio.Digits(r.Answer / 1000), ratio.Digits(r.Stored / 1000),
			ratio.Digits(r.StoredP99 / 1000), ratio.Digits(r.Behind / 1000),
		})
	}
	return lines
}
