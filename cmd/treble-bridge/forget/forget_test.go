package forget

import (
	"strings"
	"testing"
)

// A number without its country would be that of somebody elsewhere.
func TestAsksForTheCountry(t *testing.T) {
	for number, ok := range map[string]bool{
		"+57 300 1234567": true, "(+57) 300 1234567": true, "0057 300 1234567": true, "＋573001234567": true, "https://wa.me/573001234567": true,
		"3001234567": false, "573001234567": false, "tel:573001234567": false,
	} {
		f := command{phone: number}
		if _, err := f.person(); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "with + before the country code") {
			t.Errorf("%s: %v", number, err)
		}
	}
}
