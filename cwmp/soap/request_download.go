// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) requestDownload() (cwmp.Message, error) {
	m := &cwmp.RequestDownload{}
	return m, d.each(func(name string) error {
		switch name {
		case "FileType":
			return d.word(&m.FileType)
		case "FileTypeArg":
			return d.entries(func() error { return d.arg(m) })
		default:
			return nil
		}
	})
}

func (d *decoder) arg(m *cwmp.RequestDownload) error {
	var a cwmp.Arg
	err := d.each(func(name string) error {
		switch name {
		case "Name":
			return d.word(&a.Name)
		case "Value":
			return d.key(&a.Value)
		default:
			return nil
		}
	})
	m.Args = append(m.Args, a)
	return err
}

func (w *writer) requestDownload(m *cwmp.RequestDownload) {
	w.text("FileType", m.FileType)
	w.openArray("FileTypeArg", "cwmp:ArgStruct", len(m.Args))
	for i := range m.Args {
		w.open("ArgStruct")
		w.text("Name", m.Args[i].Name)
		w.text("Value", m.Args[i].Value)
		w.close("ArgStruct")
	}
	w.close("FileTypeArg")
}
