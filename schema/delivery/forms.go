package delivery

import (
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// eventTime holds the time of an event by Treble's clock, nil if its body has none.
type eventTime = *time.Time

// group is a set of fields that identifies an event.
type group struct {
	name  string // as the documentation and a 422 call it
	given func(*reader, *schema.Common) bool
}

var (
	bySession  = group{"session_id", func(_ *reader, c *schema.Common) bool { return c.SessionID != "" }}
	byEventID  = group{"event_id", func(_ *reader, c *schema.Common) bool { return c.EventID != "" }}
	byTemplate = group{"name", func(r *reader, _ *schema.Common) bool { id, _ := identifier(r.at("name")); return id != "" }}
	byPerson   = group{"user.cellphone", func(_ *reader, c *schema.Common) bool { return c.Cellphone != "" }}
)

// The fields that several kinds share, for the lists of what is expected.
var (
	person       = []string{"country_code", "cellphone"}
	flow         = append([]string{"conversation_id"}, person...)
	sentQuestion = []string{"question", "sent_at", "sent_text"}
	userPerson   = []string{"user.country_code", "user.cellphone"}
)

var (
	formRead = &form{
		kind: schema.KindMessageRead, identify: []group{bySession},
		expected: join(flow, sentQuestion, "read_at"),
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.MessageRead{Question: r.question(), SentAt: r.time("sent_at"), SentText: r.text("sent_text"), ReadAt: r.time("read_at")}
			return p, p.ReadAt
		},
	}
	formDelivered = &form{
		kind: schema.KindMessageDelivered, identify: []group{bySession},
		expected: join(flow, sentQuestion, "delivered_at"),
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.MessageDelivered{Question: r.question(), SentAt: r.time("sent_at"), SentText: r.text("sent_text"), DeliveredAt: r.time("delivered_at")}
			return p, p.DeliveredAt
		},
	}
	formResponded = &form{
		kind: schema.KindMessageResponded, identify: []group{bySession},
		expected: join(flow, sentQuestion, "responded_at", "actual_response", "classified_answer", "user_session_keys"),
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.MessageResponded{
				Question: r.question(), SentAt: r.time("sent_at"), SentText: r.text("sent_text"), RespondedAt: r.time("responded_at"),
				ActualResponse: r.text("actual_response"), ClassifiedAnswer: r.classifiedAnswer(),
			}
			return p, p.RespondedAt
		},
	}
	formTimedOut = &form{
		kind: schema.KindMessageTimedOut, identify: []group{bySession},
		expected: join(flow, "question", "timeout_at", "user_session_keys"),
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.MessageTimedOut{Question: r.question(), TimeoutAt: r.time("timeout_at")}
			return p, p.TimeoutAt
		},
	}
	formOptedOut = &form{
		kind: schema.KindContactOptedOut, identify: []group{bySession},
		expected: join(flow, sentQuestion, "classified_answer", "reason"),
		build: func(r *reader) (schema.Payload, eventTime) {
			return &schema.ContactOptedOut{
				Question: r.question(), SentAt: r.time("sent_at"), SentText: r.text("sent_text"),
				ClassifiedAnswer: r.classifiedAnswer(), Reason: r.text("reason"),
			}, nil // sent_at is when the question was sent, not when the person opted out
		},
	}
	formCondition = &form{
		kind: schema.KindConditionEvaluated, identify: []group{bySession},
		expected: join(flow, "variable", "condition", "user_session_keys"),
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.ConditionEvaluated{}
			if o := r.child(r.at("variable"), "variable"); o.isObject() {
				p.Variable = &schema.Variable{Name: r.textOf(o.get("name"), "variable.name"), Value: r.textOf(o.get("value"), "variable.value")}
			}
			if o := r.child(r.at("condition"), "condition"); o.isObject() {
				p.Condition = &schema.Condition{Operator: r.textOf(o.get("operator"), "condition.operator"), Value: r.textOf(o.get("value"), "condition.value")}
			}
			return p, nil
		},
	}
	formClosed = &form{ // session.close of the webhook center
		kind: schema.KindConversationClosed, identify: []group{bySession, byEventID},
		expected: join([]string{"event_id", "timestamp", "session.external_id", "session.closed_at"}, userPerson),
		build:    (*reader).conversationClosed,
	}
	formClosedOlder = &form{
		kind: schema.KindConversationClosed, identify: []group{bySession, byEventID},
		expected: join([]string{"session.external_id", "session.closed_at"}, userPerson, "company", "messages", "user_session_keys"),
		build:    (*reader).conversationClosed,
	}
	formClosedHubspot = &form{ // flat, and without any phone number
		kind: schema.KindConversationClosed, identify: []group{bySession, byEventID},
		expected: join("external_id", "closed_at", "company_id", "messages", "user_session_keys"),
		build:    (*reader).conversationClosed,
	}
	formHSM = &form{
		kind: schema.KindHSMStatusChanged, identify: []group{byEventID, byTemplate},
		expected: join("event_id", "timestamp", "status", "name", "affected_conversation_ids"),
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.HSMStatusChanged{OccurredAt: r.time("timestamp"), Status: r.text("status"), AffectedConversationIDs: r.ids("affected_conversation_ids")}
			if name := r.text("name"); name != "" {
				p.HSM = &schema.HSM{Name: name}
			}
			return p, p.OccurredAt
		},
	}
	formFailed = &form{
		kind: schema.KindDeploymentFailed, identify: []group{byEventID, byPerson},
		expected: join([]string{"event_id", "timestamp", "failure_reason", "failed_at"}, userPerson),
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.DeploymentFailed{OccurredAt: r.time("timestamp"), FailedAt: r.time("failed_at"), FailureReason: r.text("failure_reason")}
			return p, first(p.FailedAt, p.OccurredAt)
		},
	}
	formProbe = &form{ // of the doctor command
		kind: schema.KindBridgeProbe, identify: []group{byEventID}, expected: join("event_id"),
		build: func(*reader) (schema.Payload, eventTime) { return &schema.BridgeProbe{}, nil },
	}
	formFlow = &form{
		kind: schema.KindFlowUnrecognized,
		build: func(r *reader) (schema.Payload, eventTime) {
			return &schema.FlowUnrecognized{BusinessScopeID: r.id("business_scope_id")}, nil
		},
	}
	formUnrecognized = &form{
		kind: schema.KindUnrecognized,
		build: func(r *reader) (schema.Payload, eventTime) {
			p := &schema.Unrecognized{}
			// Nothing is known of these fields, so only what fits is taken,
			// and what does not fit is no reason to warn.
			if v := r.at("event_type"); v.isString() {
				p.EventType = v.unquoted()
			}
			if v := r.at("timestamp"); v.isString() {
				if t, ok := parseTime(v.unquoted(), r.loc); ok {
					p.OccurredAt = &t
				}
			}
			return p, p.OccurredAt
		},
	}
)

// field is an expected field: its path, and its name in a warning.
type field struct {
	name string
	path []string
}

// join makes fields of names and lists of names.
func join(parts ...any) (all []field) {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			all = append(all, field{p, strings.Split(p, ".")})
		case []string:
			for _, name := range p {
				all = append(all, join(name)...)
			}
		}
	}
	return all
}

// first returns the first time that there is.
func first(times ...eventTime) eventTime {
	for _, t := range times {
		if t != nil {
			return t
		}
	}
	return nil
}
