// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) upload() (cwmp.Message, error) {
	m := &cwmp.Upload{}
	return m, d.each(func(name string) error {
		switch name {
		case "CommandKey":
			return d.key(&m.CommandKey)
		case "FileType":
			return d.word(&m.FileType)
		case "URL":
			return d.word(&m.URL)
		case "Username":
			return d.key(&m.Username)
		case "Password":
			return d.key(&m.Password)
		case "DelaySeconds":
			return d.uint32(&m.DelaySeconds)
		default:
			return nil
		}
	})
}

func (d *decoder) uploadResponse() (cwmp.Message, error) {
	m := &cwmp.UploadResponse{}
	return m, d.transferStatus(&m.Status, &m.StartTime, &m.CompleteTime)
}

func (w *writer) upload(m *cwmp.Upload) {
	w.text("CommandKey", m.CommandKey)
	w.text("FileType", m.FileType)
	w.text("URL", m.URL)
	w.text("Username", m.Username)
	w.text("Password", m.Password)
	w.uint32("DelaySeconds", m.DelaySeconds)
}
