package setaside

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Entry is a message in set-aside, with the reason and the time.
type Entry struct {
	broker.Message
	Reason string
	Time   time.Time
}

// The first lines of a set-aside file. The message's own headers follow, then
// an empty line and the data, byte for byte.
const (
	magic        = "TREBLE-SET-ASIDE/1"
	subjectLine  = "Set-Aside-Subject"
	reasonLine   = "Set-Aside-Reason"
	timeLine     = "Set-Aside-Time"
	lengthLine   = "Set-Aside-Length"   // of the data
	checksumLine = "Set-Aside-Checksum" // CRC-32C of the data, in hexadecimal
	ownPrefix    = "Set-Aside-"
)

// sealedMagic is in front of a file that is encrypted, all of it.
const sealedMagic = "TREBLE-SET-ASIDE-SEALED/1\r\n"

// seal encrypts a file, if there are keys.
func seal(b []byte, keys *atrest.Keys) ([]byte, error) {
	if keys == nil {
		return b, nil
	}
	sealed, err := keys.Seal(b, []byte(sealedMagic))
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return append([]byte(sealedMagic), sealed...), nil
}

// checksum is CRC-32C, for which most processors have an instruction.
func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// encode returns the file of e. Header values must be free of line
// breaks; those of our messages are.
func encode(e Entry) []byte {
	var b bytes.Buffer
	line := func(name, v string) { fmt.Fprintf(&b, "%s: %s\r\n", name, v) }
	b.WriteString(magic + "\r\n")
	line(subjectLine, e.Subject)
	line(reasonLine, e.Reason)
	line(timeLine, e.Time.UTC().Format(time.RFC3339Nano))
	line(lengthLine, strconv.Itoa(len(e.Data)))
	line(checksumLine, checksum(e.Data))
	for _, f := range slices.SortedStableFunc(slices.Values(e.Header), func(a, b broker.Field) int { return strings.Compare(a.Name, b.Name) }) {
		line(f.Name, f.Value)
	}
	b.WriteString("\r\n")
	b.Write(e.Data)
	return b.Bytes()
}

// Decode reads a set-aside file. It accepts nothing that is cut short
// or damaged. Its error is a *atrest.MissingKeyError if keys lack that of the file.
func Decode(b []byte, keys *atrest.Keys) (Entry, error) {
	if sealed, ok := bytes.CutPrefix(b, []byte(sealedMagic)); ok {
		var err error
		if b, err = keys.Open(sealed, []byte(sealedMagic)); err != nil {
			return Entry{}, fmt.Errorf("read set-aside file: %w", err)
		}
	}
	head, data, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return Entry{}, errors.New("read set-aside file: the headers have no end")
	}
	first, rest, _ := strings.Cut(string(head), "\r\n")
	if first != magic {
		// What is there instead is not shown, here and below: it may be personal data.
		return Entry{}, fmt.Errorf("read set-aside file: does not begin with %q", magic)
	}
	ours := map[string]string{}
	e := Entry{Message: broker.Message{Data: data}}
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, v, ok := strings.Cut(line, ": ")
		if !ok || name == "" {
			return Entry{}, errors.New("read set-aside file: a line before the data is no header")
		}
		if strings.HasPrefix(name, ownPrefix) {
			ours[name] = v
			continue
		}
		e.Header = append(e.Header, broker.Field{Name: name, Value: v})
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339Nano, ours[timeLine]); err != nil {
		return Entry{}, fmt.Errorf("read set-aside file: %s is no time", timeLine)
	}
	if got := strconv.Itoa(len(data)); got != ours[lengthLine] {
		return Entry{}, fmt.Errorf("read set-aside file: %s bytes of data, which is not what %s says", got, lengthLine)
	}
	if checksum(data) != ours[checksumLine] {
		return Entry{}, fmt.Errorf("read set-aside file: the data is damaged (%s)", checksumLine)
	}
	e.Subject, e.Reason = ours[subjectLine], ours[reasonLine]
	e.ID = e.Header.Get(schema.HeaderMsgID)
	return e, nil
}
