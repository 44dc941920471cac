package serve

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/ingress/ops"
)

// readyEvery is the interval at which readiness is checked, until systemd is told that the bridge
// is ready.
const readyEvery = 50 * time.Millisecond

// notifier sends the state of the bridge to the service manager, with the protocol of
// sd_notify(3). Without $NOTIFY_SOCKET, as everywhere but under systemd and the
// few that do the same, it does nothing.
//
// It sends no WATCHDOG=1. A goroutine that lives proves nothing about the
// parts that may hang, a hanging disk first of all, and no restart mends that: it
// would take the connections of those who wait for an answer and find the same
// disk. What hangs is seen in /readyz and the metrics.
type notifier struct {
	log  *zap.Logger
	stop context.CancelFunc
	done sync.WaitGroup
}

// startNotifier says READY=1 as soon as readiness is anything but unready, once;
// until then it says why not, as the status of the unit. Call stopping, once.
func startNotifier(readiness func() ops.Readiness, log *zap.Logger) *notifier {
	ctx, stop := context.WithCancel(context.Background())
	n := &notifier{log: log, stop: stop}
	n.done.Go(func() { n.awaitReady(ctx, readiness) })
	return n
}

func (n *notifier) awaitReady(ctx context.Context, readiness func() ops.Readiness) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for said := ""; ; {
		r := readiness()
		if r.Status != ops.Unready {
			n.send(daemon.SdNotifyReady + "\nSTATUS=Taking events")
			return
		}
		if status := "STATUS=" + statusLine(r.Reasons); status != said {
			said = status
			if !n.send(status) {
				return // there is no service manager
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stopping says that the shutdown has begun. After it nothing is said any more.
func (n *notifier) stopping() {
	n.stop()
	n.done.Wait() // or READY=1 could follow
	n.send(daemon.SdNotifyStopping + "\nSTATUS=Finishing what is in work")
}

// send reports whether a service manager listens.
func (n *notifier) send(state string) bool {
	sent, err := daemon.SdNotify(false, state)
	if err != nil {
		n.log.Warn("the service manager is not told", zap.Error(err))
	}
	return sent
}

// statusLine joins reasons: a line break would begin another assignment.
func statusLine(reasons []string) string {
	return strings.Join(strings.Fields(strings.Join(reasons, "; ")), " ")
}
