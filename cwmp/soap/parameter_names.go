// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) getParameterNames() (cwmp.Message, error) {
	m := &cwmp.GetParameterNames{}
	return m, d.each(func(name string) error {
		switch name {
		case "ParameterPath":
			return d.name(&m.Path)
		case "NextLevel":
			return d.flag(&m.NextLevel)
		default:
			return nil
		}
	})
}

func (d *decoder) getParameterNamesResponse() (cwmp.Message, error) {
	m := &cwmp.GetParameterNamesResponse{}
	return m, d.each(func(name string) error {
		switch {
		case name != "ParameterList":
			return nil
		case d.lists.Info != nil:
			return d.eachInfo(d.lists.Info)
		default:
			return d.parameterInfos(&m.Params)
		}
	})
}

func (d *decoder) parameterInfos(list *[]cwmp.ParameterInfo) error {
	if n := d.arrayCount(); n > cap(*list) {
		*list = append(make([]cwmp.ParameterInfo, 0, n), *list...)
	}
	for {
		_, ok, err := d.child()
		if err != nil || !ok {
			return err
		}
		if err := d.entry(); err != nil {
			return err
		}
		*list = append(*list, cwmp.ParameterInfo{})
		p := &(*list)[len(*list)-1]
		if err := d.parameterInfo(p); err != nil {
			return err
		}
		p.Name = d.kept.copy(p.Name)
	}
}

// eachInfo is parameterInfos for a list that is handed out.
func (d *decoder) eachInfo(f func(cwmp.ParameterInfo) error) error {
	for {
		_, ok, err := d.child()
		if err != nil || !ok {
			return err
		}
		if err := d.entry(); err != nil {
			return err
		}
		var p cwmp.ParameterInfo
		if err := d.parameterInfo(&p); err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
	}
}

func (d *decoder) parameterInfo(p *cwmp.ParameterInfo) error {
	for {
		name, ok, err := d.child()
		if err != nil || !ok {
			return err
		}
		switch name {
		case "Name":
			err = d.name(&p.Name)
		case "Writable":
			err = d.flag(&p.Writable)
		default:
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
}

func (w *writer) getParameterNames(m *cwmp.GetParameterNames) {
	w.text("ParameterPath", m.Path)
	if m.Words {
		w.text("NextLevel", Style{Booleans: BooleansWords}.bool(m.NextLevel))
		return
	}
	w.bool("NextLevel", m.NextLevel)
}

func (w *writer) getParameterNamesResponse(m *cwmp.GetParameterNamesResponse) {
	w.openArray("ParameterList", "cwmp:ParameterInfoStruct", len(m.Params))
	for i := range m.Params {
		w.open("ParameterInfoStruct")
		w.text("Name", m.Params[i].Name)
		w.bool("Writable", m.Params[i].Writable)
		w.close("ParameterInfoStruct")
	}
	w.close("ParameterList")
}
