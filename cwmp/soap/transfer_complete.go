// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) transferComplete() (cwmp.Message, error) {
	m := &cwmp.TransferComplete{}
	return m, d.each(func(name string) error {
		switch name {
		case "CommandKey":
			return d.key(&m.CommandKey)
		case "FaultStruct":
			return d.each(func(name string) error {
				switch name {
				case "FaultCode":
					return d.code(&m.Fault.Code)
				case "FaultString":
					return d.word(&m.Fault.Text)
				default:
					return nil
				}
			})
		case "StartTime":
			return d.word(&m.StartTime)
		case "CompleteTime":
			return d.word(&m.CompleteTime)
		default:
			return nil
		}
	})
}

func (w *writer) transferComplete(m *cwmp.TransferComplete) {
	w.text("CommandKey", m.CommandKey)
	w.open("FaultStruct")
	w.int("FaultCode", m.Fault.Code)
	w.text("FaultString", m.Fault.Text)
	w.close("FaultStruct")
	w.time("StartTime", m.StartTime)
	w.time("CompleteTime", m.CompleteTime)
}
