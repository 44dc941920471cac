package main

import "github.com/treble-bridge/treble-bridge/schema"

// asyncAPI returns the AsyncAPI 3.0 document: it describes the bridge, so its
// operations send, and a consumer receives. References have nothing beside them
// and the schemas use what JSON Schema drafts have in common, since tools read
// them by the rules of AsyncAPI.
func asyncAPI(src *source, kinds []kind) (object, error) {
	components, err := components(src, kinds)
	if err != nil {
		return nil, err
	}
	return object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "treble-bridge"},
			{"version", "1"},
			{"description", "The events that treble-bridge publishes to NATS JetStream. The version is that of the contract, not of a release: " +
				"within it fields, headers, kinds and channels may be added, and nothing is removed, renamed or given another type."},
			{"license", object{{"name", "Apache-2.0"}, {"url", "https://www.apache.org/licenses/LICENSE-2.0"}}},
		}},
		{"defaultContentType", schema.ContentType},
		{"servers", object{{"nats", object{
			{"host", "{address}"},
			{"protocol", "nats"},
			{"description", "Your NATS (nats.url), or the one inside the bridge."},
			{"variables", object{{"address", object{
				{"default", "127.0.0.1:4222"}, {"description", "host:port of a server"},
			}}}},
		}}}},
		{"channels", channels(kinds)},
		{"operations", operations(kinds)},
		{"components", components},
	}, nil
}

// reference is a reference inside the document.
func reference(path string) object { return object{{"$ref", "#/" + path}} }

const (
	quarantineChannel = "quarantine"
	replayChannel     = "replay"
	replayed          = "replayed." // before the kind, in the name of a message
)

// channels has one for each kind, and those of the quarantine and of replays.
func channels(kinds []kind) object {
	prefix := member{"prefix", reference("components/parameters/prefix")}
	var all, replays object
	var names []string
	for _, k := range kinds {
		all = append(all, member{k.name, object{
			{"address", string(schema.Prefix("{prefix}").Subject(schema.Kind(k.name)))},
			{"title", k.payload},
			{"description", "Stream: publisher.stream, TREBLE by default."},
			{"messages", object{{k.name, reference("components/messages/" + k.name)}}},
			{"parameters", object{prefix}},
		}})
		replays = append(replays, member{replayed + k.name, reference("components/messages/" + replayed + k.name)})
		names = append(names, k.name)
	}
	var reasons []string
	for _, r := range schema.Reasons() {
		reasons = append(reasons, string(r))
	}
	return append(all,
		member{quarantineChannel, object{
			{"address", schema.Prefix("{prefix}").Quarantine("{reason}")},
			{"title", "Quarantine"},
			{"description", "Bodies that were refused. Stream: publisher.stream and _QUARANTINE."},
			{"messages", object{{quarantineChannel, reference("components/messages/" + quarantineChannel)}}},
			{"parameters", object{prefix, {"reason", object{{"enum", reasons}, {"description", "Why the body was refused; reasons may be added."}}}}},
		}},
		member{replayChannel, object{
			{"address", schema.Prefix("{prefix}").Replay("{run}", "{kind}")},
			{"title", "Replay"},
			{"description", "Events that \"treble-bridge replay\" published again, if it was not told another subject. Stream: publisher.stream and _REPLAY."},
			{"messages", replays},
			{"parameters", object{
				prefix,
				{"run", object{{"description", "Name of the run."}}},
				{"kind", object{{"enum", names}, {"description", "Kind of the event; its dots separate tokens of the subject."}}},
			}},
		}})
}

// operations: the bridge sends on every channel.
func operations(kinds []kind) object {
	var all object
	send := func(name, channel, summary string, messages []object) {
		all = append(all, member{name, object{
			{"action", "send"}, {"channel", reference("channels/" + channel)}, {"summary", summary}, {"messages", messages},
		}})
	}
	var again []object
	for _, k := range kinds {
		send("publish."+k.name, k.name, "The bridge publishes an event of the kind "+k.name+".",
			[]object{reference("channels/" + k.name + "/messages/" + k.name)})
		again = append(again, reference("channels/"+replayChannel+"/messages/"+replayed+k.name))
	}
	send("quarantine", quarantineChannel, "The bridge keeps a body that it refused.",
		[]object{reference("channels/" + quarantineChannel + "/messages/" + quarantineChannel)})
	send("replay", replayChannel, "The command replay publishes stored events again.", again)
	return all
}
