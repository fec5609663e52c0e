// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"errors"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// boilerplate is the faultstring of every SOAP Fault of CWMP [TR-069 3.5].
const boilerplate = "CWMP fault"

// faultParts is what a SOAP Fault has said so far, wherever it was said.
type faultParts struct {
	fault       *cwmp.Fault
	faultcode   string
	faultstring string
}

// fault reads a SOAP Fault, or a cwmp Fault that comes without one. The parts
// may lie at any depth: some CPE leave detail out, some put it inside
// faultstring [quirk 13].
func (d *decoder) fault() (cwmp.Message, error) {
	p := faultParts{fault: &cwmp.Fault{}}
	if err := d.faultParts(&p); err != nil {
		return nil, err
	}
	f := p.fault
	if f.Text == "" && !strings.EqualFold(p.faultstring, boilerplate) {
		f.Text = p.faultstring
	}
	for _, s := range []string{f.Text, p.faultstring, p.faultcode} {
		if f.Code == 0 {
			f.Code = findCode(s)
		}
	}
	if f.Code == 0 {
		f.Code = cwmp.FaultInternalError
	}
	return f, nil
}

func (d *decoder) faultParts(p *faultParts) error {
	return d.each(func(name string) error {
		d.namespace("", d.attrs) // the first element of CWMP may be in here
		switch name {
		case "FaultCode":
			return d.code(&p.fault.Code)
		case "FaultString":
			return d.word(&p.fault.Text)
		case "SetParameterValuesFault":
			return d.parameterFault(p.fault)
		case "faultcode":
			return d.word(&p.faultcode)
		case "faultstring":
			return d.faultstring(p)
		case "detail", "Detail", "Fault":
			return d.faultParts(p)
		default:
			return nil
		}
	})
}

// faultstring reads a text that may have a detail inside.
func (d *decoder) faultstring(p *faultParts) error {
	open, empty := append([]string(nil), d.open...), d.empty
	if err := d.word(&p.faultstring); err != nil {
		return err
	}
	inside := *d // the elements in it are read a second time
	inside.open, inside.empty, inside.pos = open, empty, d.began
	inside.src, inside.owned, inside.made = nil, 0, copies{}
	err := inside.faultParts(p)
	d.params, d.env.Namespace = inside.params, inside.env.Namespace
	if errors.Is(err, ErrMalformed) {
		return nil // it is well-formed as a text, so it was one
	}
	return err
}

func (d *decoder) parameterFault(f *cwmp.Fault) error {
	if err := d.entry(); err != nil {
		return err
	}
	var p cwmp.ParameterFault
	err := d.each(func(name string) error {
		switch name {
		case "ParameterName":
			return d.name(&p.Name)
		case "FaultCode":
			return d.code(&p.Code)
		case "FaultString":
			return d.word(&p.Text)
		default:
			return nil
		}
	})
	f.Params = append(f.Params, p)
	return err
}

// findCode returns the first number in s that can be a CWMP fault code, or 0.
func findCode(s string) int {
	for s != "" {
		i := strings.IndexAny(s, "0123456789")
		if i < 0 {
			return 0
		}
		s = s[i:]
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		if code := parseCode(s[:n]); n == 4 && 8000 <= code && code <= 9899 {
			return code
		}
		s = s[n:]
	}
	return 0
}

func (w *writer) fault(f *cwmp.Fault) {
	w.raw("<soap-env:Fault>")
	w.text("faultcode", cwmp.SOAPCode(f.Code))
	w.text("faultstring", boilerplate)
	w.raw("<detail><cwmp:Fault>")
	w.int("FaultCode", f.Code)
	w.text("FaultString", f.Text)
	for i := range f.Params {
		w.open("SetParameterValuesFault")
		w.text("ParameterName", f.Params[i].Name)
		w.int("FaultCode", f.Params[i].Code)
		w.text("FaultString", f.Params[i].Text)
		w.close("SetParameterValuesFault")
	}
	w.raw("</cwmp:Fault></detail></soap-env:Fault>")
}
