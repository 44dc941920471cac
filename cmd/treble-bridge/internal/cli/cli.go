// Package cli holds the code that the commands share: streams and exit codes, loading the
// configuration, connecting to the running bridge and its NATS, confirmations, and output formats.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config"
)

// The exit codes.
const (
	ExitFine   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Streams are the input and the outputs of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// UsageError is a command line that is wrong, as opposed to a command that
// failed.
type UsageError struct{ error }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// Run runs a tree of commands and returns the exit code. It prints an error,
// once, to standard error.
func Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitFine
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	_, isUsage := errors.AsType[UsageError](err)
	fmt.Fprintf(root.ErrOrStderr(), "treble-bridge: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if isUsage || !started { // cobra refuses a command line before it starts a command
		fmt.Fprintf(root.ErrOrStderr(), "See %q.\n", cmd.CommandPath()+" --help")
		return ExitUsage
	}
	return ExitFailed
}

// PrepareRoot sets the streams and the flags that all commands of a tree have.
func PrepareRoot(root *cobra.Command, streams Streams) {
	root.SilenceErrors, root.SilenceUsage = true, true // Run prints errors
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.PersistentFlags().StringP("config", "c", "", "configuration file (YAML); $"+config.EnvFile)
	root.PersistentFlags().String("data-dir", "", "directory of the bridge's files (data_dir)")
}

// NewGroup returns a command that only holds others.
func NewGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	group.AddCommand(commands...)
	group.RunE = func(cmd *cobra.Command, args []string) error {
		var names []string
		for _, c := range commands {
			names = append(names, c.Name())
		}
		if len(args) == 0 {
			return Usagef("%s: say which: %s", cmd.CommandPath(), strings.Join(names, ", "))
		}
		cmd.SuggestionsMinimumDistance = 2
		hint := "use one of " + strings.Join(names, ", ")
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("do you mean %q?", near[0])
		}
		return Usagef("unknown command %q for %q: %s", args[0], cmd.CommandPath(), hint)
	}
	return group
}

// Confirm asks before something is done that cannot be undone. It is an error if
// nobody can be asked.
func Confirm(streams Streams, question string) error {
	if !terminal.Is(streams.In) {
		return Usagef("%s Nobody can be asked: confirm with --yes", question)
	}
	fmt.Fprintf(streams.Err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(streams.In).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// UserAtHost returns user@host, as far as it is known.
func UserAtHost() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	} else if name == "" {
		name = strconv.Itoa(os.Getuid())
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// CountTrue returns how many of several are true, such as flags of which a command takes one.
func CountTrue(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}
