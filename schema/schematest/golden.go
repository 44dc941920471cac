package schematest

import (
	"embed"
	"io/fs"
)

//go:embed golden
var golden embed.FS

// Golden returns the golden envelopes: a directory for each kind, such as message.read, with one
// envelope a file, byte for byte the data of a message. The bridge makes them of the bodies in
// Treble's documentation, and of awkward ones. Envelopes may be added; one that is there changes
// only if what the bridge publishes does.
func Golden() fs.FS {
	dir, err := fs.Sub(golden, "golden")
	if err != nil {
		panic(err) // not reached: the name is valid
	}
	return dir
}
