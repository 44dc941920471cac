package config

import (
	"slices"
	"strings"
	"testing"
)

func TestReloadableKeysExist(t *testing.T) {
	for _, r := range reloadable {
		if !slices.ContainsFunc(Keys(), func(k Key) bool { return k.Name == r || strings.HasSuffix(r, ".") && strings.HasPrefix(k.Name, r) }) {
			t.Errorf("%s is no key", r)
		}
	}
}
