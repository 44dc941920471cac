package main

import (
	"encoding/json"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

const schemasAt = "components/schemas/"

// components returns the messages and schemas that the channels refer to.
func components(src *source, kinds []kind) (object, error) {
	b := &builder{src: src, at: "#/" + schemasAt, plainRefs: true}
	var messages, replays, events object
	for _, k := range kinds {
		event, err := b.eventOf(k)
		if err != nil {
			return nil, err
		}
		events = append(events, member{k.payload + "Event", event})
		message := eventMessage(src, k, "event")
		message.set("examples", []object{{{"name", k.name}, {"payload", json.RawMessage(schematest.Envelope(schema.Kind(k.name)))}}})
		messages = append(messages, member{k.name, message})
		replays = append(replays, member{replayed + k.name, eventMessage(src, k, "replayed")})
	}
	headers, err := headerSchemas(src)
	if err != nil {
		return nil, err
	}
	messages = append(messages, replays...)
	messages = append(messages, member{quarantineChannel, object{
		{"name", quarantineChannel},
		{"title", "Refused body"},
		{"contentType", "application/octet-stream"},
		{"headers", reference(schemasAt + "QuarantineHeaders")},
		{"payload", object{{"description", "The body as received, byte for byte. It need not be JSON."}}},
	}})
	schemas := append(headers, events...)
	return object{
		{"parameters", object{{"prefix", object{
			{"default", string(schema.DefaultPrefix)},
			{"description", "The bridge's publisher.subject_prefix: tokens of a-z, 0-9, _ and -, joined by dots."},
		}}}},
		{"messages", messages},
		{"messageTraits", object{
			{"event", object{{"contentType", schema.ContentType}, {"headers", reference(schemasAt + "EventHeaders")}}},
			{"replayed", object{{"contentType", schema.ContentType}, {"headers", reference(schemasAt + "ReplayHeaders")}}},
		}},
		{"schemas", append(schemas, b.defs...)},
	}, nil
}

// eventMessage is the message of a kind. It has its headers from a trait.
func eventMessage(src *source, k kind, trait string) object {
	return object{
		{"name", k.name},
		{"title", k.payload},
		{"summary", src.docs[k.payload]},
		{"contentType", schema.ContentType},
		{"traits", []object{reference("components/messageTraits/" + trait)}},
		{"payload", reference(schemasAt + k.payload + "Event")},
	}
}
