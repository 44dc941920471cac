package auth

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ip lets clients in by their address.
type ip struct {
	allow      []netip.Prefix
	credential *Credential
}

func (s ip) check(in Request) (*Credential, state) {
	if !Contains(s.allow, in.Client) {
		return nil, refused
	}
	return s.credential, satisfied
}

// Contains reports whether one of the networks has the address. The zero address is in none.
func Contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// ParseNetworks reads addresses and networks, such as 10.0.0.0/8, 192.0.2.7 or
// 2001:db8::/32. The error names the first entry that is neither, by its position. A network
// of all addresses is an error, since it would let everybody in.
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for i, text := range texts {
		n, err := parseNetwork(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("entry %d, %q, is no address and no network: use one such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32", i+1, text)
		}
		if n.Bits() == 0 {
			return nil, fmt.Errorf("entry %d, %q, is everybody: name the networks", i+1, text)
		}
		all = append(all, n)
	}
	return all, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if n.Addr().Is4In6() { // an address is compared in its shorter form
		if n.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%s is wider than all of IPv4", n)
		}
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n.Masked(), nil
}

// Proxies are the networks of proxies whose header X-Forwarded-For is believed.
type Proxies []netip.Prefix

// mostForwarded bounds the addresses of X-Forwarded-For that are read.
const mostForwarded = 32

// Client returns the address of the client: that of the connection's other end
// (http.Request.RemoteAddr, which a listener for the PROXY protocol sets too), or, if that is a
// trusted proxy, the last address in X-Forwarded-For that is not one. What an
// untrusted peer writes into the header changes nothing.
//
// It returns the zero value, which no network contains, if the client is not known: if a trusted
// proxy sends something that is no address, or too many of them. Peer is the other end of the connection.
func (p Proxies) Client(r *http.Request) (client, peer netip.Addr) {
	peer = ParseAddr(r.RemoteAddr)
	if len(p) == 0 || !Contains(p, peer) {
		return peer, peer
	}
	values := r.Header["X-Forwarded-For"]
	client = peer
	read := 0
	for i := len(values) - 1; i >= 0; i-- {
		rest := values[i]
		for more := true; more; read++ {
			if read == mostForwarded {
				return netip.Addr{}, peer
			}
			var entry string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, entry = rest[:at], rest[at+1:]
			} else {
				entry, more = rest, false
			}
			client = ParseAddr(strings.Trim(entry, " \t"))
			if !Contains(p, client) {
				return client, peer
			}
		}
	}
	return client, peer // all are proxies of ours: the first one is the client
}

// ParseAddr reads an address, with a port or without. It returns the zero address for any other text.
func ParseAddr(text string) netip.Addr {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	a, _ := netip.ParseAddr(text) // the zero address after an error
	return a.Unmap().WithZone("")
}
