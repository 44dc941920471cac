package auth

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The headers of Standard Webhooks, in their canonical form.
var (
	webhookID        = http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookID)
	webhookSignature = http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookSignature)
	webhookTimestamp = http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookTimestamp)
)

// webhookKeyPrefix stands in front of a key of Standard Webhooks, optionally.
const webhookKeyPrefix = "whsec_"

// webhookKey returns the bytes of a key.
func webhookKey(text string) ([]byte, error) {
	text = strings.TrimPrefix(text, webhookKeyPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("the key is not base64, as Standard Webhooks wants it: %s and %d random bytes in base64", webhookKeyPrefix, 24)
	}
	return key, nil
}

// standard takes a signature of Standard Webhooks. The signature is verified by the
// reference library; that each header came once, and how old it may be, is decided here, since
// the library takes the first of several and has one tolerance for all.
type standard struct {
	keys      []*secret
	webhooks  []*standardwebhooks.Webhook // of each key
	tolerance time.Duration
}

func newStandard(c StandardWebhooksConfig, keys []*secret) standard {
	s := standard{keys: keys, tolerance: cmp.Or(c.Tolerance, defaultTolerance)}
	for _, k := range keys {
		key, _ := webhookKey(k.text)                // load has found no error
		w, _ := standardwebhooks.NewWebhookRaw(key) // never an error
		s.webhooks = append(s.webhooks, w)
	}
	return s
}

func (s standard) check(in Request) (*Credential, state) {
	id, ok := only(in.Header[webhookID])
	timestamp, timed := only(in.Header[webhookTimestamp])
	signatures, signed := only(in.Header[webhookSignature])
	switch {
	case !ok || !timed || !signed || id == "",
		!fresh(timestamp, in.Now, s.tolerance),
		!strings.Contains(signatures, "v1,"),
		strings.Count(signatures, " ") >= mostSignatures:
		return nil, refused
	}
	return nil, pending
}

// verify tries every key.
func (s standard) verify(in Request, body []byte) *Credential {
	var match *Credential
	for i, w := range s.webhooks {
		right := w.VerifyIgnoringTimestamp(body, in.Header) == nil
		if right && s.keys[i].valid(in.Now) == 1 {
			match = &s.keys[i].Credential
		}
	}
	return match
}

// sign sets the headers of a request that carries the body, with the first key.
func (s standard) sign(h http.Header, id string, now time.Time, body []byte) error {
	text, err := s.webhooks[0].Sign(id, now, body)
	if err != nil {
		return err
	}
	h.Set(webhookID, id)
	h.Set(webhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(webhookSignature, text)
	return nil
}
