package publisher_test

import (
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*publisher.Config)
		want   []string // parts of the error; none: valid
	}{
		{"defaults", func(*publisher.Config) {}, nil},
		{"ack-unknown", func(c *publisher.Config) { c.Ack = "disk" }, []string{"publisher.ack", "journal", "stream"}},
		{"all-at-once", func(c *publisher.Config) {
			c.Ack, c.Stream, c.SubjectPrefix, c.Streams, c.Discard, c.Replicas = "x", "a.b", "A", "y", "z", 2
		},
			[]string{"publisher.ack", "publisher.stream:", "publisher.subject_prefix", "publisher.streams", "publisher.discard", "publisher.replicas"}},
		{"negative", func(c *publisher.Config) { c.AckTimeout, c.MaxAge, c.MaxBytes, c.DuplicateWindow = 0, -1, -1, 0 },
			[]string{"publisher.ack_timeout", "publisher.max_age", "publisher.max_bytes", "publisher.duplicate_window"}},
		{"window-over-age", func(c *publisher.Config) { c.MaxAge = time.Minute }, []string{"publisher.duplicate_window", "publisher.max_age"}},
		{"bounds", func(c *publisher.Config) {
			c.QuarantineMaxAge, c.QuarantineMaxBytes, c.ReplayMaxAge, c.ReplayMaxBytes, c.AuditMaxBytes = -1, -1, 1, -1, -1
		},
			[]string{"publisher.quarantine_max_age", "publisher.quarantine_max_bytes", "publisher.replay_max_age", "publisher.replay_max_bytes", "publisher.audit_max_bytes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := publisher.DefaultConfig()
			tt.change(&c)
			err := c.Validate()
			if len(tt.want) == 0 && err != nil {
				t.Errorf("got %v, want none", err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to name %q", err, want)
				}
			}
		})
	}
}

func TestValidateJournal(t *testing.T) {
	if err := publisher.DefaultJournalConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	err := publisher.JournalConfig{MaxBytes: 1024, Reserve: -1, Retain: -1}.Validate()
	for _, key := range []string{"journal.max_bytes", "journal.reserve", "journal.retain"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want it to name %s", err, key)
		}
	}
}
