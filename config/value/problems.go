package value

import (
	"errors"
	"fmt"
)

// Problems are the errors of a configuration, each with its key.
type Problems []error

// Add adds the problem of a key, such as "ingress.max_body"; format and args are those of fmt.Errorf.
func (p *Problems) Add(key, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
}

// Err joins the problems; it returns nil if there are none.
func (p Problems) Err() error { return errors.Join(p...) }
