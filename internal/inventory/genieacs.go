// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/uspgate/uspgate/cwmp"
)

// document is what a document of the collection devices has that is of use here. A
// parameter has its value in _value; what the CPE does not show, passwords for
// instance, is there where GenieACS has set it.
type document struct {
	ID       text `json:"_id"`
	DeviceID struct {
		Manufacturer text `json:"_Manufacturer"`
		OUI          text `json:"_OUI"`
		ProductClass text `json:"_ProductClass"`
		SerialNumber text `json:"_SerialNumber"`
	} `json:"_deviceId"`
	Tags                  []text `json:"_tags"`
	InternetGatewayDevice root
	Device                root
}

type root struct {
	ManagementServer struct {
		Username, Password                                   parameter
		ConnectionRequestURL                                 parameter
		ConnectionRequestUsername, ConnectionRequestPassword parameter
	}
}

type parameter struct {
	Value text `json:"_value"`
}

// text is a string; what is none is as if it were not there.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if len(b) > 0 && b[0] == '"' && json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// genieACS reads documents, whatever is between them.
func (s *sink) genieACS(b *bufio.Reader, in *budget) error {
	f := framer{b: b, in: in, limit: s.o.MaxDocument, line: 1}
	for {
		doc, line, err := f.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		var x document
		if err := json.Unmarshal(doc, &x); err != nil {
			s.wrong(line, cwmp.DeviceID{}, broken(err))
			continue
		}
		d, err := x.device(line)
		if err != nil {
			s.wrong(line, cwmp.DeviceID{}, err.Error())
			continue
		}
		if err := s.entry(d); err != nil {
			return err
		}
	}
}

// broken says what is wrong with a document without what is in it.
func broken(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return "the document is not one of GenieACS: " + kind.Field + " is no object; export the collection devices"
	}
	return "the document is no JSON; export the collection devices anew"
}

func (x *document) device(line int) (Device, error) {
	d := Device{Line: line, ID: cwmp.DeviceID{
		Manufacturer: string(x.DeviceID.Manufacturer), OUI: string(x.DeviceID.OUI),
		ProductClass: string(x.DeviceID.ProductClass), SerialNumber: string(x.DeviceID.SerialNumber),
	}}
	if d.ID.SerialNumber == "" {
		if x.ID == "" {
			return d, errors.New("the document has neither _deviceId nor _id; export the collection devices")
		}
		id, err := ParseID(string(x.ID))
		if err != nil {
			return d, fmt.Errorf("_id: %w", err)
		}
		id.Manufacturer = d.ID.Manufacturer
		d.ID = id
	}
	for _, t := range x.Tags {
		if t != "" {
			d.Tags = append(d.Tags, string(t))
		}
	}
	for _, r := range []*root{&x.InternetGatewayDevice, &x.Device} {
		m := &r.ManagementServer
		d.ACS = d.ACS.or(m.Username, m.Password)
		d.ConnectionRequest = d.ConnectionRequest.or(m.ConnectionRequestUsername, m.ConnectionRequestPassword)
		if url := string(m.ConnectionRequestURL.Value); d.ConnectionRequestURL == "" && checkURL(url) == nil {
			d.ConnectionRequestURL = url // a wrong one the CPE replaces at its first Inform
		}
	}
	return d, nil
}

// or is l, or the login of two parameters if both are known.
func (l Login) or(username, password parameter) Login {
	if l == (Login{}) && username.Value != "" && password.Value != "" {
		return Login{string(username.Value), string(password.Value)}
	}
	return l
}

// framer finds the documents of a file.
type framer struct {
	b     *bufio.Reader
	in    *budget
	limit int
	line  int
	buf   []byte
}

// next returns the next document, until the next call, and the line on which it
// begins. It is from a brace to the one that closes it.
func (f *framer) next() (doc []byte, line int, err error) {
	f.buf = f.buf[:0]
	depth, quoted, escaped := 0, false, false
	for {
		f.in.grant(f.limit)
		c, err := f.b.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && depth == 0:
			return nil, 0, io.EOF
		case errors.Is(err, io.EOF):
			return nil, 0, fmt.Errorf("line %d: the document has no end; the file was cut off: export it anew", line)
		case err != nil:
			return nil, 0, fmt.Errorf("line %d: %w", f.line, err)
		}
		if c == '\n' {
			f.line++
		}
		if depth == 0 && c != '{' {
			if c > ' ' && c != ',' && c != '[' && c != ']' {
				return nil, 0, fmt.Errorf("line %d: %q where a document should begin; "+
					"export with mongoexport, as JSON", f.line, c)
			}
			continue
		}
		if depth == 0 {
			line = f.line
		}
		if len(f.buf) == f.limit {
			return nil, 0, fmt.Errorf("line %d: the document has no end within %d bytes; "+
				"look for a brace that is not closed", line, f.limit)
		}
		f.buf = append(f.buf, c)
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return f.buf, line, nil
			}
		}
	}
}
