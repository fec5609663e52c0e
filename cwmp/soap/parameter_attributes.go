// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) getParameterAttributes() (cwmp.Message, error) {
	m := &cwmp.GetParameterAttributes{}
	return m, d.each(func(name string) error {
		if name == "ParameterNames" {
			return d.names(&m.Names)
		}
		return nil
	})
}

func (d *decoder) getParameterAttributesResponse() (cwmp.Message, error) {
	m := &cwmp.GetParameterAttributesResponse{}
	return m, d.attributes(func(a *cwmp.SetAttribute) {
		m.Params = append(m.Params, cwmp.ParameterAttribute{
			Name: a.Name, Notification: a.Notification, AccessList: a.AccessList,
		})
	})
}

func (d *decoder) setParameterAttributes() (cwmp.Message, error) {
	m := &cwmp.SetParameterAttributes{}
	return m, d.attributes(func(a *cwmp.SetAttribute) { m.Params = append(m.Params, *a) })
}

// attributes reads a message whose only argument is a ParameterList of
// attributes.
func (d *decoder) attributes(add func(*cwmp.SetAttribute)) error {
	return d.each(func(name string) error {
		if name != "ParameterList" {
			return nil
		}
		return d.entries(func() error {
			var a cwmp.SetAttribute
			if err := d.attribute(&a); err != nil {
				return err
			}
			add(&a)
			return nil
		})
	})
}

func (d *decoder) attribute(a *cwmp.SetAttribute) error {
	return d.each(func(name string) error {
		switch name {
		case "Name":
			return d.name(&a.Name)
		case "NotificationChange":
			return d.flag(&a.NotificationChange)
		case "Notification":
			return d.code(&a.Notification)
		case "AccessListChange":
			return d.flag(&a.AccessListChange)
		case "AccessList":
			return d.words(&a.AccessList)
		default:
			return nil
		}
	})
}

func (w *writer) setParameterAttributes(m *cwmp.SetParameterAttributes) {
	w.openArray("ParameterList", "cwmp:SetParameterAttributesStruct", len(m.Params))
	for i := range m.Params {
		a := &m.Params[i]
		w.open("SetParameterAttributesStruct")
		w.text("Name", a.Name)
		w.bool("NotificationChange", a.NotificationChange)
		w.int("Notification", a.Notification)
		w.bool("AccessListChange", a.AccessListChange)
		w.strings("AccessList", a.AccessList)
		w.close("SetParameterAttributesStruct")
	}
	w.close("ParameterList")
}

func (w *writer) getParameterAttributesResponse(m *cwmp.GetParameterAttributesResponse) {
	w.openArray("ParameterList", "cwmp:ParameterAttributeStruct", len(m.Params))
	for i := range m.Params {
		w.open("ParameterAttributeStruct")
		w.text("Name", m.Params[i].Name)
		w.int("Notification", m.Params[i].Notification)
		w.strings("AccessList", m.Params[i].AccessList)
		w.close("ParameterAttributeStruct")
	}
	w.close("ParameterList")
}
