// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Style is how envelopes are written for a peer that does not take all that
// XML Schema allows. The zero Style is the form of Append.
type Style struct {
	// Booleans are arguments of methods and values of parameters [quirk 49,
	// quirk 60].
	Booleans Booleans
	// WholeSeconds leaves the fraction of a second out of the dateTime values
	// of parameters [quirk 61].
	WholeSeconds bool
}

// Booleans is how booleans are written.
type Booleans uint8

const (
	// BooleansAsGiven writes values as they are and arguments as 1 and 0.
	BooleansAsGiven Booleans = iota
	// BooleansDigits writes 1 and 0.
	BooleansDigits
	// BooleansWords writes true and false.
	BooleansWords
)

// Append is the function of that name in the style. What is not a boolean or a
// dateTime, whatever its type says, is written as it is.
func (s Style) Append(dst []byte, env *cwmp.Envelope) ([]byte, error) {
	w := writer{b: dst, style: s}
	if err := w.envelope(env); err != nil {
		return dst, err
	}
	return w.b, nil
}

// value returns the text of p in the style.
func (s Style) value(p *cwmp.ParameterValue) string {
	switch {
	case p.Type == cwmp.TypeBoolean && s.Booleans != BooleansAsGiven:
		switch p.Value {
		case "1", "true":
			return s.bool(true)
		case "0", "false":
			return s.bool(false)
		}
	case p.Type == cwmp.TypeDateTime && s.WholeSeconds:
		if i := strings.IndexByte(p.Value, '.'); i > 0 && strings.IndexByte(p.Value, 'T') > 0 {
			return p.Value[:i] + strings.TrimLeft(p.Value[i+1:], "0123456789")
		}
	}
	return p.Value
}

func (s Style) bool(v bool) string {
	switch {
	case s.Booleans == BooleansWords && v:
		return "true"
	case s.Booleans == BooleansWords:
		return "false"
	case v:
		return "1"
	default:
		return "0"
	}
}
