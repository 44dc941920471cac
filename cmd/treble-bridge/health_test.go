package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
)

func TestReadinessBeforeTheDeadlineOfHealth(t *testing.T) {
	// A server that never answers must not hang a health check.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := cli.AskReadiness(ctx, "http://"+silent.Addr().String()); err == nil {
		t.Error("want an error")
	}
}
