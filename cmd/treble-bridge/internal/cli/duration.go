package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/config/value"
)

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
