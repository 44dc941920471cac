package main

// headerNames are the constants of the headers, by the messages that have them.
var headerNames = []struct {
	schema, description string
	always, sometimes   []string
}{
	{
		"EventHeaders", "Of an event. Further headers may be there; those that begin with Nats- are between the bridge and the server.",
		[]string{"HeaderMsgID", "HeaderContentType", "HeaderKind"},
		[]string{"HeaderEventID", "HeaderTest"},
	},
	{
		"ReplayHeaders", "Of an event that was published again: those of the event, but for its Nats-Msg-Id, which is <run>.<sequence>.",
		[]string{"HeaderMsgID", "HeaderContentType", "HeaderKind", "HeaderReplayRun", "HeaderReplaySequence", "HeaderReplayStored"},
		[]string{"HeaderEventID", "HeaderTest"},
	},
	{
		"QuarantineHeaders", "Of a refused body. Values are ASCII; other bytes, and the percent sign, are written as %XX.",
		[]string{"HeaderMsgID", "HeaderQuarantineID", "HeaderReason", "HeaderViolations", "HeaderReceived"},
		[]string{"HeaderSource", "HeaderPath", "HeaderTest", "HeaderRequestHeader"},
	},
}

// headerRules narrow headers, by the name of the constant.
var headerRules = map[string]object{
	"HeaderContentType":    {{"const", "application/cloudevents+json"}},
	"HeaderEventID":        {{"pattern", "^[A-Za-z0-9_.-]{1,128}$"}},
	"HeaderReceived":       {{"format", "date-time"}},
	"HeaderReplaySequence": {{"pattern", "^[1-9][0-9]*$"}},
	"HeaderReplayStored":   {{"format", "date-time"}},
}

// headerSchemas returns a schema for each set of headers. Their descriptions are
// the comments of the constants.
func headerSchemas(src *source) (object, error) {
	var all object
	for _, set := range headerNames {
		var properties object
		var required []string
		for i, name := range append(set.always[:len(set.always):len(set.always)], set.sometimes...) {
			c, err := src.constant(name)
			if err != nil {
				return nil, err
			}
			properties = append(properties, member{c.value, append(object{{"description", c.doc}, {"type", "string"}}, headerRules[name]...)})
			if i < len(set.always) {
				required = append(required, c.value)
			}
		}
		all = append(all, member{set.schema, object{
			{"title", set.schema}, {"description", set.description}, {"type", "object"},
			{"properties", properties}, {"required", required},
		}})
	}
	return all, nil
}
