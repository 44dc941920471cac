package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/config/value"
	"go.yaml.in/yaml/v3"
)

// An error may have another behind it: sources that cannot be read leave the default source,
// which has no secret. To report both would send the reader to a key that is fine.

// unreadError is an error of the file that keeps a key from being read, or all keys of a
// group.
type unreadError struct {
	error
	key string // or a group; "": the whole file
}

func (e *unreadError) Unwrap() error { return e.error }

// unreadKey is the error of an unknown key, whose value was meant for the key that it names.
func unreadKey(n *yaml.Node, key string, known []string) error {
	err := at(n, "", unknownKey(key, known))
	meant := nearest(key, known)
	if name, _, cut := strings.Cut(key, ":"); cut {
		meant = name
	}
	if meant == "" {
		return err
	}
	return &unreadError{err, meant}
}

// noteUnread remembers which keys an error of the file is about.
func (l *Loaded) noteUnread(err error) {
	for _, e := range value.Unjoin(err) {
		if unread, ok := errors.AsType[*unreadError](e); ok {
			l.unread = append(l.unread, unread.key)
		}
	}
}

// Validate validates the configuration, without problems that may follow from the error of Load.
func (l *Loaded) Validate() error {
	err := l.Config.Validate()
	if len(l.unread) == 0 {
		return err
	}
	return errors.Join(slices.DeleteFunc(value.Unjoin(err), l.follows)...)
}

// keyWord matches what may be a key in a text.
var keyWord = regexp.MustCompile(`[a-z][a-z_.]*[a-z]`)

// follows reports whether an error is about a key whose value could not be read.
func (l *Loaded) follows(err error) bool {
	about := keyWord.FindAllString(err.Error(), -1)
	// A neighbour is often named by the last part alone.
	if roof := roofOf(err.Error()); roof != "" {
		for _, word := range slices.Clone(about) {
			about = append(about, roof+"."+word)
		}
	}
	// The default source is looked at only where there are no others.
	if !l.HasAuth() && slices.ContainsFunc(about, func(k string) bool { return strings.HasPrefix(k, "auth.") }) {
		about = append(about, "sources")
	}
	return slices.ContainsFunc(about, func(key string) bool {
		origin, isKey := l.Origins[key]
		return isKey && slices.ContainsFunc(l.unread, func(u string) bool {
			// What a later layer has set is known, whatever the file says.
			return u == key || origin == OriginDefault && (u == "" || strings.HasPrefix(key, u+"."))
		})
	})
}

// roofOf returns the group of the key in front of an error; "" if it has none.
func roofOf(text string) string {
	key, _, _ := strings.Cut(text, ": ")
	return key[:max(strings.LastIndexByte(key, '.'), 0)]
}
