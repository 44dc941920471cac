package auth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// BenchmarkBearer measures the authentication of one request.
func BenchmarkBearer(b *testing.B) {
	a := newAuthenticator(b, auth.Config{Bearer: []value.Secret{first, second}})
	in := auth.Request{Request: &http.Request{Header: http.Header{"Authorization": {"Bearer " + second}}}, Now: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if v := a.Check(in); !v.Accepted() {
			b.Fatal("refused")
		}
	}
}

// TestBearerAllocatesNothing: authentication is on the way of every event.
func TestBearerAllocatesNothing(t *testing.T) {
	a := newAuthenticator(t, auth.Config{Bearer: []value.Secret{first, second}})
	in := auth.Request{Request: &http.Request{Header: http.Header{"Authorization": {"Bearer " + second}}}, Now: time.Now()}
	if n := testing.AllocsPerRun(100, func() {
		v := a.Check(in)
		for range v.Credentials {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
