// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) addObject() (cwmp.Message, error) {
	m := &cwmp.AddObject{}
	return m, d.object(&m.ObjectName, &m.ParameterKey)
}

func (d *decoder) deleteObject() (cwmp.Message, error) {
	m := &cwmp.DeleteObject{}
	return m, d.object(&m.ObjectName, &m.ParameterKey)
}

func (d *decoder) object(object, key *string) error {
	return d.each(func(name string) error {
		switch name {
		case "ObjectName":
			return d.name(object)
		case "ParameterKey":
			return d.key(key)
		default:
			return nil
		}
	})
}

func (d *decoder) addObjectResponse() (cwmp.Message, error) {
	m := &cwmp.AddObjectResponse{}
	return m, d.each(func(name string) error {
		switch name {
		case "InstanceNumber":
			return d.uint32(&m.InstanceNumber)
		case "Status":
			return d.code(&m.Status)
		default:
			return nil
		}
	})
}

func (d *decoder) deleteObjectResponse() (cwmp.Message, error) {
	m := &cwmp.DeleteObjectResponse{}
	return m, d.status(&m.Status)
}

// object writes the arguments of AddObject and DeleteObject. A dot at the end
// that the caller has left out is added [quirk 67].
func (w *writer) object(name, key string) {
	if name != "" && !cwmp.IsPartialPath(name) {
		name += "."
	}
	w.text("ObjectName", name)
	w.text("ParameterKey", key)
}
