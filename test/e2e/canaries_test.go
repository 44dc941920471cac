package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// canary is a value that the tests put in one place. Found in another place, it has leaked.
type canary struct{ name, value string }

// personal are the canaries for texts and names of persons: they belong in the events, and nowhere else.
var personal = struct{ phone, text, variable, key, header, query, path canary }{
	canary{"phone", "3990071234"},
	canary{"text", `zqtext says "ä<b> & 50%/\` + "\n" + `" zqtextend`},
	canary{"session variable", `zqvariable=ü "x" zqvariableend`},
	canary{"name of a session variable", "zqkeyofavariable"},
	canary{"harmless header", "zqheadervalue 7f3a"},
	canary{"query", "zqqueryvalue51"},
	canary{"path", "zqpathsegment88"},
}

// secret are the canaries for credentials: they belong nowhere.
var secret = struct{ bearer, fromFile, header, password, parameter, signing, wrong, wrongHeader, cookie, query, nats, wrongNATS, embedded canary }{
	canary{"bearer secret", "zqbearer/5e+cr=et-aaaaaaaaaa"},
	canary{"bearer secret from a file", "zqfilesecret-bbbbbbbbbbbbbb"},
	canary{"secret header", "zqheadersecret-cccccccccccc"},
	canary{"password of Basic", "zqpassword-jjjjjjjjjjjjjj"},
	canary{"secret parameter of the query", "zqparameter-kkkkkkkkkkkk"},
	canary{"key of a signature", "zqsigningkey-llllllllllll"},
	canary{"wrong bearer secret", "zqwrongbearer-dddddddddddd"},
	canary{"wrong secret header", "zqwrongheader-eeeeeeeeeeee"},
	canary{"cookie", "zqcookie-ffffffffffffff"},
	canary{"secret in the query", "zqsecretinquery-99999999"},
	canary{"NATS token", "zqnatstoken-gggggggggggg"},
	canary{"wrong NATS token", "zqwrongnats-hhhhhhhhhhhh"},
	canary{"token of the embedded NATS", "zqembedded-iiiiiiiiiiii"},
}

func personals() []canary { return canariesIn(personal) }

func secrets() []canary { return canariesIn(secret) }

// canariesIn returns the fields of a struct of canaries.
func canariesIn(all any) (list []canary) {
	v := reflect.ValueOf(all)
	for i := range v.NumField() {
		c := v.Field(i)
		list = append(list, canary{c.FieldByName("name").String(), c.FieldByName("value").String()})
	}
	return list
}

func everyCanary() []canary { return append(personals(), secrets()...) }

// expectNone fails the test for each canary that is in the text, in any form.
func expectNone(t *testing.T, place, text string, canaries ...canary) {
	t.Helper()
	text = strings.ToLower(text)
	for _, c := range canaries {
		for _, form := range c.forms() {
			if i := strings.Index(text, strings.ToLower(form)); i >= 0 {
				t.Errorf("%s holds the %s as %q: …%s…", place, c.name, form, text[max(0, i-200):min(len(text), i+len(form)+100)])
				break
			}
		}
	}
}

// in reports whether the text holds the canary in any form.
func (c canary) in(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(c.forms(), func(form string) bool {
		return strings.Contains(text, strings.ToLower(form))
	})
}

// forms are the ways in which the value may be written: its first word too,
// which no escaping changes, so that a part of the value is found as well.
func (c canary) forms() []string {
	word := strings.FieldsFunc(c.value, func(r rune) bool { return strings.ContainsRune(` ="/`, r) })[0]
	quoted, _ := json.Marshal(c.value) // a string: cannot fail
	goQuoted := strconv.Quote(c.value)
	forms := []string{
		word, c.value,
		url.QueryEscape(c.value), url.PathEscape(c.value), percent(word),
		strings.Trim(string(quoted), `"`), strings.Trim(goQuoted, `"`), unicodeEscaped(word),
		hex.EncodeToString([]byte(word)),
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for _, s := range []string{word, c.value} {
			forms = append(forms, inBase64(e, s)...)
		}
	}
	return forms
}

// inBase64 returns what is left of s wherever it stands in a longer text that
// is encoded: s begins at one of three places within a group of bytes, and the
// characters that it shares with its neighbours are cut off.
func inBase64(e *base64.Encoding, s string) []string {
	var forms []string
	for before := range 3 {
		encoded := e.WithPadding(base64.NoPadding).EncodeToString([]byte(strings.Repeat("\x00", before) + s))
		begin := (before*8 + 5) / 6
		end := (before + len(s)) * 8 / 6
		forms = append(forms, encoded[begin:end])
	}
	return forms
}

func percent(s string) string {
	return "%" + strings.Join(strings.Fields(fmt.Sprintf("% x", s)), "%")
}

func unicodeEscaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

// TestCanaryForms: what hides a canary in a longer text does not hide it from
// the tests.
func TestCanaryForms(t *testing.T) {
	for _, c := range everyCanary() {
		inJSON, err := json.Marshal(map[string]string{"a": "before " + c.value + " after"})
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{
			c.value, string(inJSON), fmt.Sprintf("%q", string(inJSON)), "?" + url.Values{"q": {c.value}}.Encode(),
			hex.EncodeToString([]byte("x" + c.value)), percent(c.value), unicodeEscaped(c.value), strings.ToUpper(c.value),
		}
		for before := range 6 {
			text := []byte(strings.Repeat("é", before)[:before] + c.value + `"}`)
			texts = append(texts, base64.StdEncoding.EncodeToString(text), base64.RawURLEncoding.EncodeToString(text))
		}
		for _, text := range texts {
			if !c.in(text) {
				t.Errorf("%s: not found in %q", c.name, text)
			}
		}
	}
}

// marked returns an example payload with canaries in place of everything that
// a person wrote or is called by. What identifies the event stays.
func marked(t *testing.T, name string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(bridge.Payload(t, name)), &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	b, err := json.Marshal(mark("", v))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mark(key string, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = mark(key, v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = mark(k, v[k])
		}
		if _, ok := v["key"].(string); ok { // a session variable
			v["key"], v["value"] = personal.key.value, personal.variable.value
		}
	case float64:
		if key == "cellphone" {
			return json.Number(personal.phone.value)
		}
	case string:
		switch {
		case key == "cellphone":
			return personal.phone.value
		case key == "text", key == "message", key == "caption", key == "url", key == "footer", key == "extra",
			key == "sent_text", key == "actual_response", key == "hello", key == "sender" && v != "user" && v != "company",
			key == "value", key == "sent_text_2", key == "name" && !strings.HasPrefix(v, "welcome"):
			return personal.text.value + " call +57" + personal.phone.value
		}
	}
	return v
}
