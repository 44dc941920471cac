package load

// Outcome is the result of a request.
type Outcome uint8

const (
	Unsent   Outcome = iota // the run ended before its turn
	Answered                // 2xx: the event must be in the stream
	Refused                 // 4xx or 503: it must not be
	Unknown                 // no answer, or one that does not say: it may be
)

// outcomeOf sorts the status of an answer; an error of the connection is none.
func outcomeOf(status int, err error) Outcome {
	switch {
	case err != nil:
		return Unknown
	case status/100 == 2:
		return Answered
	case status/100 == 4, status == 503:
		return Refused
	}
	return Unknown
}
