package auth_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

func proxies(t testing.TB, networks ...string) auth.Proxies {
	t.Helper()
	all, err := auth.ParseNetworks(networks)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestClientBehindProxies(t *testing.T) {
	trusted := []string{"10.0.0.0/8", "2001:db8::/32"}
	for _, tt := range []struct {
		name      string
		trusted   []string
		peer      string
		forwarded []string
		want      string // "" if the client is not known
	}{
		{"alone", nil, "192.0.2.1:1", nil, "192.0.2.1"},
		{"nobody-is-trusted", nil, "192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"},
		{"untrusted-peer", trusted, "192.0.2.1:1", []string{"10.0.0.1, 198.51.100.1"}, "192.0.2.1"},
		{"proxy", trusted, "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"proxy-without-header", trusted, "10.0.0.1:1", nil, "10.0.0.1"},
		{"chain", trusted, "10.0.0.1:1", []string{"203.0.113.1, 198.51.100.1,10.0.0.2 , 10.0.0.3"}, "198.51.100.1"},
		{"several-headers", trusted, "10.0.0.1:1", []string{"203.0.113.1", "198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"all-are-proxies", trusted, "10.0.0.1:1", []string{"10.0.0.4, 10.0.0.3"}, "10.0.0.4"},
		{"spoofed-behind-garbage", trusted, "10.0.0.1:1", []string{"198.51.100.1, unknown"}, ""},
		{"garbage-before", trusted, "10.0.0.1:1", []string{"garbage, 198.51.100.1"}, "198.51.100.1"},
		{"empty", trusted, "10.0.0.1:1", []string{""}, ""},
		{"port", trusted, "10.0.0.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"ipv6", trusted, "[2001:db8::1]:1", []string{"2001:db9::7"}, "2001:db9::7"},
		{"ipv6-brackets", trusted, "[2001:db8::1]:1", []string{"[2001:db9::7]"}, "2001:db9::7"},
		{"ipv6-port", trusted, "[2001:db8::1]:1", []string{"[2001:db9::7]:80"}, "2001:db9::7"},
		{"mapped-peer", trusted, "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"zone", trusted, "[2001:db8::1%eth0]:1", []string{"2001:db9::7%x"}, "2001:db9::7"},
		{"too-many", trusted, "10.0.0.1:1", []string{strings.Repeat("10.0.0.2,", 100) + "10.0.0.2"}, ""},
		{"too-many-headers", trusted, "10.0.0.1:1", strings.Split(strings.Repeat("10.0.0.2,", 100)+"10.0.0.2", ","), ""},
		{"peer-is-no-address", trusted, "@", []string{"198.51.100.1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.forwarded}}
			client, _ := proxies(t, tt.trusted...).Client(r)
			want := netip.Addr{}
			if tt.want != "" {
				want = netip.MustParseAddr(tt.want)
			}
			if client != want {
				t.Errorf("got %s, want %s", client, want)
			}
		})
	}
}

// FuzzClient: what an untrusted peer writes changes nothing, and behind a trusted proxy the
// client is the last address that is not a proxy.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{"", "198.51.100.1", "10.0.0.1, 198.51.100.1", ",", "[::1]:80", "a,b", "::ffff:10.0.0.1", "10.0.0.1,,"} {
		f.Add(seed, seed)
	}
	p := proxies(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, one, two string) {
		r := &http.Request{RemoteAddr: "192.0.2.1:4711", Header: http.Header{"X-Forwarded-For": {one, two}}}
		if got, peer := p.Client(r); got != netip.MustParseAddr("192.0.2.1") || peer != got {
			t.Errorf("%q, %q: from an untrusted peer got %s", one, two, got)
		}
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header["X-Forwarded-For"] = []string{one, two, "198.51.100.1"}
		if got, _ := p.Client(r); got != netip.MustParseAddr("198.51.100.1") {
			t.Errorf("%q, %q: what a client wrote in front of the proxy's own entry counts: %s", one, two, got)
		}
		r.Header["X-Forwarded-For"] = []string{one, two}
		got, _ := p.Client(r)
		if got.IsValid() && !strings.Contains(one+two, got.String()) && !strings.Contains(one+two, ":") {
			t.Errorf("%q, %q: got %s, which is not there", one, two, got)
		}
	})
}

func TestFailuresOfAnAddressAreLimited(t *testing.T) {
	now := time.Now()
	f := auth.NewFailures(6)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 6 {
		if _, tooMany := f.Fail(a, now); tooMany {
			t.Fatalf("failure %d is one too many", i+1)
		}
	}
	retry, tooMany := f.Fail(a, now)
	if !tooMany || retry <= 0 || retry > 10*time.Second {
		t.Errorf("got %v %v, want too many, and up to 10 s", retry, tooMany)
	}
	if _, tooMany := f.Fail(b, now); tooMany {
		t.Error("another address pays for it")
	}
	if _, tooMany := f.Fail(a, now.Add(10*time.Second)); tooMany {
		t.Error("it never ends")
	}
	// One host has a whole /64.
	for i := range 7 {
		_, tooMany = f.Fail(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), now)
	}
	if !tooMany {
		t.Error("another address of the same /64 counts anew")
	}
	if _, tooMany := f.Fail(netip.MustParseAddr("2001:db8:0:1::1"), now); tooMany {
		t.Error("another /64 pays for it")
	}
	// The table is bounded: what was quiet the longest is forgotten.
	for i := range 20_000 {
		f.Fail(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	if n := f.Addresses(); n > 10_000 {
		t.Errorf("%d addresses are kept", n)
	}
	if _, tooMany := auth.NewFailures(0).Fail(a, now); tooMany {
		t.Error("0 is a limit")
	}
}

func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{"bearer", "ip and (bearer or hmac)", "((((", "and", "bearer or", "bearer or ip or ip"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := auth.Config{Bearer: []value.Secret{first}, IP: auth.IPConfig{Allow: []string{"192.0.2.1"}}, Require: text}
		a, err := auth.New(c, "auth")
		if err != nil {
			return
		}
		// Whatever the policy, a request with nothing is refused.
		if got := authenticate(a, post(), nil); got != nil {
			t.Errorf("%q lets in a request with nothing", text)
		}
	})
}
