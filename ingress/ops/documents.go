package ops

import (
	"encoding/json"
	"net/http"

	"github.com/treble-bridge/treble-bridge/schema"
)

// listedDocument is an entry of GET /schemas.
type listedDocument struct {
	Name        string `json:"name"`
	Path        string `json:"path"`
	ContentType string `json:"content_type"`
	Title       string `json:"title"`
}

// serveDocuments serves what describes the events, as this very bridge publishes
// them, and a list of it.
func serveDocuments(mux *http.ServeMux) {
	index := struct {
		Documents []listedDocument `json:"documents"`
	}{}
	for _, d := range schema.Documents() {
		path := "/schemas/" + d.Name + ".json"
		if d.Name == schema.DocumentAsyncAPI {
			path = "/asyncapi.json"
		}
		index.Documents = append(index.Documents, listedDocument{d.Name, path, d.ContentType, d.Title})
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			writeDocument(w, d.ContentType, d.Content())
		})
	}
	list, err := json.Marshal(index)
	if err != nil {
		panic(err) // not reached: nothing but texts
	}
	list = append(list, '\n')
	mux.HandleFunc("GET /schemas", func(w http.ResponseWriter, _ *http.Request) {
		writeDocument(w, "application/json", list)
	})
}

// writeDocument may be cached, but has to be asked for again: another version of
// the bridge may answer next.
func writeDocument(w http.ResponseWriter, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(b) // the client went away: nobody is to be told
}
