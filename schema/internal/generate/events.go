package main

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/treble-bridge/treble-bridge/schema"
)

const (
	dialect = "https://json-schema.org/draft/2020-12/schema"
	defsAt  = "#/$defs/"
)

// kind is a kind with the type of its payload.
type kind struct {
	name       string // such as message.read
	payload    string // such as MessageRead
	typ        string // CloudEvents type
	dataSchema string
}

// kindsOf returns every kind. Which payload belongs to it, schema.Decode says.
func kindsOf(src *source) ([]kind, error) {
	var all []kind
	for _, k := range schema.Kinds() {
		envelope, err := json.Marshal(map[string]any{
			"specversion": "1.0", "id": "x", "source": "/treble/x", "type": k.Type(),
			"time": "2026-01-02T03:04:05Z", "receivedtime": "2026-01-02T03:04:05Z", "data": struct{}{},
		})
		if err != nil {
			return nil, err
		}
		e, err := schema.Decode(envelope)
		if err != nil {
			return nil, err
		}
		payload := reflect.TypeOf(e.Data).Elem().Name()
		if _, ok := src.types[payload]; !ok {
			return nil, fmt.Errorf("the payload of %s is %s, which is not in the source", k, payload)
		}
		all = append(all, kind{name: string(k), payload: payload, typ: k.Type(), dataSchema: k.DataSchema()})
	}
	return all, nil
}

// envelopeSchema returns the schema that events of all kinds match, also of kinds to come.
func envelopeSchema(src *source) (object, error) {
	b := &builder{src: src, at: defsAt}
	o, err := b.event("Common")
	if err != nil {
		return nil, err
	}
	o.set("title", "Envelope")
	o.set("description", "An event of any kind, also of one that is not known yet: a CloudEvents 1.0 event in structured JSON.")
	return b.document("urn:treble-bridge:envelope:1", o), nil
}

// eventSchema is the whole event of one kind.
func eventSchema(src *source, k kind) (object, error) {
	b := &builder{src: src, at: defsAt}
	o, err := b.eventOf(k)
	if err != nil {
		return nil, err
	}
	return b.document("urn:treble-bridge:event:"+k.name+":1", o), nil
}

// eventOf is the schema of the events of a kind.
func (b *builder) eventOf(k kind) (object, error) {
	o, err := b.event(k.payload)
	if err != nil {
		return nil, err
	}
	o.set("title", k.payload+"Event")
	o.set("description", "An event of the kind "+k.name+". "+b.src.docs[k.payload])
	o.property("type").fix(k.typ)
	o.property("dataschema").fix(k.dataSchema)
	return o, nil
}

// event is the envelope around a payload.
func (b *builder) event(payload string) (object, error) {
	o, err := b.structure("envelope")
	if err != nil {
		return nil, err
	}
	data, err := b.define(payload)
	if err != nil {
		return nil, err
	}
	for i := range o {
		switch o[i].key {
		case "properties":
			o[i].value = append(o[i].value.(object), member{"data", data})
		case "required":
			o[i].value = append(o[i].value.([]string), "data")
		}
	}
	return o, nil
}

// document puts a schema under an id, with its definitions.
func (b *builder) document(id string, o object) object {
	doc := append(object{{"$schema", dialect}, {"$id", id}}, o...)
	return append(doc, member{"$defs", b.defs})
}

// property returns the schema of a property.
func (o object) property(name string) *object {
	for _, m := range o {
		if m.key != "properties" {
			continue
		}
		for i, p := range m.value.(object) {
			if p.key == name {
				property := p.value.(object)
				m.value.(object)[i].value = &property
				return &property
			}
		}
	}
	panic("there is no property " + name) // the generator asks for what it made
}

// fix narrows a schema to one value.
func (o *object) fix(value string) {
	kept := object{}
	for _, m := range *o {
		if m.key != "pattern" {
			kept = append(kept, m)
		}
	}
	*o = append(kept, member{"const", value})
}
