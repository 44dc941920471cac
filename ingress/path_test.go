package ingress_test

import (
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/schema"
)

// TestPathsLeadPastNoSecret: an open source and a closed one stand side by side, also one
// inside the pattern of the other. However a path is written, it leads to one source, asks
// for that source's secret, and is known as a path of it.
func TestPathsLeadPastNoSecret(t *testing.T) {
	s := newSetup()
	open, closed := s.sources[0], s.sources[0]
	open.Name, open.Paths, open.Auth = "open", []string{"/open/*", "/closed-*", "/o"}, auth.Config{Disabled: true}
	closed.Name, closed.Paths = "closed", []string{"/open/secret", "/closed-1", "/closed/*", "/"}
	closed.Auth = auth.Config{Bearer: []value.Secret{token}}
	s.sources = []ingress.SourceConfig{open, closed}
	b := s.start(t)

	for _, tt := range []struct {
		name, target string // of the request line
		source       string // "" for none
	}{
		{"open", "/open/x", "open"},
		{"closed", "/open/secret", "closed"},
		{"closed/slash", "/open/secret/", "closed"},
		{"closed/slashes", "//open///secret//", "closed"},
		{"closed/blank", "/open/secret%20", "closed"},
		{"closed/blanks-and-slashes", "/open/secret%20/%09//%0a", "closed"},
		{"closed/no-break-space", "/open/secret%c2%a0", "closed"},
		{"closed/unseen", "/open/secret%e2%80%8b", "closed"},
		{"closed/byte-order-mark", "/open/secret%ef%bb%bf", "closed"},
		{"closed/nul", "/open/secret%00", "closed"},
		{"closed/escaped-slash", "/open%2fsecret", "closed"},
		{"closed/escaped-slashes", "%2fopen%2f%2Fsecret", ""}, // no request line at all
		{"closed/escaped-letter", "/open/%73ecret", "closed"},
		{"closed/query", "/open/secret?/x", "closed"},
		{"closed/absolute", "http://host//open/secret/", "closed"},
		{"closed/absolute-of-another", "http://open/open/secret", "closed"},
		{"closed/in-the-pattern-of-the-open-one", "/closed-1/", "closed"},
		{"closed/segment", "/closed//x", "closed"},
		{"closed/root", "/", "closed"},
		{"closed/root-slashes", "///", "closed"},
		{"closed/root-blank", "/%20", "closed"},
		{"open/in-its-pattern", "/closed-2", "open"},
		{"open/escaped-twice", "/open/%2573ecret", "open"}, // the name is %73ecret
		{"open/blank-before", "/open/%20secret", "open"},
		{"open/case", "/open/Secret", "open"},
		{"open/parameter", "/open/secret;x", "open"},
		{"open/slash-at-the-end", "/o/", "open"},
		{"dots/up", "/open/../open/secret", ""},
		{"dots/up-escaped", "/open/%2e%2e/open/secret", ""},
		{"dots/up-and-slash-escaped", "/open/..%2fsecret", ""},
		{"dots/here", "/open/./secret", ""},
		{"dots/here-alone", "/open/.", "open"}, // a name like any other
		{"backslash", "/open%5csecret", ""},
		{"nothing-after", "/open//", ""},
		{"two-segments", "/open/x/y", ""},
		{"host-as-path", "//host/open/secret", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(b.accepter.got())
			without := b.send(t, tt.target, read).status
			if got := b.accepter.got()[before:]; tt.source != "open" && len(got) > 0 {
				t.Fatalf("without a secret it was kept: %+v", got)
			}
			with := b.send(t, tt.target, read, "Authorization: Bearer "+token).status
			want := [2]int{404, 404}
			switch {
			case !strings.Contains(tt.target, "://") && !strings.HasPrefix(tt.target, "/"):
				want = [2]int{400, 400}
			case tt.source == "open":
				want = [2]int{200, 200}
			case tt.source == "closed":
				want = [2]int{401, 200}
			}
			if got := [2]int{without, with}; got != want {
				t.Errorf("without and with the secret: got %v, want %v", got, want)
			}
			for _, d := range b.accepter.got()[before:] {
				if tt.source == "" && d.Rejection != nil && d.Rejection.Reason == schema.ReasonNotFound {
					continue
				}
				if d.Source != tt.source {
					t.Errorf("source: got %s, want %s", d.Source, tt.source)
				}
				if known := map[string]ingress.SourceConfig{"open": open, "closed": closed}[d.Source]; !known.Serves(d.Path) {
					t.Errorf("the path %q is none of the source %s", d.Path, d.Source)
				}
			}
		})
	}
}
