package main

import (
	"fmt"
	"go/ast"
)

// builder turns types of the source into schemas. The structs that it meets
// become definitions of their own.
type builder struct {
	src  *source
	at   string // what stands before the name in a reference to a definition
	defs object
	// plainRefs: a reference must have nothing beside it, as in AsyncAPI.
	plainRefs bool
}

// structure returns the schema of a struct: its fields, and which are required.
// It is open: readers of version 1 take fields that are added to it.
func (b *builder) structure(name string) (object, error) {
	fields, err := b.src.fields(name)
	if err != nil {
		return nil, err
	}
	properties, required := object{}, []string{}
	for _, f := range fields {
		if properties = append(properties, member{f.key, nil}); f.required {
			required = append(required, f.key)
		}
		if properties[len(properties)-1].value, err = b.field(f); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", f.owner, f.name, err)
		}
	}
	o := object{{"title", title(name)}, {"description", b.src.docs[name]}, {"type", "object"}, {"properties", properties}}
	if len(required) > 0 {
		o.set("required", required)
	}
	return o, nil
}

// field returns the schema of a field: that of its type, described and narrowed
// by its rule.
func (b *builder) field(f field) (object, error) {
	t, err := b.typeOf(f.typ)
	if err != nil {
		return nil, err
	}
	for _, m := range b.src.rule(f.owner + "." + f.name) {
		t.set(m.key, m.value)
	}
	switch {
	case t[0].key != "$ref":
		if f.doc == "" {
			return nil, fmt.Errorf("has no comment to be its description")
		}
		return append(object{{"description", f.doc}}, t...), nil
	case f.doc == "":
		return t, nil // the definition has a description
	case b.plainRefs:
		return object{{"description", f.doc}, {"allOf", []object{t}}}, nil
	}
	return append(object{{"description", f.doc}}, t...), nil
}

func (b *builder) typeOf(expr ast.Expr) (object, error) {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return b.typeOf(e.X)
	case *ast.ArrayType:
		if id, ok := e.Elt.(*ast.Ident); ok && id.Name == "byte" {
			return object{{"type", "string"}, {"contentEncoding", "base64"}}, nil
		}
		items, err := b.typeOf(e.Elt)
		return object{{"type", "array"}, {"items", items}}, err
	case *ast.MapType:
		values, err := b.typeOf(e.Value)
		return object{{"type", "object"}, {"additionalProperties", values}}, err
	case *ast.SelectorExpr:
		switch e.Sel.Name {
		case "Time":
			return object{{"type", "string"}, {"format", "date-time"}}, nil
		case "RawMessage":
			return object{{"type", "object"}}, nil // bodies are objects, or elements of an array of them
		}
	case *ast.Ident:
		return b.named(e.Name)
	}
	return nil, fmt.Errorf("there is no schema for a %T", expr)
}

// named returns the schema of a type by its name.
func (b *builder) named(name string) (object, error) {
	switch name {
	case "string":
		return object{{"type", "string"}}, nil
	case "bool":
		return object{{"type", "boolean"}}, nil
	case "float64":
		return object{{"type", "number"}}, nil
	case "DedupeKey":
		return b.enum(name), nil
	}
	switch b.src.types[name].(type) {
	case *ast.StructType:
		return b.define(name)
	case nil:
		return nil, fmt.Errorf("there is no type %s", name)
	}
	return b.typeOf(b.src.types[name])
}

// define returns a reference to the definition of a struct.
func (b *builder) define(name string) (object, error) {
	ref := object{{"$ref", b.at + title(name)}}
	for _, d := range b.defs {
		if d.key == title(name) {
			return ref, nil
		}
	}
	i := len(b.defs)
	b.defs = append(b.defs, member{title(name), nil})
	def, err := b.structure(name)
	if name == "SessionValue" {
		def, err = b.sessionValue()
	}
	b.defs[i].value = def
	return ref, err
}

// sessionValue is written by hand, as SessionValue.MarshalJSON is.
func (b *builder) sessionValue() (object, error) {
	location, err := b.define("Location")
	return object{
		{"title", "SessionValue"},
		{"description", "A variable of a flow: a text, null if it is there without a value, or a place."},
		{"anyOf", []object{{{"type", "string"}}, {{"type", "null"}}, location}},
	}, err
}

// enum returns the values of a string type that has constants.
func (b *builder) enum(typ string) object {
	var values []string
	for _, c := range b.src.constsOf(typ) {
		values = append(values, c.value)
	}
	return object{{"type", "string"}, {"enum", values}}
}

// title is the name of a type in the documents.
func title(name string) string {
	if name == "envelope" {
		return "Envelope"
	}
	return name
}
