package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// FilterFlags are the flags by which commands choose stored events.
type FilterFlags struct {
	kinds                        []string
	session, conversation, phone string
	source, id                   string
	period                       Period
	fromSeq, toSeq               uint64
}

// Add adds the flags to a command.
func (f *FilterFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.kinds, "kind", nil, "only events of this kind, such as message.read or message.*; may be repeated")
	flags.StringVar(&f.session, "session", "", "only events of the session with this id")
	flags.StringVar(&f.conversation, "conversation", "", "only events of the conversation with this id")
	flags.StringVar(&f.phone, "phone", "", "only events of this number, such as +573001234567; it is compared and not logged")
	flags.StringVar(&f.source, "source", "", "only events of the source with this name")
	flags.StringVar(&f.id, "id", "", "only the event with this id")
	f.period.Add(flags, "until", "stored")
	flags.Uint64Var(&f.fromSeq, "from-seq", 0, "only from this sequence of the stream on")
	flags.Uint64Var(&f.toSeq, "to-seq", 0, "only up to this sequence of the stream")
	CompleteFlag(cmd, "kind", schema.Kinds())
}

// Empty reports whether no flag is set.
func (f *FilterFlags) Empty() bool {
	return len(f.kinds) == 0 && f.fromSeq == 0 && f.toSeq == 0 &&
		f.session+f.conversation+f.phone+f.source+f.id+f.period.Since+f.period.Until == ""
}

// Filter checks the flags. Its errors are of usage, and name no number.
func (f *FilterFlags) Filter(now time.Time) (client.Filter, error) {
	out := client.Filter{Session: f.session, Conversation: f.conversation, Source: f.source, ID: f.id, FromSeq: f.fromSeq, ToSeq: f.toSeq}
	var err error
	if out.Kinds, err = client.MatchKinds(f.kinds); err != nil {
		return out, Usagef("--kind: %w", err)
	}
	if f.phone != "" {
		var ok bool
		if out.Phone, ok = schema.ParsePhone(f.phone); !ok {
			return out, Usagef("--phone: use the international form, such as +573001234567")
		}
	}
	if out.Since, out.Until, err = f.period.Parse(now); err != nil {
		return out, err
	}
	if out.ToSeq > 0 && out.FromSeq > out.ToSeq {
		return out, Usagef("--to-seq: use a sequence that is not below that of --from-seq")
	}
	return out, nil
}

// Period has the texts of the flags that begin and end a period. An empty text sets no bound.
type Period struct {
	Since, Until string
	until        string // the name of the flag of Until
}

// Add adds the flags, for what was stored or received. That of Until has the name until.
func (p *Period) Add(flags *pflag.FlagSet, until, done string) {
	p.until = until
	flags.StringVar(&p.Since, "since", "", "only what was "+done+" since this time (RFC 3339) or this long ago (2h)")
	flags.StringVar(&p.Until, until, "", "only what was "+done+" before this time (RFC 3339) or this long ago (2h)")
}

// Parse returns the bounds of the period; one that is not set is the zero time. Its errors are
// usage errors.
func (p Period) Parse(now time.Time) (from, to time.Time, err error) {
	if p.Since != "" {
		if from, err = ParseSince(p.Since, now); err != nil {
			return from, to, Usagef("--since: %w", err)
		}
	}
	if p.Until == "" {
		return from, to, nil
	}
	if to, err = ParseSince(p.Until, now); err != nil {
		return from, to, Usagef("--%s: %w", p.until, err)
	}
	if !from.Before(to) {
		return from, to, Usagef("--%s: use a time after that of --since", p.until)
	}
	return from, to, nil
}

// ParseSince reads a time, a day (its beginning in UTC), or how long ago it was.
func ParseSince(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if d, err := value.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time such as 2026-01-31T08:00:00Z, nor a day such as 2026-01-31, nor a duration such as 2h or 7d", s)
}

// CompleteFlag makes the shell complete a flag's value to one of the words.
func CompleteFlag[T ~string](cmd *cobra.Command, flag string, words []T) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(Texts(words), cobra.ShellCompDirectiveNoFileComp)) // fails for a flag that is not there
}

// Texts returns values of a string type, such as kinds, as strings.
func Texts[T ~string](values []T) []string {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return texts
}
