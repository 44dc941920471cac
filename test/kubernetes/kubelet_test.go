package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/treble-bridge/treble-bridge/config"
)

// theirs are the Secrets that a user of the chart makes, by name, with exactly
// the keys that the chart's documentation asks for.
var theirs = map[string][]string{
	"mine":               {"tokens", "crm"},
	"nats":               {"credentials", "nkey", "token", "password"},
	"nats-tls":           {"ca.crt", "tls.crt", "tls.key"},
	"treble-bridge-auth": {"tokens"},
	"treble-bridge-nats": {"credentials", "token"},
}

// secretOf is the value of a Secret for which makeSecrets has no other.
const secretOf = "9f2c6b1e84d07a35c1b6"

// node is the environment of the bridge's container: files and variables. The paths
// of the mounts are below a directory of the test instead of at the root.
type node struct {
	dir     string
	env     []string
	file    string // the configuration
	replace *strings.Replacer
}

// kubelet mounts the volumes of the bridge as a kubelet would, and fails the test
// if one cannot be mounted. more are further texts to replace in the
// configuration, in pairs.
func kubelet(t *testing.T, o *objects, more ...string) *node {
	t.Helper()
	n := &node{dir: t.TempDir()}
	bridge := o.bridge()
	for _, m := range bridge.VolumeMounts {
		more = append(more, m.MountPath, n.dir+m.MountPath)
	}
	n.replace = strings.NewReplacer(more...)
	for _, m := range bridge.VolumeMounts {
		dir := filepath.Join(n.dir, m.MountPath)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for key, text := range o.content(t, m.Name) {
			if err := os.WriteFile(filepath.Join(dir, key), []byte(n.replace.Replace(text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, e := range bridge.Env {
		n.env = append(n.env, e.Name+"="+n.replace.Replace(e.Value))
		if e.Name == config.EnvFile {
			n.file = n.replace.Replace(e.Value)
		}
	}
	if _, err := os.Stat(n.file); err != nil {
		t.Fatalf("%s does not lead to a file: %v", config.EnvFile, err)
	}
	return n
}

// content returns the files of a volume, none for one of data.
func (o *objects) content(t *testing.T, volume string) map[string]string {
	t.Helper()
	for _, v := range o.pod().Spec.Volumes {
		switch {
		case v.Name != volume:
		case v.ConfigMap != nil:
			return o.configs[v.ConfigMap.Name].Data
		case v.Secret != nil:
			return o.secret(t, v.Secret)
		}
	}
	return nil
}

// secret returns a Secret of the chart, or one of the user's.
func (o *objects) secret(t *testing.T, s *corev1.SecretVolumeSource) map[string]string {
	t.Helper()
	if ours := o.secrets[s.SecretName]; ours != nil {
		return ours.StringData
	}
	keys, ok := theirs[s.SecretName]
	if !ok {
		t.Fatalf("nobody makes the Secret %s", s.SecretName)
	}
	values := makeSecrets(t)
	data := map[string]string{}
	for _, key := range keys {
		if data[key] = values[key]; data[key] == "" {
			data[key] = secretOf
		}
	}
	return data
}

// load reads the configuration as the bridge does.
func (n *node) load(t *testing.T) *config.Config {
	t.Helper()
	loaded, err := config.Load(config.Options{File: n.file})
	if err != nil {
		t.Fatal(err)
	}
	return &loaded.Config
}
