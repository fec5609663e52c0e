// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/uspgate/uspgate/cwmp"
)

// Columns are the names of the columns of CSV, of which oui and serial have to be
// there. Case, spaces, hyphens and underscores in them do not matter.
func Columns() []string {
	return []string{
		"oui", "product_class", "serial", "manufacturer", "username", "password",
		"connection_request_username", "connection_request_password", "connection_request_url", "tags",
	}
}

// aliases are other names of columns, as plain makes them.
func alias(name string) string {
	switch name {
	case "serialnumber":
		return "serial"
	case "acsusername":
		return "username"
	case "acspassword":
		return "password"
	case "manufactureroui":
		return "oui"
	default:
		return name
	}
}

// plain is a name of a column without what does not matter.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// csv reads a file with one CPE on a line.
func (s *sink) csv(b *bufio.Reader, in *budget) error {
	in.grant(s.o.MaxRow)
	r := csv.NewReader(b)
	r.Comma = separator(b)
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return fileError(err, 1, s.o.MaxRow)
	}
	columns, err := header(head)
	if err != nil {
		return err
	}
	for line := 1; ; {
		in.grant(s.o.MaxRow)
		row, err := r.Read()
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &broken):
			line = broken.StartLine
			s.wrong(line, cwmp.DeviceID{}, "the quotes are not in pairs; "+
				`write a text with a quote in it as "a ""quote"""`)
			continue
		case err != nil:
			return fileError(err, line+1, s.o.MaxRow)
		}
		line, _ = r.FieldPos(0)
		if len(row) != len(columns) {
			s.wrong(line, cwmp.DeviceID{}, fmt.Sprintf("there are %d fields, and %d names in the first line; "+
				"quote a text that has a %q in it", len(row), len(columns), r.Comma))
			continue
		}
		if err := s.entry(rowOf(columns, row, line)); err != nil {
			return err
		}
	}
}

// fileError is why the file is not read any further.
func fileError(err error, line, limit int) error {
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case errors.Is(err, errTooLong):
		return fmt.Errorf("line %d or the next: an entry has no end within %d bytes; "+
			"look for a quote or a brace that is not closed", line, limit)
	default:
		return fmt.Errorf("line %d or the next: %w", line, err)
	}
}

// separator is the one that the first line has most of: spreadsheets of many
// countries write semicolons.
func separator(b *bufio.Reader) rune {
	head, _ := b.Peek(readAhead) // as much as there is
	head, _, _ = bytes.Cut(head, []byte("\n"))
	best, most := ',', bytes.Count(head, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(head, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// header returns the name of each column.
func header(head []string) ([]string, error) {
	known := map[string]string{}
	for _, name := range Columns() {
		known[plain(name)] = name
	}
	columns := make([]string, len(head))
	seen := map[string]bool{}
	for i, text := range head {
		name := known[alias(plain(text))]
		switch {
		case name == "":
			return nil, fmt.Errorf("line 1: the column %q is not known; remove it, or call it one of %s",
				short(text), strings.Join(Columns(), ", "))
		case seen[name]:
			return nil, fmt.Errorf("line 1: the column %s is there twice; remove one", name)
		}
		columns[i], seen[name] = name, true
	}
	for _, name := range []string{"oui", "serial"} {
		if !seen[name] {
			return nil, fmt.Errorf("line 1: there is no column %s; the first line has the names of the columns", name)
		}
	}
	return columns, nil
}

// rowOf makes a Device of a line. The texts of one row share their memory, which is
// theirs alone.
func rowOf(columns, row []string, line int) Device {
	d := Device{Line: line}
	fields := map[string]*string{
		"oui": &d.ID.OUI, "product_class": &d.ID.ProductClass, "serial": &d.ID.SerialNumber,
		"manufacturer": &d.ID.Manufacturer, "username": &d.ACS.Username, "password": &d.ACS.Password,
		"connection_request_username": &d.ConnectionRequest.Username,
		"connection_request_password": &d.ConnectionRequest.Password,
		"connection_request_url":      &d.ConnectionRequestURL,
	}
	for i, name := range columns {
		if name == "tags" {
			d.Tags = tags(row[i])
			continue
		}
		*fields[name] = row[i]
	}
	return d
}

// tags are the words between bars; nil for none.
func tags(text string) []string {
	var out []string
	for t := range strings.SplitSeq(text, "|") {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}
