package publisher

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// Where the line of a fix is to be put.
const (
	InShell  = "shell"            // a command line
	InEnv    = "environment"      // a line for the environment of the bridge; the key may be set in its file instead
	InServer = "nats-server.conf" // a line of the configuration of your NATS
)

// A reader of a fix line is tired and pastes it. So none deletes anything, here or
// elsewhere, and none changes what is not the bridge's own: an edit only adds to a stream
// of the bridge, and what cannot be edited begins with a copy. TestNoFixDestroys holds it.

// fix is a line that mends something, and where to put it.
type fix struct{ line, in string }

func inShell(format string, args ...any) fix  { return fix{fmt.Sprintf(format, args...), InShell} }
func inServer(format string, args ...any) fix { return fix{fmt.Sprintf(format, args...), InServer} }
func setting(key string, value any) fix       { return fix{Setting(key, value), InEnv} }

// Placed is a command line for the JetStream that n names: the nats command has to be told its domain.
func Placed(line string, n NATSConfig) string {
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
func placed(findings []Finding, n NATSConfig) []Finding {
	for i, f := range findings {
		if f.FixIn == InShell {
			findings[i].Fix = Placed(f.Fix, n)
		}
	}
	return findings
}

// where says in words where a line is to be put; a command line needs none.
func where(in string) string {
	switch in {
	case InEnv:
		return ", in the environment"
	case InServer:
		return ", in " + InServer
	}
	return ""
}

// Setting is the environment variable that gives a key of the configuration a value.
func Setting(key string, value any) string {
	return fmt.Sprintf("TREBLE_BRIDGE_%s=%v", strings.ToUpper(strings.ReplaceAll(key, ".", "_")), value)
}

// EditStream is the command that changes a setting of a stream of the bridge; never give it
// another's.
func EditStream(name, flags string) string { return fmt.Sprintf("nats stream edit %s %s", name, flags) }

// startAnew is the way out where a setting cannot be changed: the first step of the chapter
// in docs/operations.md, which only reads. What follows it removes the stream, and so it is not
// a line to paste.
func (w wantedStream) startAnew() fix {
	return inShell("%s  # the first step of docs/operations.md, \"A stream that must be made anew\"", w.toFile)
}

// insteadOfMirror is the fix for a mirror, which is not ours: its origin, if that is a stream
// of this account that can take our subjects, or else a stream of another name.
func (w wantedStream) insteadOfMirror(m *jetstream.StreamSource) fix {
	if w.required && m.External == nil && m.Domain == "" && streamName.MatchString(m.Name) {
		return setting("publisher.stream", m.Name)
	}
	return setting("publisher.stream", w.config.Stream+"_2")
}

// freePrefix is the fix for subjects that somebody else's stream has: a prefix that no
// stream captures, as far as can be asked.
func (w wantedStream) freePrefix(ctx context.Context, js jetstream.JetStream) fix {
	flat := strings.ReplaceAll(string(w.prefix), ".", "-")
	candidates := []string{flat + "-bridge", flat + "-2", flat + "-3"}
	if flat != string(w.prefix) {
		candidates = append([]string{flat}, candidates...)
	}
	for _, c := range candidates {
		if isFree(ctx, js, schema.Prefix(c)) {
			return setting("publisher.subject_prefix", c)
		}
	}
	return setting("publisher.subject_prefix", "<a prefix that no other stream has>")
}

// isFree reports whether no stream captures a subject with the prefix.
func isFree(ctx context.Context, js jetstream.JetStream, p schema.Prefix) bool {
	for _, subject := range []string{p.All(), p.AllQuarantine(), p.AllReplay()} {
		if _, err := js.StreamNameBySubject(ctx, subject); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return false
		}
	}
	return true
}
