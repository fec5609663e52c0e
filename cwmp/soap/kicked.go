// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) kicked() (cwmp.Message, error) {
	m := &cwmp.Kicked{}
	return m, d.each(func(name string) error {
		switch name {
		case "Command":
			return d.key(&m.Command)
		case "Referer":
			return d.word(&m.Referer)
		case "Arg":
			return d.key(&m.Arg)
		case "Next":
			return d.word(&m.Next)
		default:
			return nil
		}
	})
}

func (d *decoder) kickedResponse() (cwmp.Message, error) {
	m := &cwmp.KickedResponse{}
	return m, d.each(func(name string) error {
		if name == "NextURL" {
			return d.word(&m.NextURL)
		}
		return nil
	})
}

func (w *writer) kicked(m *cwmp.Kicked) {
	w.text("Command", m.Command)
	w.text("Referer", m.Referer)
	w.text("Arg", m.Arg)
	w.text("Next", m.Next)
}
