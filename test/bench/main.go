// Command bench compares treble-bridge with the least that a webhook receiver
// can do, side by side, and says how its cost grows. See "make bench".
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case interrupted:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	debug.SetGCPercent(400) // the load generator shares the processors with what it measures
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	var rec record
	switch o.command {
	case "check":
		rec, err = check(ctx, b, o, os.Stdout)
	case "quick":
		rec, err = full(ctx, b, o)
		rec.print(os.Stdout)
	case "full":
		rec, err = full(ctx, b, o)
		rec.print(os.Stdout)
		if err == nil {
			err = rec.write(o)
		}
	}
	if o.json != "" {
		err = errors.Join(err, writeJSON(o.json, rec))
	}
	return err
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
