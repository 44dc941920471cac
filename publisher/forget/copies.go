package forget

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Copies are sentences about places where messages of the person may be that a run
// does not look at, as far as NATS tells of them.
func (r *Run) Copies(ctx context.Context, spec streams.Spec) []string {
	notes := r.streams.replicated(ctx)
	notes = append(notes, r.streams.derived(ctx)...)
	return append(notes, r.streams.replayed(ctx, spec)...)
}

// replicated are the streams of which each server keeps a log besides.
func (s streamSet) replicated(ctx context.Context) (notes []string) {
	for _, name := range s.names {
		if stream, err := s.client.JetStream().Stream(ctx, name); err == nil && stream.CachedInfo().Config.Replicas > 1 {
			notes = append(notes, fmt.Sprintf("stream %s is replicated: what was deleted stays in the logs of its servers until they compact them, which they do by themselves within minutes", name))
		}
	}
	return notes
}

// derived are the streams that copy one of ours. Who may not list streams is told
// nothing.
func (s streamSet) derived(ctx context.Context) (notes []string) {
	list := s.client.JetStream().ListStreams(ctx)
	for info := range list.Info() {
		name := info.Config.Name
		sources := slices.Clone(info.Config.Sources)
		if info.Config.Mirror != nil {
			sources = append(sources, info.Config.Mirror)
		}
		copies := slices.ContainsFunc(sources, func(o *jetstream.StreamSource) bool { return slices.Contains(s.names, o.Name) })
		if copies && !slices.Contains(s.names, name) {
			notes = append(notes, fmt.Sprintf("stream %s has copies of the messages: run this again with --stream %s", name, name))
		}
	}
	return notes
}

// replayed are the places to which events were replayed. They are known as long as
// the audit is.
func (s streamSet) replayed(ctx context.Context, spec streams.Spec) (notes []string) {
	bucket, err := audit.Open(ctx, s.client, spec)
	var records []audit.Record
	if err == nil {
		records, err = bucket.List(ctx, "replay")
	}
	if err != nil {
		return []string{fmt.Sprintf("where events were replayed to is not known: %v", err)}
	}
	for _, r := range records {
		if note := s.replayedTo(r); note != "" && !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return notes
}

func (s streamSet) replayedTo(r audit.Record) string {
	var d struct {
		Target struct{ Stream, Host, File string }
	}
	if err := json.Unmarshal(r.Detail, &d); err != nil {
		return ""
	}
	switch t := d.Target; {
	case t.Stream != "" && !slices.Contains(s.names, t.Stream):
		return fmt.Sprintf("events were replayed to stream %s: if it holds the person's, run this again with --stream %s", t.Stream, t.Stream)
	case t.File != "" && t.File != "-":
		return fmt.Sprintf("events were replayed to file %s of %s: if it holds the person's, remove it", t.File, r.Who[strings.LastIndexByte(r.Who, '@')+1:])
	case t.Host != "":
		return fmt.Sprintf("events were posted to %s: if the person's were among them, ask there", t.Host)
	}
	return ""
}
