package doctor

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

func TestCheckCredentials(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	ago := func(days int) *time.Time {
		at := now.AddDate(0, 0, -days)
		return &at
	}
	for _, tt := range []struct {
		name  string
		since *time.Time
		c     ops.CredentialStatus
		warns bool
	}{
		{"used", ago(100), ops.CredentialStatus{Scheme: "bearer", LastUsed: ago(29)}, false},
		{"unused", ago(100), ops.CredentialStatus{Scheme: "bearer", LastUsed: ago(30)}, true},
		{"never-used", ago(30), ops.CredentialStatus{Scheme: "bearer"}, true},
		{"cannot-tell", ago(29), ops.CredentialStatus{Scheme: "bearer"}, false},
		{"over", ago(1), ops.CredentialStatus{Scheme: "bearer", LastUsed: ago(0), NotAfter: ago(0)}, true},
		{"over-soon", ago(1), ops.CredentialStatus{Scheme: "bearer", LastUsed: ago(0), NotAfter: ago(-6)}, true},
		{"not-over", ago(1), ops.CredentialStatus{Scheme: "bearer", NotAfter: ago(-8)}, false},
		{"valid-since-yesterday", ago(100), ops.CredentialStatus{Scheme: "bearer", NotBefore: ago(1)}, false},
		{"valid-for-long", ago(100), ops.CredentialStatus{Scheme: "bearer", NotBefore: ago(31)}, true},
		{"open", ago(100), ops.CredentialStatus{Scheme: "open"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Source, tt.c.Name = "crm", "old"
			got := checkCredentials(ops.CredentialsStatus{Since: *tt.since, Credentials: []ops.CredentialStatus{tt.c}}, now)
			if len(got) != 1 || (got[0].Status == diagnose.Warn) != tt.warns || tt.warns && (got[0].Of != "crm/old" || got[0].Fix == "") {
				t.Errorf("got %+v, want a warning: %v", got, tt.warns)
			}
		})
	}
}
