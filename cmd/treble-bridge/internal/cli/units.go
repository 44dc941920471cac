package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// SkippedMessages says that messages of the stream were left out.
func SkippedMessages(n int64) string {
	return english.Plural(int(n), "message was", "messages were") + " skipped: no events of the bridge"
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

// durationFlag is a duration on the command line, read as the configuration reads one.
type durationFlag time.Duration

// DurationVar defines a flag for a duration. It is pflag's DurationVar with days.
func DurationVar(f *pflag.FlagSet, into *time.Duration, name string, usual time.Duration, usage string) {
	*into = usual
	f.Var((*durationFlag)(into), name, usage)
}

// Set implements pflag.Value, as do the others.
func (d *durationFlag) Set(text string) error {
	parsed, err := value.ParseDuration(text)
	if err == nil {
		*d = durationFlag(parsed)
	}
	return err
}

func (d *durationFlag) String() string {
	if *d == 0 {
		return "0" // which pflag does not show as a default
	}
	return time.Duration(*d).String()
}

// Type returns the word that a help text shows behind the flag.
func (d *durationFlag) Type() string { return "duration" }
