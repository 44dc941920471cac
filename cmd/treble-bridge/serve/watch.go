package serve

import (
	"context"
	"crypto/sha256"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config"
)

const (
	// settled is the time without a change after which the files are read: whoever renews a certificate writes two of
	// them.
	settled = 500 * time.Millisecond
	// lookEvery is the interval at which files are read again, for changes that fsnotify does not report: on a
	// network file system, or behind a symbolic link to another directory.
	lookEvery = time.Minute
)

// reloader reads the configuration again at SIGHUP, and when one of its files has another
// content.
type reloader struct {
	bridge *Bridge
	load   func() (*config.Loaded, error)
	file   string // of the configuration; "": none
	log    *zap.Logger

	watcher *fsnotify.Watcher // nil: changes are only looked for
	seen    [sha256.Size]byte // what the files had in them when they were read last
}

// startReloader takes SIGHUP for itself, if hangup says so: it ends the process else. Call stop,
// once: it returns when no reload is at work.
func startReloader(b *Bridge, file string, hangup bool, load func() (*config.Loaded, error), log *zap.Logger) (stop func()) {
	r := &reloader{bridge: b, load: load, file: file, log: log}
	hangups := make(chan os.Signal, 1)
	if hangup {
		signal.Ignore(syscall.SIGHUP) // SIGHUP must not end the process
		signal.Notify(hangups, syscall.SIGHUP)
	}
	var err error
	if r.watcher, err = fsnotify.NewWatcher(); err != nil {
		r.watcher = nil
		log.Warn("changes of the configuration are noticed within a minute, and not at once", zap.Error(err))
	}
	r.seen = r.content()
	r.watch()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx, hangups)
	}()
	return func() {
		cancel()
		<-done
		signal.Stop(hangups)
		if r.watcher != nil {
			_ = r.watcher.Close()
		}
	}
}

func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	quiet := time.NewTimer(settled) // one look at what may have changed since the start
	defer quiet.Stop()
	var events <-chan fsnotify.Event
	var problems <-chan error
	if r.watcher != nil {
		events, problems = r.watcher.Events, r.watcher.Errors
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.reload()
		case <-events:
			quiet.Reset(settled)
		case err := <-problems: // events were lost, so something may have changed
			r.log.Debug("watch the files of the configuration", zap.Error(err))
			quiet.Reset(settled)
		case <-quiet.C:
			r.reloadIfChanged()
		case <-look.C:
			r.reloadIfChanged()
		}
	}
}

func (r *reloader) reloadIfChanged() {
	if r.content() != r.seen {
		r.reload()
	}
}

func (r *reloader) reload() {
	r.seen = r.content()        // before they are read: what changes meanwhile is another change
	_ = r.bridge.Reload(r.load) // it has logged the error
	r.watch()
}

// files returns the files whose content is part of the configuration.
func (r *reloader) files() []string {
	files := r.bridge.config.Files()
	if r.file != "" {
		files = append(files, r.file)
	}
	return files
}

// content returns what is in the files, as one sum.
func (r *reloader) content() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, file := range r.files() {
		b, err := os.ReadFile(file)
		if err != nil {
			b = []byte(err.Error())
		}
		of := sha256.Sum256(b)
		h.Write([]byte(file))
		h.Write(of[:])
	}
	h.Sum(sum[:0])
	return sum
}

// watch watches the directories of the files, and not the files: whoever replaces one in a single step, or
// exchanges the link that Kubernetes keeps a Secret behind, leaves the old file as it is.
func (r *reloader) watch() {
	if r.watcher == nil {
		return
	}
	var wanted []string
	for _, file := range r.files() {
		wanted = append(wanted, filepath.Dir(file))
	}
	for _, dir := range r.watcher.WatchList() {
		if !slices.Contains(wanted, dir) {
			_ = r.watcher.Remove(dir)
		}
	}
	for _, dir := range wanted {
		if err := r.watcher.Add(dir); err != nil {
			r.log.Debug("a directory cannot be watched: its files are looked at once a minute", zap.String("directory", dir), zap.Error(err))
		}
	}
}
