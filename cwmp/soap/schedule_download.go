// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) scheduleDownload() (cwmp.Message, error) {
	m := &cwmp.ScheduleDownload{}
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
		case "TimeWindowList":
			return d.entries(func() error { return d.timeWindow(m) })
		default:
			return nil
		}
	})
}

func (d *decoder) timeWindow(m *cwmp.ScheduleDownload) error {
	var tw cwmp.TimeWindow
	err := d.each(func(name string) error {
		switch name {
		case "WindowStart":
			return d.uint32(&tw.Start)
		case "WindowEnd":
			return d.uint32(&tw.End)
		case "WindowMode":
			return d.word(&tw.Mode)
		case "UserMessage":
			return d.key(&tw.UserMessage)
		case "MaxRetries":
			return d.code(&tw.MaxRetries)
		default:
			return nil
		}
	})
	m.Windows = append(m.Windows, tw)
	return err
}

func (w *writer) scheduleDownload(m *cwmp.ScheduleDownload) {
	w.text("CommandKey", m.CommandKey)
	w.text("FileType", m.FileType)
	w.text("URL", m.URL)
	w.text("Username", m.Username)
	w.text("Password", m.Password)
	w.uint32("FileSize", m.FileSize)
	w.text("TargetFileName", m.TargetFileName)
	w.openArray("TimeWindowList", "cwmp:TimeWindowStruct", len(m.Windows))
	for i := range m.Windows {
		tw := &m.Windows[i]
		w.open("TimeWindowStruct")
		w.uint32("WindowStart", tw.Start)
		w.uint32("WindowEnd", tw.End)
		w.text("WindowMode", tw.Mode)
		w.text("UserMessage", tw.UserMessage)
		w.int("MaxRetries", tw.MaxRetries)
		w.close("TimeWindowStruct")
	}
	w.close("TimeWindowList")
}
