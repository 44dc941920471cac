package schema

import "github.com/treble-bridge/treble-bridge/schema/phone"

// ParsePhone returns a number in the international form, with or without the +
// and however it is spelled, as the bridge writes it into data.phone. The bool is
// false if it is none. See package phone.
func ParsePhone(s string) (string, bool) { return phone.Parse(s) }
