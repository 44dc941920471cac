package publisher

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// setAsideEntry is one message in set-aside, with why and when.
type setAsideEntry struct {
	message
	Reason string
	Time   time.Time
}

// The first lines of a set-aside file. The message's own headers follow, then
// an empty line and the data, byte for byte.
const (
	setAsideMagic    = "TREBLE-SET-ASIDE/1"
	setAsideSubject  = "Set-Aside-Subject"
	setAsideReason   = "Set-Aside-Reason"
	setAsideTime     = "Set-Aside-Time"
	setAsideLength   = "Set-Aside-Length"   // of the data
	setAsideChecksum = "Set-Aside-Checksum" // CRC-32C of the data, in hexadecimal
	setAsidePrefix   = "Set-Aside-"
)

// checksum is CRC-32C, for which most processors have an instruction.
func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// encodeSetAside returns the file of e. Header values must be free of line
// breaks; those of our messages are.
func encodeSetAside(e setAsideEntry) []byte {
	var b bytes.Buffer
	line := func(name, v string) { fmt.Fprintf(&b, "%s: %s\r\n", name, v) }
	b.WriteString(setAsideMagic + "\r\n")
	line(setAsideSubject, e.subject)
	line(setAsideReason, e.Reason)
	line(setAsideTime, e.Time.UTC().Format(time.RFC3339Nano))
	line(setAsideLength, strconv.Itoa(len(e.data)))
	line(setAsideChecksum, checksum(e.data))
	names := make([]string, 0, len(e.header))
	for name := range e.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range e.header[name] {
			line(name, v)
		}
	}
	b.WriteString("\r\n")
	b.Write(e.data)
	return b.Bytes()
}

// decodeSetAside reads a set-aside file. It accepts nothing that is cut short
// or damaged.
func decodeSetAside(b []byte) (setAsideEntry, error) {
	head, data, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return setAsideEntry{}, errors.New("read set-aside file: the headers have no end")
	}
	first, rest, _ := strings.Cut(string(head), "\r\n")
	if first != setAsideMagic {
		// What is there instead is not shown, here and below: it may be personal data.
		return setAsideEntry{}, fmt.Errorf("read set-aside file: does not begin with %q", setAsideMagic)
	}
	ours := map[string]string{}
	e := setAsideEntry{message: message{header: map[string][]string{}, data: data}}
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, v, ok := strings.Cut(line, ": ")
		if !ok || name == "" {
			return setAsideEntry{}, errors.New("read set-aside file: a line before the data is no header")
		}
		if strings.HasPrefix(name, setAsidePrefix) {
			ours[name] = v
			continue
		}
		e.header[name] = append(e.header[name], v)
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339Nano, ours[setAsideTime]); err != nil {
		return setAsideEntry{}, fmt.Errorf("read set-aside file: %s is no time", setAsideTime)
	}
	if got := strconv.Itoa(len(data)); got != ours[setAsideLength] {
		return setAsideEntry{}, fmt.Errorf("read set-aside file: %s bytes of data, which is not what %s says", got, setAsideLength)
	}
	if checksum(data) != ours[setAsideChecksum] {
		return setAsideEntry{}, fmt.Errorf("read set-aside file: the data is damaged (%s)", setAsideChecksum)
	}
	e.subject, e.Reason = ours[setAsideSubject], ours[setAsideReason]
	if id := e.header[schema.HeaderMsgID]; len(id) > 0 {
		e.id = id[0]
	}
	return e, nil
}
