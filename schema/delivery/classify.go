package delivery

import (
	"strings"

	"github.com/treble-bridge/treble-bridge/schema"
)

// form is a notation of a kind; conversation.closed has three.
type form struct {
	kind schema.Kind
	// identify lists the groups of fields that identify the event. Each group is enough; without
	// any, the body is refused (422).
	identify []group
	// expected are the fields that Treble documents, or was always seen to
	// send. An absent one gives a warning.
	expected []field
	build    func(*reader) (schema.Payload, eventTime)
}

// classify returns the form of a body. The order of the tests is what tells
// the kinds apart: an opt-out has a classified_answer too, and the messages
// inside a closed conversation have read_at, so only the top level counts.
func classify(o value) *form {
	switch {
	case o.get("event_type").isString():
		return formOfEventType(o.get("event_type").unquoted())
	case o.has("read_at"):
		return formRead
	case o.has("delivered_at"):
		return formDelivered
	case o.has("timeout_at"):
		return formTimedOut
	case o.get("reason").isString() && o.get("reason").unquoted() == "OPTOUT":
		return formOptedOut
	case o.has("condition") && o.has("variable"):
		return formCondition
	case o.has("actual_response"), o.has("responded_at"), o.has("classified_answer"):
		return formResponded
	case o.get("session").has("external_id") && o.get("session").has("closed_at"):
		return formClosedOlder
	case o.has("external_id") && o.has("closed_at"):
		return formClosedHubspot
	case o.has("session_id"), o.has("user_session_keys"):
		return formFlow
	}
	return formUnrecognized
}

// formOfEventType maps the event_type of the webhook center, and our own of the
// probe. An unknown one is kept, not refused: Treble may add some.
func formOfEventType(t string) *form {
	switch t {
	case "session.close":
		return formClosed
	case "hsm.status":
		return formHSM
	case "deployment.failure":
		return formFailed
	case string(schema.KindBridgeProbe):
		return formProbe
	}
	return formUnrecognized
}

// formOfName maps the names by which paths ("on-read") and the overview form
// ("message_read") call a kind, and our own ("message.read"). It returns nil
// for a name that is none of them.
func formOfName(name string) *form {
	name = strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(name))
	switch name {
	case "read", "messageread":
		return formRead
	case "delivered", "messagedelivered", "messagedelivery":
		return formDelivered
	case "response", "responded", "messageresponse", "messageresponded":
		return formResponded
	case "timeout", "timedout", "messagetimeout", "messagetimedout":
		return formTimedOut
	case "optout", "optedout", "contactoptout", "contactoptedout":
		return formOptedOut
	case "condition", "conditionnode", "conditionevaluated":
		return formCondition
	case "conversationclosed", "sessionclose", "sessionclosed":
		return formClosedOlder
	case "conversationclosedhubspot":
		return formClosedHubspot
	case "hsmstatus", "hsmstatusupdate", "hsmstatuschange", "hsmstatuschanged", "hsmstatechange":
		return formHSM
	case "deploymentfailure", "deploymentfailed":
		return formFailed
	}
	return nil
}

// formOfPath returns the form that the last segment of a path names, such as
// /webhooks/on-read, or nil.
func formOfPath(path string) *form {
	path = strings.TrimRight(path, "/")
	segment := path[strings.LastIndexByte(path, '/')+1:]
	if name, ok := strings.CutPrefix(strings.ToLower(segment), "on-"); ok {
		return formOfName(name)
	}
	return nil
}

// KindOfPath returns the kind that a path names by ending in on-<name>, as
// Treble's documentation does (/webhooks/on-read), or "".
func KindOfPath(path string) schema.Kind {
	if f := formOfPath(path); f != nil {
		return f.kind
	}
	return ""
}
