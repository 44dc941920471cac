package broker

import "github.com/nats-io/nats-server/v2/server"

// subjectMatches reports whether a filter, which may have wildcards, covers a subject.
func subjectMatches(filter, subject string) bool { return server.SubjectMatchesFilter(subject, filter) }
