//go:build soak

package auth_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// TestSoakComparisonTime: how long a refusal takes says nothing of how near a guess is: wrong from the
// first byte or in the last one, right but over, of the first or of the last of many secrets. The
// measures are interleaved at random; the middle half of each class is compared. A comparison
// that ends at the first difference, measured in the same way, is found.
func TestSoakComparisonTime(t *testing.T) {
	const most = 0.02 // of the time of a refusal
	secret := func(i int) string { return fmt.Sprintf("%03d-%s", i, strings.Repeat("s3cr3t-", 8)) }
	c := auth.Config{}
	for i := range 50 {
		c.Bearer = append(c.Bearer, value.Secret(secret(i)))
	}
	c.Secrets = []auth.SecretConfig{{Name: "over", Scheme: "bearer", Value: value.Secret(secret(777)), NotAfter: "2020-01-01T00:00:00Z"}}
	bearer := newAuthenticator(t, c)
	signed := newAuthenticator(t, auth.Config{HMAC: auth.HMACConfig{Header: "X-Sum", Keys: []value.Secret{first, second}}})
	refuse := func(a *auth.Authenticator, name, v string) func() {
		in := auth.Request{Request: &http.Request{Header: http.Header{name: {v}}}, Now: time.Now()}
		body := []byte("a body of some bytes")
		return func() {
			if authenticate(a, in, body) != nil {
				t.Error("a wrong secret was let in")
			}
		}
	}
	edit := func(text string, at int, to byte) string {
		b := []byte(text)
		b[at] = to
		return string(b)
	}
	key, last := secret(0), len(secret(0))-1
	sum := hex.EncodeToString(sumOf(first, "a body of some bytes"))
	leaky, guess := bytes.Repeat([]byte("a"), 1<<14), bytes.Repeat([]byte("a"), 1<<14)
	early := func(at int) func() {
		guess := bytes.Clone(guess)
		guess[at] = 'b'
		return func() {
			for i := range guess {
				if guess[i] != leaky[i] {
					return
				}
			}
		}
	}
	for _, tt := range []struct {
		name    string
		classes []func()
		leaks   bool
	}{
		{"bearer", []func(){
			refuse(bearer, "Authorization", "Bearer "+edit(key, 0, 'x')),
			refuse(bearer, "Authorization", "Bearer "+edit(key, last, 'x')),
			refuse(bearer, "Authorization", "Bearer "+edit(secret(49), last, 'x')),
			refuse(bearer, "Authorization", "Bearer "+secret(777)),
		}, false},
		{"hmac", []func(){
			refuse(signed, "X-Sum", edit(sum, 0, '0'+(sum[0]+1)%10)),
			refuse(signed, "X-Sum", edit(sum, len(sum)-1, '0'+(sum[len(sum)-1]+1)%10)),
		}, false},
		{"a-comparison-that-leaks", []func(){early(0), early(1 << 13)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var worst float64
			for range 5 { // the machine may be busy: a leak shows every time
				worst = spread(tt.classes)
				t.Logf("the classes differ by %.2f%%", 100*worst)
				if tt.leaks == (worst > most) {
					return
				}
			}
			t.Errorf("the classes differ by %.2f%% of the time, want more than %.0f%%: %v", 100*worst, 100*most, tt.leaks)
		})
	}
}

// spread measures functions in turn, and returns the largest difference of their times as a
// share of the time.
func spread(classes []func()) float64 {
	const rounds, calls = 4000, 20
	times := make([][]float64, len(classes))
	for range rounds {
		for _, i := range rand.Perm(len(classes)) {
			began := time.Now()
			for range calls {
				classes[i]()
			}
			times[i] = append(times[i], float64(time.Since(began)))
		}
	}
	var means []float64
	for _, all := range times {
		slices.Sort(all)
		middle := all[len(all)/4 : len(all)*3/4]
		total := 0.0
		for _, v := range middle {
			total += v
		}
		means = append(means, total/float64(len(middle)))
	}
	return (slices.Max(means) - slices.Min(means)) / slices.Min(means)
}
