package webhook

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config/value"
)

// TokenFlags are the flags --token and --token-file of a command that posts to a bridge.
type TokenFlags struct {
	token string
	file  string
}

// Add defines the flags. fallback says in the help which token counts without them.
func (t *TokenFlags) Add(f *pflag.FlagSet, fallback string) {
	f.StringVar(&t.token, "token", "", "bearer token (default: "+fallback+"); the list of processes shows it, --token-file does not")
	f.StringVar(&t.file, "token-file", "", "file with the bearer token; - is standard input")
}

// Read returns the token that the flags name, "" if they name none. It warns of a token on the
// command line. stdinTaken says that standard input holds something else.
func (t *TokenFlags) Read(streams cli.Streams, stdinTaken bool) (string, error) {
	switch {
	case t.file == "" && t.token != "":
		_, err := fmt.Fprintln(streams.Err, "warning: --token is visible in the list of processes: use --token-file")
		return t.token, err
	case t.file == "":
		return "", nil
	case t.token != "":
		return "", cli.Usagef("--token and --token-file: use one of them")
	case t.file == "-" && stdinTaken:
		return "", cli.Usagef("--token-file - and -: standard input can hold one of them")
	}
	var text []byte
	var err error
	if t.file == "-" {
		text, err = io.ReadAll(streams.In)
	} else {
		text, err = os.ReadFile(t.file)
	}
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token, _ := value.CleanSecret(value.Secret(text), value.Authorization)
	if token == "" {
		return "", cli.Usagef("--token-file: there is no token in it")
	}
	return token, nil
}
