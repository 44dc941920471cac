package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// Payload is the data of an event: a pointer to one of the types below, which
// all embed Common. A consumer switches on the type:
//
//	switch p := event.Data.(type) {
//	case *schema.MessageRead:
//	case *schema.ConversationClosed:
//	}
//
// A field that Treble did not send, or that could not be normalised, has its
// zero value and is absent on the wire; Warnings says what is missing.
type Payload interface {
	Base() *Common
	append(object) object
}

// Common is what the data of every kind may have. The same fact has the same
// name and type in every kind.
type Common struct {
	SessionID      string      `json:"session_id,omitempty"`      // Treble's session; the same for all events of one talk
	ConversationID string      `json:"conversation_id,omitempty"` // the flow's id, the same for every person in it; digits
	EventID        string      `json:"event_id,omitempty"`        // Treble's id of the event, only from the webhook center
	Phone          string      `json:"phone,omitempty"`           // E.164, such as "+573161234567"
	CountryCode    string      `json:"country_code,omitempty"`    // as received, such as "+57"
	Cellphone      string      `json:"cellphone,omitempty"`       // as received, without the country code
	SessionKeys    SessionKeys `json:"session_keys,omitzero"`     // the flow's variables
	Test           bool        `json:"test,omitempty"`            // sent by "treble-bridge send"
	Warnings       []string    `json:"warnings,omitempty"`        // "field: what could not be read or was missing"

	// Raw is the value as received, byte for byte. It is valid JSON; if the
	// received bytes were not valid UTF-8, U+FFFD stands in their place and
	// raw_base64 has the bytes.
	Raw       json.RawMessage `json:"-"`
	RawBase64 []byte          `json:"raw_base64,omitempty"` // the bytes as received, where they were not valid UTF-8
}

// Base returns c itself: every payload embeds it.
func (c *Common) Base() *Common { return c }

// Question is the block of a flow that an event is about.
type Question struct {
	Type    string   `json:"type,omitempty"`    // "open" or "closed"; others may come
	Text    string   `json:"text,omitempty"`    // the words of the question
	Answers []string `json:"answers,omitempty"` // the answers to choose from, if the question is closed
}

// MessageRead says that a person read a message. It never comes for people who
// turned read receipts off.
type MessageRead struct {
	Common
	Question *Question  `json:"question,omitempty"`
	SentAt   *time.Time `json:"sent_at,omitempty"`   // when the message was sent
	SentText string     `json:"sent_text,omitempty"` // the message
	ReadAt   *time.Time `json:"read_at,omitempty"`   // when it was read
}

// MessageDelivered says that a message reached a person's phone.
type MessageDelivered struct {
	Common
	Question    *Question  `json:"question,omitempty"`
	SentAt      *time.Time `json:"sent_at,omitempty"`      // when the message was sent
	SentText    string     `json:"sent_text,omitempty"`    // the message
	DeliveredAt *time.Time `json:"delivered_at,omitempty"` // when it reached the phone
}

// MessageResponded says that a person answered a question.
type MessageResponded struct {
	Common
	Question         *Question  `json:"question,omitempty"`
	SentAt           *time.Time `json:"sent_at,omitempty"`           // when the question was sent
	SentText         string     `json:"sent_text,omitempty"`         // the question as sent
	RespondedAt      *time.Time `json:"responded_at,omitempty"`      // when it was answered
	ActualResponse   string     `json:"actual_response,omitempty"`   // the words as typed
	ClassifiedAnswer string     `json:"classified_answer,omitempty"` // the answer as which Treble understood the words
}

// MessageTimedOut says that nobody answered in time and the flow went on.
type MessageTimedOut struct {
	Common
	Question  *Question  `json:"question,omitempty"`
	TimeoutAt *time.Time `json:"timeout_at,omitempty"` // when the flow went on
}

// ContactOptedOut says that a person chose an answer that counts as opting out.
type ContactOptedOut struct {
	Common
	Question         *Question  `json:"question,omitempty"`
	SentAt           *time.Time `json:"sent_at,omitempty"`           // when the question was sent; Treble does not tell the time of the opt-out
	SentText         string     `json:"sent_text,omitempty"`         // the question as sent
	ClassifiedAnswer string     `json:"classified_answer,omitempty"` // the answer that counts as opting out
	Reason           string     `json:"reason,omitempty"`            // "OPTOUT"
}

