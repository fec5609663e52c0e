// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

// parameterValues reads a ParameterList. The count of the array is not
// believed [quirk 8], and what the entries are called is all the same
// [SOAP 1.1, 5.4.2].
func (d *decoder) parameterValues(list *[]cwmp.ParameterValue) error {
	if n := d.arrayCount(); n > cap(*list) {
		*list = append(make([]cwmp.ParameterValue, 0, n), *list...)
	}
	for {
		_, ok, err := d.child()
		if err != nil || !ok {
			return err
		}
		if err := d.entry(); err != nil {
			return err
		}
		*list = append(*list, cwmp.ParameterValue{NoValue: true})
		p := &(*list)[len(*list)-1]
		if err := d.parameterValue(p); err != nil {
			return err
		}
		p.Name, p.Value = d.kept.copy(p.Name), d.kept.copy(p.Value)
	}
}

// eachValue is parameterValues for a list that is handed out.
func (d *decoder) eachValue(f func(cwmp.ParameterValue) error) error {
	for {
		_, ok, err := d.child()
		if err != nil || !ok {
			return err
		}
		if err := d.entry(); err != nil {
			return err
		}
		p := cwmp.ParameterValue{NoValue: true}
		if err := d.parameterValue(&p); err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
	}
}

func (d *decoder) parameterValue(p *cwmp.ParameterValue) error {
	for {
		name, ok, err := d.child()
		if err != nil || !ok {
			return err
		}
		switch name {
		case "Name":
			err = d.name(&p.Name)
		case "Value":
			err = d.value(p)
		default:
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
}

// value reads a Value. Blanks around what is not a string are not part of it.
func (d *decoder) value(p *cwmp.ParameterValue) (err error) {
	t := trimPretty
	p.NoValue, p.Type = false, cwmp.TypeUnknown
	if d.attrs != "" {
		if p.Type = cwmp.ParseType(localName(trimSpace(d.attr("type")))); p.Type > cwmp.TypeString {
			t = trimAll
		}
	}
	p.Value, err = d.text(t)
	return err
}

func (d *decoder) getParameterValues() (cwmp.Message, error) {
	m := &cwmp.GetParameterValues{}
	return m, d.each(func(name string) error {
		if name == "ParameterNames" {
			return d.names(&m.Names)
		}
		return nil
	})
}

func (d *decoder) getParameterValuesResponse() (cwmp.Message, error) {
	m := &cwmp.GetParameterValuesResponse{}
	return m, d.each(func(name string) error {
		switch {
		case name != "ParameterList":
			return nil
		case d.lists.Value != nil:
			return d.eachValue(d.lists.Value)
		default:
			return d.parameterValues(&m.Params)
		}
	})
}

func (d *decoder) setParameterValues() (cwmp.Message, error) {
	m := &cwmp.SetParameterValues{}
	return m, d.each(func(name string) error {
		switch name {
		case "ParameterList":
			return d.parameterValues(&m.Params)
		case "ParameterKey":
			return d.key(&m.ParameterKey)
		default:
			return nil
		}
	})
}

func (d *decoder) setParameterValuesResponse() (cwmp.Message, error) {
	m := &cwmp.SetParameterValuesResponse{}
	return m, d.status(&m.Status)
}

// status reads a response that has a Status and nothing else.
func (d *decoder) status(dst *int) error {
	return d.each(func(name string) error {
		if name == "Status" {
			return d.code(dst)
		}
		return nil
	})
}

// parameterValues writes a ParameterList. Only a CPE may leave a Value out.
func (w *writer) parameterValues(list []cwmp.ParameterValue, fromCPE bool) {
	w.openArray("ParameterList", "cwmp:ParameterValueStruct", len(list))
	for i := range list {
		p := &list[i]
		w.raw("<ParameterValueStruct>")
		w.text("Name", p.Name)
		if !fromCPE || !p.NoValue {
			w.raw(`<Value xsi:type="xsd:`)
			w.raw(p.Type.String())
			w.raw(`">`)
			w.b = appendEscaped(w.b, w.style.value(p))
			w.raw("</Value>")
		}
		w.raw("</ParameterValueStruct>")
	}
	w.close("ParameterList")
}

func (w *writer) setParameterValues(m *cwmp.SetParameterValues) {
	w.parameterValues(m.Params, false)
	w.text("ParameterKey", m.ParameterKey)
}
