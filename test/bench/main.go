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
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	debug.SetGCPercent(400) // the load generator shares the processors with what it measures
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	root := fs.String("root", "../..", "directory of the repository")
	tmp := fs.String("tmp", "", "directory for what is temporary; it must be on a disk like the data directory's (default: the system's)")
	jsonFile := fs.String("json", "", "write the table to this file")
	t := mainTable{}
	names := fs.String("contestants", "floor,naive,journal,stream", "who is compared")
	connections := fs.String("connections", "1,16,64,256", "connections of the closed loop")
	fs.IntVar(&t.rounds, "rounds", 9, "rounds at most")
	fs.DurationVar(&t.budget, "budget", 140*time.Second, "no round begins that would end after this time; three are made anyway")
	fs.DurationVar(&t.warmUp, "warm-up", 150*time.Millisecond, "load before each measurement")
	fs.DurationVar(&t.measure, "measure", 500*time.Millisecond, "length of each measurement")
	fs.IntVar(&t.body, "body", 574, "size of a body")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 || fs.Arg(0) != "quick" {
		return errors.New("say what to run: quick")
	}
	t.names = strings.Split(*names, ",")
	if t.connections, err = ints(*connections); err != nil {
		return err
	}
	b, err := newBench(ctx, *root, *tmp)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := b.Close(); err == nil {
			err = closeErr
		}
	}()
	cells, err := t.run(ctx, b)
	rows := rowsOf(cells)
	printTable(os.Stdout, rows)
	if err == nil && *jsonFile != "" {
		err = writeJSON(*jsonFile, rows)
	}
	return err
}

func ints(list string) ([]int, error) {
	var out []int
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
