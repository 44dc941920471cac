package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// EnvFile is the environment variable that names the configuration file, as
// the flag --config does.
const EnvFile = EnvPrefix + "CONFIG"

// Options say where Load reads.
type Options struct {
	File  string                 // path of the YAML file; "": $TREBLE_BRIDGE_CONFIG, else none
	Flags map[string]*pflag.Flag // by key; a flag counts only if it was given
}

// Origin says which layer a value comes from.
type Origin string

// The layers; a later one wins.
const (
	OriginDefault Origin = "default"
	OriginFile    Origin = "file"
	OriginEnv     Origin = "env"
	OriginFlag    Origin = "flag"
)

// Loaded is a configuration and how it came about.
type Loaded struct {
	Config
	File     string            // the file that was read, or ""
	Warnings []string          // what is odd and no error, such as an unknown environment variable; see Notices
	Origins  map[string]Origin // by key, every key

	text   string   // of the file
	unread []string // keys and groups whose values an error kept from being read; "": the whole file
}

// Notices returns everything that is odd about the configuration and keeps nothing from
// starting: its warnings and its advice. They are to be logged at the start.
func (l *Loaded) Notices() []string { return slices.Concat(l.Warnings, l.Advice()) }

// Load reads the layers over the defaults. An empty environment variable is
// as if it were not set. The error joins every problem, each with the key or
// the variable that the user typed and never with a secret; what could be
// read is returned beside it, so that a caller can report what [Config.Validate]
// finds as well. Load does not call Validate: a client command needs no
// complete configuration.
func Load(o Options) (*Loaded, error) {
	l := &Loaded{Config: Default(), File: o.File, Origins: map[string]Origin{}}
	if l.File == "" {
		var doubts []string
		l.File, doubts = value.Clean(os.Getenv(EnvFile))
		l.Warnings = value.Doubts("environment "+EnvFile+":", doubts)
	}
	keys := Keys()
	v := viper.New()
	var errs []error
	if l.File != "" {
		text, values, err := readFile(l.File, keys)
		l.text = text
		l.noteUnread(err)
		errs = append(errs, err, v.MergeConfigMap(values))
	}
	for _, k := range keys {
		// AutomaticEnv would reach only keys that some other layer has set.
		errs = append(errs, v.BindEnv(k.Name, k.Env))
		// Of a flag that was not given viper would take the flag's own default.
		if f := o.Flags[k.Name]; f != nil && f.Changed {
			errs = append(errs, v.BindPFlag(k.Name, f))
		}
	}
	for _, k := range keys {
		l.Origins[k.Name] = origin(v, o, k)
		if err := l.set(k, v.Get(k.Name)); err != nil {
			l.unread = append(l.unread, k.Name)
			errs = append(errs, l.blame(k, o, err))
		}
	}
	l.Warnings = append(l.Warnings, unknownVariables(os.Environ(), keys)...)
	return l, errors.Join(errs...)
}

// set decodes what the winning layer has into the key's field.
func (l *Loaded) set(k Key, from any) error {
	into := reflect.ValueOf(&l.Config).Elem().FieldByIndex(k.index)
	fresh := reflect.New(into.Type()).Elem()
	fresh.Set(into)
	var err error
	d := decoder{source: l.text}
	switch from := from.(type) {
	case nil:
		return nil
	case *yaml.Node:
		err = d.node(from, fresh, k.Name)
	case string:
		err = d.text(from, fresh, l.typed(k))
	}
	for _, w := range d.warnings {
		if l.Origins[k.Name] == OriginEnv && !strings.Contains(w, k.Env) { // its path begins in the variable
			w = "environment " + k.Env + ": " + w
		}
		l.Warnings = append(l.Warnings, w)
	}
	if err == nil {
		into.Set(fresh)
	}
	return err
}

// typed returns the name under which the user set a key, for a warning: the key, or its environment
// variable.
func (l *Loaded) typed(k Key) string {
	if l.Origins[k.Name] == OriginEnv {
		return "environment " + k.Env
	}
	return k.Name
}

