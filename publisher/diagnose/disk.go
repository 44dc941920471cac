package diagnose

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// leastFree is the space that should be free beside the reserve, so that the operator has time to
// act.
const leastFree = 64 * value.MiB

// Disk holds the free disk against what journal and embedded store may need.
func Disk(o Options) Check {
	const name = "disk"
	dir := existing(o.DataDir)
	free := datadir.Free(dir)
	if free == 0 {
		return check(name, "", Fail, "no disk is free where data_dir is (%s): events are answered 503", o.DataDir).shell("df -h %s", Quote(dir))
	}
	if !o.Journal.Answers && !o.embedded() {
		return check(name, "", Pass, "%s free; only the set-aside needs it", value.FormatBytes(free))
	}
	reserve, grows := int64(o.Journal.Reserve), int64(0)
	if o.Journal.Answers {
		grows = max(int64(o.Journal.MaxBytes)-size(filepath.Join(o.DataDir, datadir.Journal)), 0)
	}
	room := free - reserve
	if o.embedded() {
		room = room * 4 / 9 // its store is on the same disk: an event needs 1.25 times its room there too
	}
	switch {
	case room < int64(leastFree):
		return check(name, "", Fail, "%s free, of which the journal leaves %s alone: events are answered 503 now or soon", value.FormatBytes(free), value.FormatBytes(reserve)).
			shell("du -xh -d 2 %s | sort -h | tail", Quote(dir))
	case room < grows:
		return check(name, "", Warn, "%s free, and the journal may grow by %s: when NATS is away for long the disk is full before journal.max_bytes says so", value.FormatBytes(free), value.FormatBytes(grows)).
			set("journal.max_bytes", max(value.Size(room/2)/value.MiB, 16)*value.MiB)
	}
	return check(name, "", Pass, "%s free, the journal may grow by %s", value.FormatBytes(free), value.FormatBytes(grows))
}

// existing is the directory itself, or the one in which it will be made.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// size returns the total size of the files below a directory.
func size(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile, or not for us
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
