package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// source holds the declarations and comments of package schema that the generator reads.
type source struct {
	types  map[string]ast.Expr // by name
	docs   map[string]string   // of the types
	consts []constant          // in their order
	used   map[string]bool     // rules that were asked for
}

// constant is a string constant with a comment of its own.
type constant struct {
	name, typ, value, doc string
}

// readSource parses the package in dir, without its tests.
func readSource(dir string) (*source, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	src := &source{types: map[string]ast.Expr{}, docs: map[string]string{}, used: map[string]bool{}}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				src.add(g)
			}
		}
	}
	return src, nil
}

func (s *source) add(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.types[spec.Name.Name] = spec.Type
			s.docs[spec.Name.Name] = text(g.Doc)
		case *ast.ValueSpec:
			if g.Tok == token.CONST && len(spec.Values) == 1 {
				s.addConst(spec)
			}
		}
	}
}

func (s *source) addConst(spec *ast.ValueSpec) {
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return // not reached: the parser took it
	}
	c := constant{name: spec.Names[0].Name, value: value, doc: comment(spec.Doc, spec.Comment)}
	if t, ok := spec.Type.(*ast.Ident); ok {
		c.typ = t.Name
	}
	s.consts = append(s.consts, c)
}

// constsOf returns the constants of a type, in their order.
func (s *source) constsOf(typ string) []constant {
	var of []constant
	for _, c := range s.consts {
		if c.typ == typ {
			of = append(of, c)
		}
	}
	return of
}

// constant returns the constant of this name.
func (s *source) constant(name string) (constant, error) {
	for _, c := range s.consts {
		if c.name == name {
			return c, nil
		}
	}
	return constant{}, fmt.Errorf("there is no string constant %s", name)
}

// field is a field of a struct as it is on the wire.
type field struct {
	owner    string // name of the struct
	name     string // in Go
	key      string // on the wire
	required bool
	typ      ast.Expr
	doc      string
}

// fields returns the fields of a struct, those of embedded ones in their place.
func (s *source) fields(name string) ([]field, error) {
	st, ok := s.types[name].(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("%s is no struct", name)
	}
	var all []field
	for _, f := range st.Fields.List {
		if len(f.Names) == 0 {
			embedded, err := s.fields(f.Type.(*ast.Ident).Name)
			if err != nil {
				return nil, err
			}
			all = append(all, embedded...)
			continue
		}
		if f.Tag == nil {
			return nil, fmt.Errorf("%s.%s has no json tag", name, f.Names[0].Name)
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return nil, err
		}
		key, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		all = append(all, field{
			owner: name, name: f.Names[0].Name, key: key, typ: f.Type,
			required: !strings.Contains(options, "omit"), doc: comment(f.Doc, f.Comment),
		})
	}
	return rawLast(all), nil
}

// rawLast gives the field Raw, which encoding/json does not write, the name and
// the place under which Event.Encode splices it in.
func rawLast(fields []field) []field {
	for i, f := range fields {
		if f.name == "Raw" {
			f.key, f.required = "raw", true
			return append(append(fields[:i:i], fields[i+1:]...), f)
		}
	}
	return fields
}

// comment is the comment above or, better, behind a name.
func comment(above, behind *ast.CommentGroup) string {
	if behind != nil {
		return text(behind)
	}
	return text(above)
}

// text is a comment on one line.
func text(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