// ConditionEvaluated says that a flow left a condition block.
type ConditionEvaluated struct {
	Common
	Variable  *Variable  `json:"variable,omitempty"`
	Condition *Condition `json:"condition,omitempty"`
}

// Variable is the session variable that a condition looked at.
type Variable struct {
	Name  string `json:"name,omitempty"`  // the name of the variable
	Value string `json:"value,omitempty"` // the value of the variable
}

// Condition is the comparison that a condition block made.
type Condition struct {
	Operator string `json:"operator,omitempty"` // such as EQ, GT, CONT; an open set
	Value    string `json:"value,omitempty"`    // what the variable was compared with
}

// ConversationClosed says that a session ended. Three forms of Treble's body
// (session.close of the webhook center and two older ones) give this shape.
type ConversationClosed struct {
	Common
	ClosedAt         *time.Time `json:"closed_at,omitempty"`   // when the session ended
	OccurredAt       *time.Time `json:"occurred_at,omitempty"` // the webhook center's timestamp
	Company          *Company   `json:"company,omitempty"`
	Messages         []Message  `json:"messages,omitzero"`            // the messages of the talk, in the order of the body, which may differ from that of time
	HSM              *HSM       `json:"hsm,omitempty"`                // the template that opened the talk
	HubspotDealID    string     `json:"hubspot_deal_id,omitempty"`    // the deal in HubSpot, of accounts with HubSpot
	HubspotContactID string     `json:"hubspot_contact_id,omitempty"` // the contact in HubSpot, of accounts with HubSpot
}

// Company is the account at Treble.
type Company struct {
	ID    string `json:"id,omitempty"`    // Treble's id of the account
	Phone string `json:"phone,omitempty"` // the WhatsApp number of the account, E.164
}

// Message is one message of a talk.
type Message struct {
	Sender      string     `json:"sender,omitempty"`      // "user" or "company", where Treble says so
	SenderName  string     `json:"sender_name,omitempty"` // a display name, from accounts with HubSpot
	Type        string     `json:"type,omitempty"`        // text, hsm, image, video, audio, document, location; others may come
	Text        string     `json:"text,omitempty"`        // the words, or the caption of the file
	URL         string     `json:"url,omitempty"`         // the URL of the file
	Location    *Location  `json:"location,omitempty"`
	CreatedAt   *time.Time `json:"created_at,omitempty"`   // when the message was written
	DeliveredAt *time.Time `json:"delivered_at,omitempty"` // when the message reached the other side
	ReadAt      *time.Time `json:"read_at,omitempty"`      // when the other side read the message
}

// HSM is a message template of WhatsApp.
type HSM struct {
	Name    string      `json:"name,omitempty"`    // the name of the template at Meta
	Text    string      `json:"text,omitempty"`    // the words of the template
	Answers []string    `json:"answers,omitempty"` // the answers to choose from
	Header  *HSMHeader  `json:"header,omitempty"`
	Footer  string      `json:"footer,omitempty"` // the footer below the text
	Buttons *HSMButtons `json:"buttons,omitempty"`
}

// HSMHeader is the header above the text of a template.
type HSMHeader struct {
	Type string `json:"type,omitempty"` // text, image, video, document
	Text string `json:"text,omitempty"` // the words of a header of the type text
	URL  string `json:"url,omitempty"`  // the URL of the file, of a header of another type
}

// HSMButtons are a template's buttons.
type HSMButtons struct {
	Type    string      `json:"type,omitempty"`    // quick_reply, call_to_action
	Options []HSMButton `json:"options,omitempty"` // the buttons, in their order
}

// HSMButton is one button of a template.
type HSMButton struct {
	Text  string `json:"text,omitempty"`  // the label of the button
	URL   string `json:"url,omitempty"`   // the URL that the button opens
	Phone string `json:"phone,omitempty"` // the number that the button calls, as received
}