// origin names the layer that viper takes a key from.
func origin(v *viper.Viper, o Options, k Key) Origin {
	switch f := o.Flags[k.Name]; {
	case f != nil && f.Changed:
		return OriginFlag
	case os.Getenv(k.Env) != "":
		return OriginEnv
	case v.InConfig(k.Name):
		return OriginFile
	}
	return OriginDefault
}

// blame puts in front of an error what the user typed.
func (l *Loaded) blame(k Key, o Options, err error) error {
	switch l.Origins[k.Name] {
	case OriginFlag:
		return fmt.Errorf("flag --%s (%s): %w", o.Flags[k.Name].Name, k.Name, err)
	case OriginEnv:
		return fmt.Errorf("environment %s: %w", k.Env, err)
	}
	return inFile(l.File, err)
}

// readFile returns the file's text, and its values by key as a nested map of nodes: viper
// leaves what it does not know alone.
func readFile(path string, keys []Key) (text string, values map[string]any, _ error) {
	text, err := value.ReadFile(path)
	if err != nil {
		return "", nil, &unreadError{fmt.Errorf("read configuration: %w", err), ""}
	}
	values = map[string]any{}
	root, err := oneDocument(text)
	if err != nil {
		return text, values, inFile(path, &unreadError{err, ""})
	}
	if root == nil || isNull(root) {
		return text, values, nil
	}
	return text, values, inFile(path, collect(root, "", keys, values))
}

// collect walks the groups of keys down to the leaves, which it does not look
// into.
func collect(n *yaml.Node, path string, keys []Key, into map[string]any) error {
	if n = resolve(n); n.Kind != yaml.MappingNode {
		return &unreadError{eachPair(n, path, nil), path}
	}
	return eachPair(n, path, func(key, val *yaml.Node) error {
		name := join(path, key.Value)
		isKey := slices.ContainsFunc(keys, func(k Key) bool { return k.Name == name })
		isGroup := slices.ContainsFunc(keys, func(k Key) bool { return strings.HasPrefix(k.Name, name+".") })
		switch {
		case strings.Contains(key.Value, ".") && (isKey || isGroup):
			return &unreadError{at(key, "", fmt.Errorf("unknown key %q: write each part on a line of its own, indented", name)), name}
		case isKey && !isNull(resolve(val)):
			into[key.Value] = val
		case isGroup && !isNull(resolve(val)):
			group := map[string]any{}
			into[key.Value] = group
			return collect(val, name, keys, group)
		case !isKey && !isGroup:
			return unreadKey(key, name, names(keys))
		}
		return nil
	})
}

// names returns the names of keys, and of their groups.
func names(keys []Key) []string {
	var all []string
	for _, k := range keys {
		for i := range k.Name {
			if k.Name[i] == '.' && !slices.Contains(all, k.Name[:i]) {
				all = append(all, k.Name[:i])
			}
		}
		all = append(all, k.Name)
	}
	return all
}

// inFile puts the file's name in front of each of the joined errors.
func inFile(path string, err error) error {
	var all []error
	for _, e := range value.Unjoin(err) {
		all = append(all, fmt.Errorf("%s: %w", path, e))
	}
	return errors.Join(all...)
}

// serviceLink matches what Kubernetes puts into the environment of every pod
// beside a service named treble-bridge or treble-bridge-….
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)$`)

// unknownVariables returns a warning for each variable that has our prefix
// and no key. It is no error: the environment is not ours alone.
func unknownVariables(environ []string, keys []Key) []string {
	var warnings []string
	known := make([]string, 0, len(keys)+1)
	for _, k := range keys {
		known = append(known, k.Env)
	}
	known = append(known, EnvFile)
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, EnvPrefix) || slices.Contains(known, name) || serviceLink.MatchString(name) {
			continue
		}
		warning := "environment variable " + name + " is no key of the configuration"
		if near := nearest(name, known); near != "" {
			warning += ": do you mean " + near + "?"
		}
		warnings = append(warnings, warning)
	}
	slices.Sort(warnings)
	return warnings
}
