package main

import (
	"fmt"
	"slices"
)

// e164 is the form of data.phone; what does not fit is left out, with a warning.
const e164 = `^\+[1-9][0-9]{6,14}$`

// rules narrow fields whose Go type says less than is promised of them.
var rules = map[string]object{
	"Common.Phone":             {{"pattern", e164}},
	"Company.Phone":            {{"pattern", e164}},
	"envelope.SpecVersion":     {{"const", "1.0"}},
	"envelope.ID":              {{"pattern", "^[a-z2-7]{26}$"}},
	"envelope.Source":          {{"pattern", "^/treble/[a-z0-9-]{1,32}$"}},
	"envelope.Type":            {{"pattern", `^ai\.treble\.[a-z_]+(\.[a-z_]+)*$`}},
	"envelope.Subject":         {{"minLength", 1}},
	"envelope.Time":            {{"format", "date-time"}},
	"envelope.ReceivedTime":    {{"format", "date-time"}},
	"envelope.DataContentType": {{"const", "application/json"}},
	"envelope.DataSchema":      {{"pattern", `^urn:treble-bridge:[a-z_]+(\.[a-z_]+)*:[1-9][0-9]*$`}},
}

// rule returns what is to be added to the schema of a field.
func (s *source) rule(name string) object {
	s.used[name] = true
	return rules[name]
}

// unusedRules is an error if a rule is for a field that is not there any more.
func (s *source) unusedRules() error {
	var unused []string
	for name := range rules {
		if !s.used[name] {
			unused = append(unused, name)
		}
	}
	if len(unused) > 0 {
		slices.Sort(unused)
		return fmt.Errorf("rules for fields that are not there: %v", unused)
	}
	return nil
}
