// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/uspgate/uspgate/cwmp"
)

// Format is how a file is written.
type Format string

// The Formats.
const (
	// Auto is GenieACS where the file begins with a brace or a bracket, else CSV.
	Auto Format = "auto"
	// CSV has a line of names above one line per CPE.
	CSV Format = "csv"
	// GenieACS is JSON of its collection devices: one document after the other, or
	// an array of them.
	GenieACS Format = "genieacs"
)

// Formats lists them all.
func Formats() []Format { return []Format{Auto, CSV, GenieACS} }

// Defaults of Options.
const (
	DefaultMaxRow      = 64 << 10
	DefaultMaxDocument = 16 << 20
	DefaultMaxEntries  = 1_000_000
)

// Bounds of one entry.
const (
	maxText = 256 // bytes of a name, a user name, a password or a tag
	maxURL  = 1024
	maxTags = 64
)

// Options bound what is read. The zero value of a field means its default.
type Options struct {
	// Format is how the file is written; empty: Auto.
	Format Format
	// MaxRow bounds a line of CSV and MaxDocument a document of GenieACS, in bytes;
	// default 64 KiB and 16 MiB. A larger one ends the reading.
	MaxRow, MaxDocument int
	// MaxEntries bounds how many there are; default 1,000,000.
	MaxEntries int
}

// Login is a user name with its password. It prints without the password.
type Login struct{ Username, Password string }

// String leaves out the password.
func (l Login) String() string { return l.Username }

// GoString leaves out the password.
func (l Login) GoString() string { return fmt.Sprintf("inventory.Login{%q, …}", l.Username) }

// Device is what a file says of one CPE. What is empty it says nothing of.
type Device struct {
	// Line is where the entry begins, from 1.
	Line int
	// ID is complete, and its Key is as it is in an Inform.
	ID cwmp.DeviceID
	// ACS is how the CPE logs in at the ACS.
	ACS Login
	// ConnectionRequest is how the ACS logs in at the CPE, and ConnectionRequestURL
	// where.
	ConnectionRequest    Login
	ConnectionRequestURL string
	// Tags are the operator's words; nil: nothing is said of them.
	Tags []string
}

// Problem is why an entry is left out.
type Problem struct {
	// Line is where the entry begins, from 1.
	Line int
	// Device is its identity as cwmp.DeviceID.String, as far as it is known.
	Device string
	// Text says what is wrong and what to do, in a sentence.
	Text string
}

// sink is whom the readers tell.
type sink struct {
	o       Options
	take    func(Device) error
	problem func(Problem)
	entries int
}

// errStopped wraps what take has returned.
var errStopped = errors.New("inventory: stopped")

// Read calls take for each entry that is right, and problem for each thing that is
// wrong with another one, in the order of the file. The entries are the callee's. It
// returns what is wrong with the file as a whole, or, at once, the error of take.
func Read(r io.Reader, o Options, take func(Device) error, problem func(Problem)) error {
	def(&o.MaxRow, DefaultMaxRow)
	def(&o.MaxDocument, DefaultMaxDocument)
	def(&o.MaxEntries, DefaultMaxEntries)
	s := &sink{o: o, take: take, problem: problem}
	in := &budget{r: r, left: readAhead}
	b := bufio.NewReaderSize(in, readAhead)
	format, err := s.begin(b)
	if err != nil {
		return err
	}
	if format == GenieACS {
		return s.genieACS(b, in)
	}
	return s.csv(b, in)
}

// begin looks at how the file begins.
func (s *sink) begin(b *bufio.Reader) (Format, error) {
	head, err := b.Peek(3)
	if len(head) == 0 {
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return "", errors.New("the file is empty")
	}
	switch {
	case string(head) == "\xef\xbb\xbf":
		_, _ = b.Discard(3) // they are there
	case len(head) > 1 && (string(head[:2]) == "\xff\xfe" || string(head[:2]) == "\xfe\xff"):
		return "", errors.New("line 1: the file is UTF-16; save it as UTF-8")
	case string(head[:2]) == "PK" || string(head[:2]) == "\x1f\x8b":
		return "", errors.New("line 1: the file is packed, or a workbook; unpack it, or save it as CSV")
	}
	switch s.o.Format {
	case CSV, GenieACS:
		return s.o.Format, nil
	case Auto, "":
		head, _ = b.Peek(1)
		if len(head) == 1 && (head[0] == '{' || head[0] == '[') {
			return GenieACS, nil
		}
		return CSV, nil
	default:
		return "", fmt.Errorf("the format %q is not known; it is auto, csv or genieacs", s.o.Format)
	}
}

// entry passes on a Device, or what is wrong with it.
func (s *sink) entry(d Device) error {
	s.entries++
	if s.entries > s.o.MaxEntries {
		return fmt.Errorf("line %d: more than %d entries; divide the file", d.Line, s.o.MaxEntries)
	}
	if wrong := d.check(); len(wrong) > 0 {
		for _, text := range wrong {
			s.wrong(d.Line, d.ID, text)
		}
		return nil
	}
	if err := s.take(d); err != nil {
		return fmt.Errorf("%w at line %d: %w", errStopped, d.Line, err)
	}
	return nil
}

func (s *sink) wrong(line int, id cwmp.DeviceID, text string) {
	name := ""
	if id.SerialNumber != "" {
		name = short(id.String())
	}
	s.problem(Problem{Line: line, Device: name, Text: text})
}

// short is s, or the beginning of a longer one.
func short(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return s
}

// readAhead is how much is read at once.
const readAhead = 64 << 10

// errTooLong: an entry has no end within its bound.
var errTooLong = errors.New("too long")

// budget is a Reader of a file whose entries are bounded.
type budget struct {
	r    io.Reader
	left int
}

// grant allows for one entry of n bytes.
func (b *budget) grant(n int) { b.left = n + readAhead }

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func def(v *int, d int) {
	if *v <= 0 {
		*v = d
	}
}
