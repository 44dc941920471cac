package auth

import "github.com/treble-bridge/treble-bridge/config/value"

// Config says which secrets a source takes. A request that carries any one of
// them is accepted, so that a rotation loses no event. They are read by
// [value.CleanSecret].
type Config struct {
	Bearer     []value.Secret `mapstructure:"bearer" doc:"active bearer tokens: Authorization: Bearer <token>; any one is enough"`
	BearerFile string         `mapstructure:"bearer_file" doc:"file with more bearer tokens, one per line"`
	Header     HeaderConfig   `mapstructure:"header"`
	Disabled   bool           `mapstructure:"disabled" doc:"accept requests without any secret; only for a network that you trust"`
}

// HeaderConfig is a secret in a header of one's own, such as X-Api-Key.
type HeaderConfig struct {
	Name       string         `mapstructure:"name" doc:"name of the secret header, such as X-Api-Key"`
	Values     []value.Secret `mapstructure:"values" doc:"active values of the secret header; any one is enough"`
	ValuesFile string         `mapstructure:"values_file" doc:"file with more values, one per line"`
}
