package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// Count writes a number with its noun.
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, names := float64(n), []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := -1
	for f >= unit && i < len(names)-1 {
		f /= unit
		i++
	}
	return fmt.Sprintf("%.1f %s", f, names[i])
}

// SkippedMessages says that messages of the stream were left out.
func SkippedMessages(n int64) string {
	return Count(n, "message was", "messages were") + " skipped: no events of the bridge"
}

// ShellWords joins words to a command line that can be pasted, each quoted if it
// needs it.
func ShellWords(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = diagnose.Quote(terminal.Printable(word))
	}
	return strings.Join(quoted, " ")
}

// Span writes a length of time for people: two units of it are enough.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
