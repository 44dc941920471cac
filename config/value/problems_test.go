package value_test

import (
	"errors"
	"io"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
)

func TestProblems(t *testing.T) {
	var p value.Problems
	if err := p.Err(); err != nil {
		t.Errorf("got %v without a problem, want nil", err)
	}
	p.Add("ingress.max_body", "is %d", 0)
	p.Add("ingress.tls", "%w", io.EOF)
	err := p.Err()
	if want := "ingress.max_body: is 0\ningress.tls: EOF"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("%v does not wrap its cause", err)
	}
}
