package publisher_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// TestForeignStreams: what stands in the way and is not ours stays as it is, with
// publisher.streams: apply too, and whoever follows the fix gets the events published. A fix for
// the quarantine alone moves nothing.
func TestForeignStreams(t *testing.T) {
	stream := func(name, subject string) jetstream.StreamConfig {
		return jetstream.StreamConfig{Name: name, Subjects: []string{subject}, MaxAge: time.Hour, Duplicates: 2 * time.Minute}
	}
	production := []jetstream.StreamConfig{stream("TREBLE", "treble.>"), stream("TREBLE_QUARANTINE", "treble-quarantine.>")}
	mirror := func(name, of string) jetstream.StreamConfig {
		return jetstream.StreamConfig{Name: name, Mirror: &jetstream.StreamSource{Name: of}}
	}
	other := func(subjects ...string) []jetstream.StreamConfig {
		return []jetstream.StreamConfig{{Name: "OTHER", Subjects: subjects}}
	}
	const reads = "nats stream info "
	away := func(prefix, stream string) string {
		return "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=" + prefix + " TREBLE_BRIDGE_PUBLISHER_STREAM=" + stream
	}
	for _, tt := range []struct {
		name    string
		prefix  string
		own     []jetstream.StreamConfig // of the bridge
		foreign []jetstream.StreamConfig
		of      string // the stream with the finding
		problem string
		fix     string
	}{
		{"quarantine-subjects-taken", "treble", []jetstream.StreamConfig{stream("TREBLE", "treble.>")}, []jetstream.StreamConfig{stream("OTHER", "treble-quarantine.>")},
			"TREBLE_QUARANTINE", "OTHER captures", reads + "OTHER  # its owner would leave treble-quarantine.>"},
		{"quarantine-is-a-mirror", "treble", []jetstream.StreamConfig{stream("TREBLE", "treble.>")}, []jetstream.StreamConfig{stream("PROD", "prod.>"), mirror("TREBLE_QUARANTINE", "PROD")},
			"TREBLE_QUARANTINE", "mirror of PROD", reads + "TREBLE_QUARANTINE  # its owner"},
		{"quarantine-of-another", "treble", []jetstream.StreamConfig{stream("TREBLE", "treble.>")}, []jetstream.StreamConfig{stream("TREBLE_QUARANTINE", "other.>")},
			"TREBLE_QUARANTINE", "takes other.>", reads + "TREBLE_QUARANTINE  # its owner"},
		{"beside-production", "treble.dev", nil, production,
			"TREBLE", "it takes treble.>, which is more than the treble.dev.>", away("treble-dev", "TREBLE_DEV")},
		{"beside-half-of-production", "treble.dev", nil, production[:1],
			"TREBLE", "it takes treble.>, which is more than the treble.dev.>", away("treble-dev", "TREBLE_DEV")},
		{"beside-production-with-another-prefix", "treble-dev", nil, production,
			"TREBLE", "it is not this bridge's", away("treble-dev", "TREBLE_DEV")},
		{"beside-half-of-production-with-another-prefix", "treble-dev", nil, production[:1],
			"TREBLE", "it is not this bridge's", away("treble-dev-bridge", "TREBLE_DEV_BRIDGE")},
		{"mirror", "treble", nil, []jetstream.StreamConfig{stream("PROD", "prod.>"), mirror("TREBLE", "PROD")},
			"TREBLE", "mirror of PROD", away("treble-bridge", "TREBLE_BRIDGE")},
		{"mirror-of-ours", "treble", nil, []jetstream.StreamConfig{stream("PROD", "treble.>"), mirror("TREBLE", "PROD")},
			"TREBLE", "mirror of PROD", away("treble-bridge", "TREBLE_BRIDGE")},
		{"overlap-of-production", "treble.dev", nil, other("treble.>"), "TREBLE", "OTHER captures subjects of treble.dev.>", away("treble-dev", "TREBLE_DEV")},
		{"overlap-of-the-same-prefix", "treble", nil, other("treble.>"), "TREBLE", "OTHER captures subjects of treble.>", away("treble-bridge", "TREBLE_BRIDGE")},
		{"overlap-of-a-part", "treble", nil, other("treble.message.*", "mine.>"), "TREBLE", "OTHER captures subjects of treble.>", away("treble-bridge", "TREBLE_BRIDGE")},
		{"overlap-of-the-proposal-too", "treble.dev", nil, other("treble.>", "treble-dev.>", "treble-dev-bridge.message.read"),
			"TREBLE", "OTHER captures subjects of treble.dev.>", away("treble-dev-2", "TREBLE_DEV_2")},
		{"overlap-of-the-proposals-quarantine", "treble.dev", nil, other("treble.>", "treble-dev-quarantine.>"),
			"TREBLE", "OTHER captures subjects of treble.dev.>", away("treble-dev-bridge", "TREBLE_DEV_BRIDGE")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := natstest.Start(t)
			before := map[string]jetstream.StreamConfig{}
			for _, cfg := range slices.Concat(tt.own, tt.foreign) {
				before[cfg.Name] = n.Stream(t, cfg).CachedInfo().Config
			}
			o := withJournal(t, n.URL)
			o.Config.SubjectPrefix, o.Config.Streams = tt.prefix, streams.Apply
			p := open(t, o)
			found := finding(p, tt.of, tt.problem)
			fix := found.Fix
			if !strings.HasPrefix(fix, tt.fix) {
				t.Fatalf("findings %v", p.Findings())
			}
			if !strings.HasPrefix(fix, reads) && (fix != tt.fix || found.FixIn != streams.InEnv || !says(p, "; fix, in the environment: "+fix)) {
				t.Errorf("%+v, told as %+v; want it for the environment", found, p.Status())
			}
			for _, f := range p.Findings() {
				if strings.Contains(f.Fix, "stream edit") {
					t.Errorf("a fix changes what is foreign: %v", f)
				}
			}
			if alone := tt.problem == "it is not this bridge's" || strings.HasPrefix(tt.name, "mirror"); alone {
				// A quarantine beside it would be in the way of its owner.
				for name := range n.JS.StreamNames(t.Context()).Name() {
					if _, known := before[name]; !known {
						t.Errorf("%s was made", name)
					}
				}
			}
			closed(t, p)

			for _, line := range strings.Fields(fix) { // the reader follows it
				key, value, _ := strings.Cut(line, "=")
				switch key {
				case "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX":
					o.Config.SubjectPrefix = value
				case "TREBLE_BRIDGE_PUBLISHER_STREAM":
					o.Config.Stream = value
				}
			}
			o.Metrics = nil
			p = open(t, o)
			publish(t, p, "e")
			n.WantIDs(t, o.Config.Stream, "e")
			if o.Config.Stream != "TREBLE" && len(p.Findings()) > 0 {
				t.Errorf("after the fix: %v", p.Findings())
			}
			for _, cfg := range tt.foreign {
				if got := n.StreamInfo(t, cfg.Name).Config; !reflect.DeepEqual(got, before[cfg.Name]) {
					t.Errorf("%s is %+v, was %+v", cfg.Name, got, before[cfg.Name])
				}
			}
		})
	}
}

