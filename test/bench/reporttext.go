package main

// What docs/benchmarks.md says around its tables.
const (
	method = `What the bridge costs, measured beside the least that a webhook receiver can do. ` + "`make bench`" + ` measures all of it and writes
this page; ` + "`make bench-quick`" + ` measures the first table in three minutes; ` + "`make bench-check`" + ` compares that with what is recorded
(` + "`test/bench/recorded.json`" + `) and fails if the bridge got worse by more than the noise of both, twice. A number here is no promise: none is
asserted by any test.

## Method

- Every contestant is a process of its own, built as a release is; each has a nats-server of its own, built from the same module that the
  bridge embeds. All run on one machine, on the loopback, and start anew in each round.
- The load generator writes HTTP/1.1 on raw keep-alive connections, each body with another session id. It shares the cores with what it
  measures. So a ratio of requests/s is nearer to 1 than the servers alone would be; the ratio of CPU per event has no such bias.
- In each round every contestant gets the same load, in slices of an eighth of a second by turns, so that what disturbs the machine hits
  all of them; between its turns it is idle. A ratio is a contestant's number divided by the floor's in the same turns; tables have the
  median over the rounds, and the least and the most in brackets.
- Of every run, each event that was answered 2xx is looked for in the stream by its number, and the stream must hold nothing else. CPU
  counts until the stream has all of them, not only until they are answered.
- While others use the machine more than usual (and more than a tenth of its cores), the turns are made again, up to three times; "others" is what they
  took in those that were kept.
- Closed loop: each connection sends when it was answered. Open loop: events are due at a constant rate, and a latency begins when the
  event was due, not when a connection was free for it, so that no stall is left out.
`
	tableText = `Closed loop; times the floor's. For requests/s more is better, for all others less.
`
	absoluteText = `The same in absolute numbers (medians). "stored/s" counts until the stream had all; memory and CPU are the contestant's own process.
`
	halfText = `Open loop with 256 connections at half of the requests/s that the contestant reached with 64. The p99 is divided by the floor's, once at the
same arrivals, and once at half of what the floor can do.
`
	loneText = `One event each 20 ms, from the moment at which it is sent, until it is answered, and until a consumer of the stream has it. "×naive" compares
with the contestant that does nothing but publish.
`
	drainText = `NATS is stopped, events are accepted, NATS starts: events a second from the first to the last, by the time stamps of the stream. Beside it a bare
asynchronous publisher, with message ids, 512 in flight and in no certain order, publishes the same messages to the same server, which was
started anew for it too. "Until the first" counts from the start of the nats-server processes, their own start included.
`
	growthText = `64 connections where nothing else is said (16 for the sizes of a body). Thin lines go from the least to the most of the rounds. For the start with
a stream, a bridge that has just answered 5,000 events is killed, and NATS is started anew, so that the bridge looks for what may be lost.
Memory is watched minute by minute; after each, the stream is compared with the answers and emptied.
`
)
