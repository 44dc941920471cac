// Package config composes the configurations of the bridge's packages into
// one, and loads it: defaults, then a YAML file, then the environment, then
// flags. The packages own their keys, defaults and rules; this package owns
// how they are read, checked together, printed and documented. It is the only
// one that knows viper.
package config

import (
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/ingress/quota"

	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/atrest"
)

// Config is everything that can be configured. A field's mapstructure tag is
// its key, its doc tag what [Reference], config init and the README say of it.
type Config struct {
	DataDir         string                  `mapstructure:"data_dir" doc:"where the bridge keeps its files: the journal, the store of the embedded NATS, set-aside, addr.json"`
	ShutdownTimeout time.Duration           `mapstructure:"shutdown_timeout" doc:"how long a shutdown may take before it is cut off"`
	Log             LogConfig               `mapstructure:"log"`
	Ingress         ingress.Config          `mapstructure:"ingress"`
	Ops             ops.Config              `mapstructure:"ops"`
	NATS            publisher.NATSConfig    `mapstructure:"nats"`
	Publisher       publisher.Config        `mapstructure:"publisher"`
	Journal         publisher.JournalConfig `mapstructure:"journal"`
	Encryption      atrest.Config           `mapstructure:"encryption"`
	Auth            auth.Config             `mapstructure:"auth"`   // of the default source
	Limits          quota.Limits            `mapstructure:"limits"` // of the default source
	Sources         []ingress.SourceConfig  `mapstructure:"sources" doc:"sources instead of the default one, each with its own paths and auth; see below"`
}

// LogConfig sets the level and the format of the log. Logs go to standard error.
type LogConfig struct {
	Level  string `mapstructure:"level" doc:"from which level on lines are written: debug, info, warn or error; debug has one line per accepted delivery"`
	Format string `mapstructure:"format" doc:"form of the lines: json, or console for people"`
}

// The values of LogConfig.
const (
	FormatJSON    = "json"
	FormatConsole = "console"
)

// Default returns the documented defaults. They do not start a bridge: no
// secret is set, and nothing says that none is wanted.
func Default() Config {
	return Config{
		DataDir:         "./data",
		ShutdownTimeout: 25 * time.Second,
		Log:             LogConfig{Level: "info", Format: FormatJSON},
		Ingress:         ingress.DefaultConfig(),
		Ops:             ops.DefaultConfig(),
		NATS:            publisher.DefaultNATSConfig(),
		Publisher:       publisher.DefaultConfig(),
		Journal:         publisher.DefaultJournalConfig(),
	}
}

// IngressInDataDir returns the public listener with what it keeps in the data directory.
func (c *Config) IngressInDataDir() ingress.Config {
	in := c.Ingress
	in.TLS = in.TLS.InDataDir(c.DataDir)
	return in
}

// EffectiveSources returns the configured sources, or the default source with
// the top-level auth if there are none.
func (c *Config) EffectiveSources() []ingress.SourceConfig {
	if len(c.Sources) > 0 {
		return c.Sources
	}
	s := ingress.DefaultSource()
	s.Auth, s.Limits = c.Auth, c.Limits
	if c.Auth.HasPath() {
		s.Paths = ingress.SecretPaths()
	}
	return []ingress.SourceConfig{s}
}
