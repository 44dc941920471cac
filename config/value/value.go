// Package value holds the types of configuration values that several packages
// share: secrets, sizes, durations with days, JSON objects; and how texts from outside
// are read. It imports nothing of the project, so that every
// package can own its configuration.
package value

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/units"
	"github.com/dustin/go-humanize"
)

// Size is a number of bytes. It reads and prints as "10MiB".
type Size int64

// The units of Size.
const (
	KiB Size = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// UnmarshalText reads "10MiB", "512KiB" or a bare number of bytes.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		*s = Size(n)
		return nil
	}
	n, err := units.ParseBase2Bytes(text)
	if err != nil {
		return fmt.Errorf("%q is not a size: use a number of bytes, or one with a unit such as 512KiB, 10MiB or 1GiB", text)
	}
	*s = Size(n)
	return nil
}

// String returns the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		size Size
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// FormatBytes returns a number of bytes for people, rounded: "1.4 GiB".
func FormatBytes[N ~int | ~int64 | ~uint64](n N) string { return humanize.IBytes(uint64(n)) }

// MarshalText returns the text of String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
