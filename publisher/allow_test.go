package publisher_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.yaml.in/yaml/v3"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// TestNackMakesWhatTheBridgeWants: what deployments/nats/nack.yaml describes is what the bridge would make: with it, and
// with publisher.streams check, it finds nothing wrong.
func TestNackMakesWhatTheBridgeWants(t *testing.T) {
	b, err := os.ReadFile("../deployments/nats/nack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := natstest.Start(t)
	made := map[string]bool{}
	for docs := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var doc struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct{ Name string }
			Spec       map[string]any
		}
		if docs.Decode(&doc) != nil {
			break
		}
		if doc.APIVersion != "jetstream.nats.io/v1beta2" || doc.Metadata.Name != strings.ToLower(doc.Metadata.Name) {
			t.Errorf("%+v", doc)
		}
		doc.Spec["replicas"] = 1 // the test has one server
		switch doc.Kind {
		case "Stream":
			s := n.Stream(t, fromNack[jetstream.StreamConfig](t, doc.Spec))
			made[s.CachedInfo().Config.Name] = true
		case "KeyValue":
			kv, err := n.JS.CreateKeyValue(t.Context(), fromNack[jetstream.KeyValueConfig](t, doc.Spec))
			if err != nil {
				t.Fatal(err)
			}
			made["KV_"+kv.Bucket()] = true
		case "Consumer":
			cfg := fromNack[jetstream.ConsumerConfig](t, doc.Spec)
			if _, err := n.JS.CreateConsumer(t.Context(), doc.Spec["streamName"].(string), cfg); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("kind %s", doc.Kind)
		}
	}
	for _, a := range publisher.DefaultConfig().Spec("").Assets() {
		if !made[a.Stream] {
			t.Errorf("%s is not made", a.Stream)
		}
	}
	o := withJournal(t, n.URL)
	o.Config.Streams = streams.Check
	p := open(t, o)
	publish(t, p, "e")
	if !well(p) {
		t.Errorf("%+v", p.Status())
	}
}

// nackNames are the fields of nack's objects by those of the JetStream API, where they are not
// the same in snake case; lengths of time are texts.
var nackNames = map[string]string{
	"replicas": "num_replicas", "durableName": "durable_name", "allowAtomicPublish": "allow_atomic", "allowBatched": "allow_batched",
	"preventDelete": "", "streamName": "",
}

func fromNack[T any](t *testing.T, spec map[string]any) (cfg T) {
	t.Helper()
	fields := map[string]any{}
	for name, v := range spec {
		var key strings.Builder
		for _, r := range name {
			if r >= 'A' && r <= 'Z' {
				key.WriteByte('_')
			}
			key.WriteString(strings.ToLower(string(r)))
		}
		as, special := nackNames[name]
		switch {
		case special && as == "":
			continue
		case special:
			key.Reset()
			key.WriteString(as)
		}
		if text, ok := v.(string); ok {
			if d, err := time.ParseDuration(text); err == nil {
				v = d
			}
		}
		fields[key.String()] = v
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&cfg); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return cfg
}
