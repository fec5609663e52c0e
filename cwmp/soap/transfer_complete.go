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
			return d.faultStruct(&m.Fault)
		case "StartTime":
			return d.word(&m.StartTime)
		case "CompleteTime":
			return d.word(&m.CompleteTime)
		default:
			return nil
		}
	})
}

func (d *decoder) autonomousTransferComplete() (cwmp.Message, error) {
	m := &cwmp.AutonomousTransferComplete{}
	return m, d.each(func(name string) error {
		switch name {
		case "AnnounceURL":
			return d.word(&m.AnnounceURL)
		case "TransferURL":
			return d.word(&m.TransferURL)
		case "IsDownload":
			return d.flag(&m.IsDownload)
		case "FileType":
			return d.word(&m.FileType)
		case "FileSize":
			return d.uint32(&m.FileSize)
		case "TargetFileName":
			return d.key(&m.TargetFileName)
		case "FaultStruct":
			return d.faultStruct(&m.Fault)
		case "StartTime":
			return d.word(&m.StartTime)
		case "CompleteTime":
			return d.word(&m.CompleteTime)
		default:
			return nil
		}
	})
}

// faultStruct reads the outcome of a transfer or of an operation; some CPE
// wrap it once more.
func (d *decoder) faultStruct(f *cwmp.Fault) error {
	return d.each(func(name string) error {
		switch name {
		case "FaultCode":
			return d.code(&f.Code)
		case "FaultString":
			return d.word(&f.Text)
		case "FaultStruct":
			return d.faultStruct(f)
		default:
			return nil
		}
	})
}

func (w *writer) transferComplete(m *cwmp.TransferComplete) {
	w.text("CommandKey", m.CommandKey)
	w.faultStruct("FaultStruct", &m.Fault)
	w.time("StartTime", m.StartTime)
	w.time("CompleteTime", m.CompleteTime)
}

func (w *writer) autonomousTransferComplete(m *cwmp.AutonomousTransferComplete) {
	w.text("AnnounceURL", m.AnnounceURL)
	w.text("TransferURL", m.TransferURL)
	w.bool("IsDownload", m.IsDownload)
	w.text("FileType", m.FileType)
	w.uint32("FileSize", m.FileSize)
	w.text("TargetFileName", m.TargetFileName)
	w.faultStruct("FaultStruct", &m.Fault)
	w.time("StartTime", m.StartTime)
	w.time("CompleteTime", m.CompleteTime)
}

func (w *writer) faultStruct(n string, f *cwmp.Fault) {
	w.open(n)
	w.int("FaultCode", f.Code)
	w.text("FaultString", f.Text)
	w.close(n)
}