// HSMStatusChanged says that the state of a template changed at Meta.
type HSMStatusChanged struct {
	Common
	OccurredAt              *time.Time `json:"occurred_at,omitempty"`               // the webhook center's timestamp
	HSM                     *HSM       `json:"hsm,omitempty"`                       // the template; only its name is given
	Status                  string     `json:"status,omitempty"`                    // APPROVED, REJECTED, PAUSED, DISABLED, PENDING_DELETION; others may come
	AffectedConversationIDs []string   `json:"affected_conversation_ids,omitempty"` // the flows that use the template
}

// DeploymentFailed says that a flow could not be sent to a person.
type DeploymentFailed struct {
	Common
	OccurredAt    *time.Time `json:"occurred_at,omitempty"`    // the webhook center's timestamp
	FailedAt      *time.Time `json:"failed_at,omitempty"`      // when the deployment failed
	FailureReason string     `json:"failure_reason,omitempty"` // such as INVALID_PHONE; an open set
}

// FlowUnrecognized is an event of a flow that says nothing of what happened.
type FlowUnrecognized struct {
	Common
	BusinessScopeID string `json:"business_scope_id,omitempty"` // seen where a phone number is missing
}

// Unrecognized is a JSON object that fits no kind. Raw has it all.
type Unrecognized struct {
	Common
	OccurredAt *time.Time `json:"occurred_at,omitempty"` // the webhook center's timestamp
	EventType  string     `json:"event_type,omitempty"`  // the event type of the webhook center, unknown to this version
}

// BridgeProbe is an event that the bridge sent to itself.
type BridgeProbe struct {
	Common
}

// newPayload returns an empty payload of the kind; of a kind that this version
// does not know, one that keeps what is common to all.
func newPayload(k Kind) Payload {
	switch k {
	case KindMessageRead:
		return &MessageRead{}
	case KindMessageDelivered:
		return &MessageDelivered{}
	case KindMessageResponded:
		return &MessageResponded{}
	case KindMessageTimedOut:
		return &MessageTimedOut{}
	case KindContactOptedOut:
		return &ContactOptedOut{}
	case KindConditionEvaluated:
		return &ConditionEvaluated{}
	case KindConversationClosed:
		return &ConversationClosed{}
	case KindHSMStatusChanged:
		return &HSMStatusChanged{}
	case KindDeploymentFailed:
		return &DeploymentFailed{}
	case KindFlowUnrecognized:
		return &FlowUnrecognized{}
	case KindBridgeProbe:
		return &BridgeProbe{}
	}
	return &Unrecognized{}
}

// SessionKeys are the variables of a session by name.
type SessionKeys map[string]SessionValue

// SessionValue is the value of a session variable. On the wire it is a string,
// null, or the object of a location.
type SessionValue struct {
	Text     string
	Null     bool      // the variable is there without a value
	Location *Location // of a variable with the type "location"
}

// Location is a place.
type Location struct {
	Latitude  float64 `json:"latitude"`          // in degrees, north is positive
	Longitude float64 `json:"longitude"`         // in degrees, east is positive
	Address   string  `json:"address,omitempty"` // the address, as received from Treble
}

// MarshalJSON writes the wire form.
func (v SessionValue) MarshalJSON() ([]byte, error) {
	switch {
	case v.Location != nil:
		return marshal(v.Location)
	case v.Null:
		return []byte("null"), nil
	}
	return marshal(v.Text)
}

// UnmarshalJSON reads the wire form.
func (v *SessionValue) UnmarshalJSON(b []byte) error {
	*v = SessionValue{}
	switch b = bytes.TrimSpace(b); {
	case bytes.Equal(b, []byte("null")):
		v.Null = true
		return nil
	case len(b) > 0 && b[0] == '{':
		v.Location = new(Location)
		return json.Unmarshal(b, v.Location)
	}
	if err := json.Unmarshal(b, &v.Text); err != nil {
		return fmt.Errorf("session value: %w", err)
	}
	return nil
}

// ParsePhone returns a number in the international form, with or without the +
// and however it is spelled, as the bridge writes it into data.phone. The bool is
// false if it is none. See package phone.
func ParsePhone(s string) (string, bool) { return phone.Parse(s) }
