package value

import "net"

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
