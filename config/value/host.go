package value

import (
	"net"
	"net/url"
)

// IsLoopback reports whether a host is this one, without asking DNS.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IsEveryHost reports whether the host of an address to listen on means every interface.
func IsEveryHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// WithoutUserinfo returns a URL without user, password and token. A token can stand where a user
// does, so that it does not do to leave out the password.
func WithoutUserinfo(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}
