package schematest

import (
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// fields are the members of a JSON object.
type fields map[string]any

// with returns f with others added to it.
func (f fields) with(others fields) fields {
	for key, value := range others {
		f[key] = value
	}
	return f
}

// bodies makes the body that Treble sends for each kind.
var bodies = map[schema.Kind]func(*options) fields{
	schema.KindMessageRead: func(o *options) fields {
		return o.question("open").with(fields{"read_at": o.time(0)})
	},
	schema.KindMessageDelivered: func(o *options) fields {
		return o.question("open").with(fields{"delivered_at": o.time(0)})
	},
	schema.KindMessageResponded: func(o *options) fields {
		return o.question("closed").with(fields{
			"responded_at": o.time(0), "actual_response": "yes, please", "classified_answer": fields{"text": "Yes"},
		})
	},
	schema.KindMessageTimedOut: func(o *options) fields {
		f := o.question("open").with(fields{"timeout_at": o.time(0)})
		delete(f, "sent_at")
		delete(f, "sent_text")
		return f
	},
	schema.KindContactOptedOut: func(o *options) fields {
		return o.question("closed").with(fields{"classified_answer": fields{"text": "No"}, "reason": "OPTOUT"})
	},
	schema.KindConditionEvaluated: func(o *options) fields {
		return o.flow().with(fields{
			"variable": fields{"name": "age", "value": "18"}, "condition": fields{"operator": "EQ", "value": "18"},
		})
	},
	schema.KindConversationClosed: closed,
	schema.KindHSMStatusChanged: func(o *options) fields {
		return o.center("hsm.status").with(fields{
			"status": "APPROVED", "name": "welcome_message", "affected_conversation_ids": []int{12345, 67890},
		})
	},
	schema.KindDeploymentFailed: func(o *options) fields {
		return o.center("deployment.failure").with(fields{
			"failure_reason": "INVALID_PHONE", "failed_at": o.time(-time.Second), "user": o.person(),
		})
	},
	schema.KindFlowUnrecognized: func(o *options) fields {
		return o.flow().with(fields{"business_scope_id": "CO.1234567890"})
	},
	schema.KindUnrecognized: func(o *options) fields { return o.center("agent.assigned") },
	schema.KindBridgeProbe: func(o *options) fields {
		return fields{"event_type": string(schema.KindBridgeProbe), "event_id": "probe-" + o.eventID}
	},
}

// time writes a time as the flows of Treble do, so long after that of the event.
func (o *options) time(later time.Duration) string {
	return o.at.Add(later).Format("2006-01-02 15:04:05.999999999")
}

func (o *options) person() fields {
	return fields{"country_code": "+57", "cellphone": o.cellphone}
}

// flow returns the fields that all events of flows have.
func (o *options) flow() fields {
	return o.person().with(fields{
		"session_id": *o.session, "conversation_id": 34820, "user_session_keys": sessionKeys(),
	})
}

// question returns the fields that events about a question have.
func (o *options) question(kind string) fields {
	question := fields{"type": kind, "text": "Shall we go on?"}
	if kind == "closed" {
		question["answers"] = []fields{{"text": "Yes"}, {"text": "No"}}
	}
	return o.flow().with(fields{"question": question, "sent_at": o.time(-time.Minute), "sent_text": "Shall we go on?"})
}

// center returns the fields that all events of the webhook center have.
func (o *options) center(eventType string) fields {
	return fields{"event_type": eventType, "event_id": o.eventID, "timestamp": o.at.Format(time.RFC3339Nano)}
}

// sessionKeys has a variable of each form.
func sessionKeys() []fields {
	return []fields{
		{"key": "name", "value": "Ana", "type": nil},
		{"key": "email", "value": nil, "type": nil},
		{"key": "place", "value": `{"latitude": 4.5935443, "longitude": -72.0345404, "address": "Carrera 7 #100-06"}`, "type": "location"},
	}
}

// closed is a conversation with a message of each form.
func closed(o *options) fields {
	message := func(sender, kind string, before time.Duration, content fields) fields {
		return fields{
			"sender": sender, "type": kind, kind: content,
			"created_at": o.time(-before), "delivered_at": o.time(-before + time.Second), "read_at": o.time(-before + 2*time.Second),
		}
	}
	return o.center("session.close").with(fields{
		"session":           fields{"external_id": *o.session, "closed_at": o.time(0)},
		"user":              o.person(),
		"company":           fields{"id": 1, "cellphone": "12056192992"},
		"user_session_keys": sessionKeys(),
		"messages": []fields{
			message("company", "hsm", 9*time.Minute, fields{"message": "Hello Ana, shall we go on?"}),
			message("user", "text", 8*time.Minute, fields{"message": "yes, please"}),
			message("user", "location", 7*time.Minute, fields{"latitude": 4.5935443, "longitude": -72.0345404}),
			message("company", "image", 6*time.Minute, fields{"url": "https://example.com/image.jpg", "caption": "our offer"}),
		},
		"hsm": fields{
			"name": "welcome_message", "text": "Hello {{1}}, shall we go on?", "answers": []fields{{"message": "Yes"}},
			"header": fields{"type": "image", "url": "https://example.com/logo.jpg"}, "footer": "Answer to go on",
			"buttons": fields{"type": "call_to_action", "options": []fields{
				{"message": "Open", "url": "https://example.com/offer"}, {"message": "Call", "phone": "+12056192992"},
			}},
		},
	})
}
