package config

import (
	"fmt"
	"slices"
	"strings"
)

// unknownKey says that there is no such key, and which one may be meant.
func unknownKey(key string, known []string) error {
	if shown := shownKey(key); shown != key {
		return fmt.Errorf("unknown key %q: write a blank behind the colon", shown)
	}
	if near := nearest(key, known); near != "" {
		return fmt.Errorf("unknown key %q: do you mean %q?", key, near)
	}
	return fmt.Errorf("unknown key %q", key)
}

// shownKey returns the key as an error may repeat it: behind a colon that no
// blank follows stands the value, which may be a secret.
func shownKey(key string) string {
	if name, _, ok := strings.Cut(key, ":"); ok {
		return name + ":…"
	}
	return key
}

// nearest returns the known word that takes the fewest edits, if they are
// few for its length, or "".
func nearest(word string, known []string) string {
	best, fewest := "", len(word)/3+2
	for _, k := range known {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		// A key under the wrong roof (max_age for publisher.max_age) is far by
		// edits and yet plainly meant.
		if lastPart(word) == lastPart(k) {
			d = min(d, 1)
		}
		if d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance returns the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(previous[j+1]+1, row[j]+1, previous[j]+cost)
		}
	}
	return row[len(b)]
}
