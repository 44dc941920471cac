package natsconfig

import "net/url"

// WithoutUserinfo returns the URL without user, password and token. The
// client's own redaction leaves a token, which stands where a user does.
func WithoutUserinfo(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}
