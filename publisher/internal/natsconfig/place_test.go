package natsconfig_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

func TestInDomain(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  natsconfig.Config
		ack  string
		want bool
	}{
		"no-domain":               {natsconfig.Config{}, "", true},
		"domain-of-the-server":    {natsconfig.Config{}, "hub", true},
		"the-one":                 {natsconfig.Config{JetStreamDomain: "hub"}, "hub", true},
		"another":                 {natsconfig.Config{JetStreamDomain: "hub"}, "leaf", false},
		"none":                    {natsconfig.Config{JetStreamDomain: "hub"}, "", false},
		"prefix-of-a-domain":      {natsconfig.Config{APIPrefix: "$JS.hub.API"}, "leaf", false},
		"prefix-of-a-domain-dot":  {natsconfig.Config{APIPrefix: "$JS.hub.API."}, "hub", true},
		"prefix-of-an-account":    {natsconfig.Config{APIPrefix: "JS.treble"}, "hub", true},
		"prefix-of-this-account":  {natsconfig.Config{APIPrefix: "$JS.API"}, "hub", true},
		"prefix-with-more-to-it":  {natsconfig.Config{APIPrefix: "x.$JS.hub.API"}, "leaf", true},
		"prefix-of-domain-nobody": {natsconfig.Config{APIPrefix: "$JS.hub.API"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.cfg.InDomain(tt.ack); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
