package main

import "testing"

func TestMergeKeepsWhatWasNotMeasuredAgain(t *testing.T) {
	at := func(key string, x int) growth { return growth{Key: key, Points: []point{{X: x}}} }
	rec := record{Growth: []growth{at("memory", 2)}}
	rec.merge(record{Table: []row{{Contestant: "journal"}}, Growth: []growth{at("body", 1), at("memory", 1)}})
	if len(rec.Table) != 1 {
		t.Error("the table of the earlier run is gone")
	}
	if len(rec.Growth) != 2 || rec.Growth[0].Points[0].X != 2 || rec.Growth[1].Key != "body" {
		t.Errorf("got %+v, want the new figure of memory and the earlier one of bodies", rec.Growth)
	}
}
