package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
)

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
