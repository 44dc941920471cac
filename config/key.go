package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// Key describes one key of the configuration.
type Key struct {
	Name    string // as in the file, with dots: "publisher.ack_timeout"
	Env     string // TREBLE_BRIDGE_PUBLISHER_ACK_TIMEOUT
	Type    string // string, bool, int, duration, size, list, secret, list of secrets, named secrets, sources, object
	Default string // as one would write it; "" if there is none
	Doc     string

	index []int // of the field, for reflect.Value.FieldByIndex
}

// EnvPrefix begins the name of every environment variable of the bridge.
const EnvPrefix = "TREBLE_BRIDGE_"

// EnvName returns the environment variable of a key.
func EnvName(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Keys returns every key, in the order of the documentation. What stands
// inside an entry of sources has no key of its own: see [SourceKeys].
func Keys() []Key { return keysOf(reflect.ValueOf(Default()), "", nil) }

// SourceKeys returns the keys of one entry of sources, without their
// environment variables: they have none.
func SourceKeys() []Key { return entryKeys(ingress.SourceConfig{}) }

// SecretKeys returns the keys of one entry of auth.secrets, likewise.
func SecretKeys() []Key { return entryKeys(auth.SecretConfig{}) }

func entryKeys(entry any) []Key {
	keys := keysOf(reflect.ValueOf(entry), "", nil)
	for i := range keys {
		keys[i].Env = ""
	}
	return keys
}

func keysOf(v reflect.Value, prefix string, index []int) []Key {
	var keys []Key
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := prefix + keyName(field)
		// A full slice expression, or two siblings would share the array.
		at := append(index[:len(index):len(index)], i)
		if field.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(v.Field(i), name+".", at)...)
			continue
		}
		keys = append(keys, Key{
			Name:    name,
			Env:     EnvName(name),
			Type:    typeName(field.Type),
			Default: formatValue(v.Field(i)),
			Doc:     field.Tag.Get("doc"),
			index:   at,
		})
	}
	return keys
}

// keyName is the last part of a field's key. A field without one is a mistake
// in the program that a test finds, since its key would be "".
func keyName(f reflect.StructField) string { return f.Tag.Get("mapstructure") }

var (
	secretType   = reflect.TypeFor[value.Secret]()
	sizeType     = reflect.TypeFor[value.Size]()
	durationType = reflect.TypeFor[time.Duration]()
	sourcesType  = reflect.TypeFor[[]ingress.SourceConfig]()
	namedType    = reflect.TypeFor[[]auth.SecretConfig]()
	objectType   = reflect.TypeFor[value.Object]()
)

func typeName(t reflect.Type) string {
	switch t {
	case secretType:
		return "secret"
	case sizeType:
		return "size"
	case durationType:
		return "duration"
	case sourcesType:
		return "sources"
	case namedType:
		return "named secrets"
	case objectType:
		return "object"
	case reflect.TypeFor[[]value.Secret]():
		return "list of secrets"
	}
	if t.Kind() == reflect.Slice {
		return "list"
	}
	return t.Kind().String()
}

// formatValue writes a leaf as one would type it; secrets as "<secret>".
func formatValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return value.FormatDuration(x)
	case fmt.Stringer: // Size, Secret
		return x.String()
	}
	switch v.Kind() {
	case reflect.String:
		return withoutUserinfo(v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Slice:
		if structs(v.Type()) {
			return ""
		}
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = formatValue(v.Index(i))
		}
		return strings.Join(parts, ",")
	}
	return ""
}

// structs reports whether a type is a list of entries that have keys of their own. In an
// environment variable they are YAML or JSON.
func structs(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}
