// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bulk

import (
	"html"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp/path"
)

// CSV is Profile.{i}.CSVEncoding. The first row has the names of the columns
// [R-BULK.11]. The zero value has the defaults of the data model, but no timestamps.
type CSV struct {
	// FieldSeparator is between the fields of a row, "," if empty, RowSeparator behind each
	// row, CR LF if empty. Both may be written with character references, as TR-369 does:
	// &#13;&#10; is CR LF.
	FieldSeparator, RowSeparator string
	// EscapeCharacter is around a field that has a separator, a line break or itself in it,
	// where it is doubled; `"` if empty.
	EscapeCharacter string
	// Format is ParameterPerColumn, with the values in the second row, or
	// ParameterPerRow: a row with name, value and type for each parameter [R-BULK.12].
	Format Format
	// Timestamp is in front of each row but the first.
	Timestamp Timestamp
}

var _ Encoder = CSV{}

// Encode implements Encoder.
func (c CSV) Encode(params []Param, at time.Time, limit int) (string, error) {
	w := c.writer(limit)
	stamp, stamped := c.Timestamp.text(at)
	params = unique(params, "")
	if c.Format == ParameterPerRow {
		w.begin("ReportTimestamp", stamped)
		w.row("ParameterName", "ParameterValue", "ParameterType")
		for i := range params {
			w.begin(stamp, stamped)
			w.row(params[i].Name, params[i].Value, typeName(params[i].Type))
			if w.over {
				break
			}
		}
		return w.result()
	}
	names, values := make([]string, len(params)), make([]string, len(params))
	for i := range params {
		names[i], values[i] = params[i].Name, params[i].Value
	}
	w.begin("ReportTimestamp", stamped)
	w.row(names...)
	w.begin(stamp, stamped)
	w.row(values...)
	return w.result()
}

// typeName is the type of a parameter on the wire: a list is a string there.
func typeName(t path.Type) string {
	if t.IsList() {
		return path.TypeString.String()
	}
	return t.String()
}

// Unescape returns a separator with its character references replaced.
func Unescape(separator string) string { return html.UnescapeString(separator) }

// csvWriter writes fields with what has to be around them.
type csvWriter struct {
	writer
	field, end, escape string
	first              bool // nothing is in the row yet
}

func (c CSV) writer(limit int) *csvWriter {
	w := &csvWriter{
		writer: writer{limit: limit}, first: true,
		field: Unescape(c.FieldSeparator), end: Unescape(c.RowSeparator), escape: c.EscapeCharacter,
	}
	if w.field == "" {
		w.field = ","
	}
	if w.end == "" {
		w.end = "\r\n"
	}
	if w.escape == "" {
		w.escape = `"`
	}
	return w
}

// begin puts the first field of a row, if there is one.
func (w *csvWriter) begin(s string, there bool) {
	w.first = true
	if there {
		w.put(s)
	}
}

// row puts the fields, and ends the row.
func (w *csvWriter) row(fields ...string) {
	for _, f := range fields {
		w.put(f)
		if w.over {
			return
		}
	}
	w.add(w.end)
}

func (w *csvWriter) put(s string) {
	if !w.first {
		w.add(w.field)
	}
	w.first = false
	if strings.Contains(s, w.field) || strings.Contains(s, w.end) || strings.Contains(s, w.escape) ||
		strings.ContainsAny(s, "\r\n") {
		s = w.escape + strings.ReplaceAll(s, w.escape, w.escape+w.escape) + w.escape
	}
	w.add(s)
}
