// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) download() (cwmp.Message, error) {
	m := &cwmp.Download{}
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
		case "FileSize":
			return d.uint32(&m.FileSize)
		case "TargetFileName":
			return d.key(&m.TargetFileName)
		case "DelaySeconds":
			return d.uint32(&m.DelaySeconds)
		case "SuccessURL":
			return d.word(&m.SuccessURL)
		case "FailureURL":
			return d.word(&m.FailureURL)
		default:
			return nil
		}
	})
}

func (d *decoder) downloadResponse() (cwmp.Message, error) {
	m := &cwmp.DownloadResponse{}
	return m, d.transferStatus(&m.Status, &m.StartTime, &m.CompleteTime)
}

// transferStatus reads the answer to a Download or an Upload.
func (d *decoder) transferStatus(status *int, start, complete *string) error {
	return d.each(func(name string) error {
		switch name {
		case "Status":
			return d.code(status)
		case "StartTime":
			return d.word(start)
		case "CompleteTime":
			return d.word(complete)
		default:
			return nil
		}
	})
}

func (w *writer) download(m *cwmp.Download) {
	w.text("CommandKey", m.CommandKey)
	w.text("FileType", m.FileType)
	w.text("URL", m.URL)
	w.text("Username", m.Username)
	w.text("Password", m.Password)
	w.uint32("FileSize", m.FileSize)
	w.text("TargetFileName", m.TargetFileName)
	w.uint32("DelaySeconds", m.DelaySeconds)
	w.text("SuccessURL", m.SuccessURL)
	w.text("FailureURL", m.FailureURL)
}

func (w *writer) transferStatus(status int, start, complete string) {
	w.int("Status", status)
	w.time("StartTime", start)
	w.time("CompleteTime", complete)
}
