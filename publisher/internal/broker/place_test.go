package broker

import "testing"

func TestInDomain(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  NATSConfig
		ack  string
		want bool
	}{
		"no-domain":               {NATSConfig{}, "", true},
		"domain-of-the-server":    {NATSConfig{}, "hub", true},
		"the-one":                 {NATSConfig{JetStreamDomain: "hub"}, "hub", true},
		"another":                 {NATSConfig{JetStreamDomain: "hub"}, "leaf", false},
		"none":                    {NATSConfig{JetStreamDomain: "hub"}, "", false},
		"prefix-of-a-domain":      {NATSConfig{APIPrefix: "$JS.hub.API"}, "leaf", false},
		"prefix-of-a-domain-dot":  {NATSConfig{APIPrefix: "$JS.hub.API."}, "hub", true},
		"prefix-of-an-account":    {NATSConfig{APIPrefix: "JS.treble"}, "hub", true},
		"prefix-of-this-account":  {NATSConfig{APIPrefix: "$JS.API"}, "hub", true},
		"prefix-with-more-to-it":  {NATSConfig{APIPrefix: "x.$JS.hub.API"}, "leaf", true},
		"prefix-of-domain-nobody": {NATSConfig{APIPrefix: "$JS.hub.API"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.cfg.InDomain(tt.ack); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
