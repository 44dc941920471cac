package config

import (
	"reflect"
	"slices"
	"strings"
)

// reloadable are the keys that count without a restart when the configuration is read again. One that
// ends in a dot stands for all below it.
var reloadable = []string{
	"log.level",
	"ingress.max_body", "ingress.max_in_flight", "ingress.max_in_flight_bytes", "ingress.max_elements", "ingress.min_body_rate",
	"ingress.accept_timeout", "ingress.max_auth_failures", "ingress.trusted_proxies", "ingress.operator_addresses", "ingress.timezone",
	"ingress.tls.cert_file", "ingress.tls.key_file", "ingress.tls.client_ca",
	"nats.embedded.tls.cert_file", "nats.embedded.tls.key_file",
	"auth.", "limits.", "sources",
}

func isReloadable(key string) bool {
	return slices.ContainsFunc(reloadable, func(r string) bool {
		return key == r || strings.HasSuffix(r, ".") && strings.HasPrefix(key, r)
	})
}

// Merge returns the configuration with what of next counts without a restart, the keys that differ in
// that, and those that differ and wait for a restart. To begin with TLS, or to end it, needs one.
func (c *Config) Merge(next *Config) (merged Config, changed, waiting []string) {
	merged = *c
	to, from := reflect.ValueOf(&merged).Elem(), reflect.ValueOf(next).Elem()
	fixed := func(key string) bool {
		switch {
		case strings.HasPrefix(key, "ingress.tls."):
			return c.Ingress.TLS.Enabled() != next.Ingress.TLS.Enabled()
		case strings.HasPrefix(key, "nats.embedded.tls."):
			return (c.NATS.Embedded.TLS.CertFile == "") != (next.NATS.Embedded.TLS.CertFile == "")
		}
		return false
	}
	for _, k := range Keys() {
		was, is := to.FieldByIndex(k.index), from.FieldByIndex(k.index)
		switch {
		case reflect.DeepEqual(was.Interface(), is.Interface()):
		case isReloadable(k.Name) && !fixed(k.Name):
			was.Set(is)
			changed = append(changed, k.Name)
		default:
			waiting = append(waiting, k.Name)
		}
	}
	return merged, changed, waiting
}

// Files are those, beside the file of the configuration itself, whose content counts without a
// restart when it is read again: secrets and certificates.
func (c *Config) Files() []string {
	var files []string
	for _, part := range []any{c.Ingress.TLS, c.NATS.Embedded.TLS, c.Auth, c.Sources} {
		files = appendFiles(files, reflect.ValueOf(part))
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func appendFiles(files []string, v reflect.Value) []string {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			files = appendFiles(files, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			key, field := keyName(v.Type().Field(i)), v.Field(i)
			isFile := strings.HasSuffix(key, "_file") || key == "file" || key == "client_ca"
			if field.Kind() == reflect.String && isFile && field.String() != "" {
				files = append(files, field.String())
				continue
			}
			files = appendFiles(files, field)
		}
	}
	return files
}