// TestSharedOnPurpose: a stream with more than the bridge needs goes on working, without a
// finding or a warning, as long as all of ours is captured.
func TestSharedOnPurpose(t *testing.T) {
	for name, tt := range map[string]struct {
		prefix   string
		subjects map[string][]string
	}{
		"beside-ours": {"treble", map[string][]string{"TREBLE": {"treble.>", "mine.>"}, "TREBLE_QUARANTINE": {"treble-quarantine.>", "more.>"}}},
		"wider":       {"company.x.treble", map[string][]string{"TREBLE": {"company.*.treble.>"}, "TREBLE_QUARANTINE": {"company.*.treble-quarantine.>"}}},
	} {
		t.Run(name, func(t *testing.T) {
			n := natstest.Start(t)
			for stream, subjects := range tt.subjects {
				cfg := madeByABridge(t)
				cfg.Name, cfg.Subjects = stream, subjects
				n.Stream(t, cfg)
			}
			o := withJournal(t, n.URL)
			log := &natstest.LogBuffer{}
			o.Log, o.Config.SubjectPrefix = log.Logger(), tt.prefix
			p := open(t, o)
			publish(t, p, "e")
			if got := n.IDs(t, "TREBLE"); !slices.Equal(got, []string{"e"}) || len(p.Findings()) > 0 || strings.Contains(log.String(), `"level":"warn"`) {
				t.Errorf("holds %v, findings %v, log\n%s", got, p.Findings(), log)
			}
		})
	}
}

// TestForeignWithoutNames: a user who may not list streams is told what to find, in place of names
// that nobody looked for.
func TestForeignWithoutNames(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t, natstest.User("u", natstest.MayNotPublish("$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST")))
	n.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"other.>"}})
	o := withJournal(t, n.URL)
	o.NATS.User, o.NATS.Password = "u", "u"
	p := open(t, o)
	want := "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=<a prefix that no other stream has> TREBLE_BRIDGE_PUBLISHER_STREAM=<a name that no other stream has>"
	natstest.Eventually(t, "the finding is there", func() bool {
		return slices.ContainsFunc(p.Findings(), func(f streams.Finding) bool { return f.Stream == "TREBLE" && f.Fix == want && f.FixIn == streams.InEnv })
	})
}
