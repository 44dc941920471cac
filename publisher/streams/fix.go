package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Where the line of a fix is to be put.
const (
	InShell  = "shell"            // a command line
	InEnv    = "environment"      // a line for the environment of the bridge; the key may be set in its file instead
	InServer = "nats-server.conf" // a line of the configuration of your NATS
)

// A fix line is pasted in a hurry. So no line deletes anything, and no line changes what is not
// the bridge's own: an edit only adds to a stream of the bridge, and where a setting cannot be
// edited the line makes a copy first. TestNoFixDestroys checks this.

// fix is a line that mends something, and where to put it.
type fix struct{ line, in string }

func inShell(format string, args ...any) fix  { return fix{fmt.Sprintf(format, args...), InShell} }
func inServer(format string, args ...any) fix { return fix{fmt.Sprintf(format, args...), InServer} }
func setting(key string, value any) fix       { return fix{Setting(key, value), InEnv} }

// Placed is a command line for the JetStream that n names: the nats command has to be told its domain.
func Placed(line string, n natsconfig.Config) string {
	rest, ok := strings.CutPrefix(line, "nats ")
	switch {
	case !ok:
		return line
	case n.JetStreamDomain != "":
		return fmt.Sprintf("nats --js-domain=%s %s", n.JetStreamDomain, rest)
	case n.APIPrefix != "":
		return fmt.Sprintf("nats --js-api-prefix='%s' %s", strings.TrimSuffix(n.APIPrefix, "."), rest)
	}
	return line
}

// placed makes the fixes of findings ones for the JetStream that n names.
func placed(findings []Finding, n natsconfig.Config) []Finding {
	for i, f := range findings {
		if f.FixIn == InShell {
			findings[i].Fix = Placed(f.Fix, n)
		}
	}
	return findings
}

// FixClause ends a sentence with the line that mends it, and where to put that.
func FixClause(line, in string) string {
	switch in {
	case InEnv:
		in = ", in the environment"
	case InServer:
		in = ", in " + InServer
	default:
		in = "" // a command line needs no words
	}
	return fmt.Sprintf("; fix%s: %s", in, line)
}

// Setting is the environment variable that gives a key of the configuration a value.
func Setting(key string, value any) string {
	return fmt.Sprintf("TREBLE_BRIDGE_%s=%v", strings.ToUpper(strings.ReplaceAll(key, ".", "_")), value)
}

// editStream is the command that changes a setting of a stream of the bridge; only
// comparison.edit, which knows whose it is, may call it.
func editStream(name, flags string) string { return fmt.Sprintf("nats stream edit %s %s", name, flags) }

// startAnew is the way out where a setting cannot be changed: the first step of the chapter
// in docs/operations.md, which only reads. What follows it removes the stream, and so it is not
// a line to paste.
func (w wantedStream) startAnew() fix {
	return inShell("%s  # the first step of docs/operations.md, \"A stream that must be made anew\"", w.exportCommand)
}

// ask is the fix for what only the owner of a stream can mend, if that may not be us: it reads,
// and says what the owner would do.
func ask(stream, format string, args ...any) fix {
	return inShell("nats stream info %s  # %s", stream, fmt.Sprintf(format, args...))
}

// moveTimeout bounds the search for what is free, which only makes a fix better.
const moveTimeout = time.Second

// move is the fix for a stream that is not ours, or whose subjects another stream has: another
// prefix and another stream name, both free. One of them alone would leave the bridge in the way
// of a stream that it made itself, or the quarantine without its subjects.
func (w wantedStream) move(ctx context.Context, js jetstream.JetStream) fix {
	prefix, stream := "<a prefix that no other stream has>", "<a name that no other stream has>"
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	if names, err := streamNames(ctx, js); err == nil {
		flat := strings.ReplaceAll(string(w.spec.Prefix), ".", "-")
		candidates := []string{flat + "-bridge", flat + "-2", flat + "-3"}
		// With a quarantine that it made itself, the bridge holds the prefix that it has.
		if flat != string(w.spec.Prefix) || slices.Contains(names, w.spec.Events.Quarantine()) {
			candidates = append([]string{flat}, candidates...)
		}
		for _, c := range candidates {
			if name := freeName(names, c); name != "" && isFree(ctx, js, schema.Prefix(c)) {
				prefix, stream = c, name
				break
			}
		}
	}
	first, second := setting("publisher.subject_prefix", prefix), setting("publisher.stream", stream)
	return fix{first.line + " " + second.line, InEnv}
}

// streamNames returns the names of the account's streams; none without a connection.
func streamNames(ctx context.Context, js jetstream.JetStream) (names []string, err error) {
	if js == nil {
		return nil, nil
	}
	list := js.StreamNames(ctx)
	for name := range list.Name() {
		names = append(names, name)
	}
	return names, list.Err()
}

// freeName is a name for the event stream of a prefix that leaves all its streams free, or "".
func freeName(taken []string, prefix string) string {
	base := strings.ToUpper(strings.ReplaceAll(prefix, "-", "_"))
	for _, name := range []string{base, base + "_2", base + "_3"} {
		if !slices.ContainsFunc(taken, func(s string) bool { return s == name || strings.HasPrefix(s, name+"_") }) {
			return name
		}
	}
	return ""
}

// isFree reports whether no stream captures a subject with the prefix.
func isFree(ctx context.Context, js jetstream.JetStream, p schema.Prefix) bool {
	if js == nil {
		return true
	}
	for _, subject := range []string{p.All(), p.AllQuarantine(), p.AllReplay()} {
		if _, err := js.StreamNameBySubject(ctx, subject); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return false
		}
	}
	return true
}
