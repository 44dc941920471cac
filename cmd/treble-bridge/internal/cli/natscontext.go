package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
)

// useNATS says where a client command finds NATS: in the context that it names; else in nats.url;
// else it is the embedded server of the bridge that runs here; else what the environment
// tells the nats command line too. The embedded server wants the token in data_dir. So a NATS_URL that is set for something else leads no command away from
// its bridge.
func useNATS(cmd *cobra.Command, c *config.Config) error {
	flag := cmd.Flags().Lookup("nats-context")
	if flag == nil {
		return nil
	}
	defer func() { c.NATS = c.NATS.WithDataDir(c.DataDir) }()
	if flag.Changed {
		if cmd.Flags().Changed("nats-url") {
			return Usagef("--nats-context and --nats-url: use one of them")
		}
		return useNATSContext(c, flag.Value.String())
	}
	if c.NATS.URL != "" || flag.Annotations[noEnvironment] != nil {
		return nil
	}
	if running, err := ReadAddrs(c.DataDir); err != nil || running.NATS != "" {
		return err
	}
	if name := os.Getenv("NATS_CONTEXT"); name != "" {
		return useNATSContext(c, name)
	}
	if url := os.Getenv("NATS_URL"); url != "" {
		replaceNATS(c, natsContext{
			URL: url, User: os.Getenv("NATS_USER"), Password: os.Getenv("NATS_PASSWORD"), Token: os.Getenv("NATS_TOKEN"),
			Creds: os.Getenv("NATS_CREDS"), NKey: os.Getenv("NATS_NKEY"),
			Cert: os.Getenv("NATS_CERT"), Key: os.Getenv("NATS_KEY"), CA: os.Getenv("NATS_CA"),
		})
	}
	return nil
}

// ConfiguredNATSOnly keeps a command that connects to NATS to the configured one, or the one that
// its flags name.
func ConfiguredNATSOnly(cmd *cobra.Command) {
	cmd.Flags().Lookup("nats-context").Annotations = map[string][]string{noEnvironment: {}}
}

// noEnvironment marks the flag of a command that examines the configured NATS and no other.
const noEnvironment = "no-environment"

// natsContext is a context of the nats command line, as its file has it.
type natsContext struct {
	URL       string `json:"url"`
	Token     string `json:"token"`
	User      string `json:"user"`
	Password  string `json:"password"`
	Creds     string `json:"creds"`
	NKey      string `json:"nkey"`
	Cert      string `json:"cert"`
	Key       string `json:"key"`
	CA        string `json:"ca"`
	Domain    string `json:"jetstream_domain"`
	APIPrefix string `json:"jetstream_api_prefix"`
	Inbox     string `json:"inbox_prefix"`
	TLSFirst  bool   `json:"tls_first"`

	// Settings that lead to credentials in ways that are not supported here.
	NSC      string `json:"nsc"`
	JWT      string `json:"user_jwt"`
	Seed     string `json:"user_seed"`
	Proxy    string `json:"socks_proxy"`
	CertType string `json:"windows_cert_store"`
}

var contextName = regexp.MustCompile(`^[^/\\\s.][^/\\\s]*$`)

// useNATSContext replaces the configured NATS with that of a context.
func useNATSContext(c *config.Config, name string) error {
	if !contextName.MatchString(name) {
		return Usagef("%q is no name of a nats context", name)
	}
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return fmt.Errorf("nats context %s: %w", name, err)
		}
		dir = filepath.Join(home, ".config")
	}
	b, err := os.ReadFile(filepath.Join(dir, "nats", "context", name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no nats context %s in %s: nats context ls", name, filepath.Join(dir, "nats", "context"))
	}
	if err != nil {
		return fmt.Errorf("nats context %s: %w", name, err)
	}
	var n natsContext
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("nats context %s: its file is no JSON object", name) // err may repeat a secret
	}
	for field, value := range map[string]string{
		"nsc": n.NSC, "user_jwt": n.JWT, "user_seed": n.Seed, "socks_proxy": n.Proxy, "windows_cert_store": n.CertType,
	} {
		if value != "" {
			return fmt.Errorf("nats context %s has %s, which is not supported here: use --nats-url, and nats.credentials_file or another key of nats", name, field)
		}
	}
	if n.URL == "" {
		n.URL = "nats://127.0.0.1:4222"
	}
	replaceNATS(c, n)
	return nil
}

// replaceNATS replaces the address, credentials and TLS of NATS. The limit for messages and
// the embedded server stay as configured.
func replaceNATS(c *config.Config, n natsContext) {
	c.NATS = publisher.NATSConfig{
		URL: n.URL, Token: value.Secret(n.Token), User: n.User, Password: value.Secret(n.Password),
		CredentialsFile: inHome(n.Creds), NKeyFile: inHome(n.NKey),
		TLS:             publisher.TLSConfig{CAFile: inHome(n.CA), CertFile: inHome(n.Cert), KeyFile: inHome(n.Key), HandshakeFirst: n.TLSFirst},
		JetStreamDomain: n.Domain, APIPrefix: n.APIPrefix, InboxPrefix: n.Inbox,
		MaxPayload: c.NATS.MaxPayload, Embedded: c.NATS.Embedded,
	}
}

// inHome is a path, of which ~ means the home directory.
func inHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
