// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) getQueuedTransfersResponse() (cwmp.Message, error) {
	m := &cwmp.GetQueuedTransfersResponse{}
	return m, d.queuedTransfers(&m.Transfers)
}

func (d *decoder) getAllQueuedTransfersResponse() (cwmp.Message, error) {
	m := &cwmp.GetAllQueuedTransfersResponse{}
	return m, d.queuedTransfers(&m.Transfers)
}

func (d *decoder) queuedTransfers(list *[]cwmp.QueuedTransfer) error {
	return d.each(func(name string) error {
		if name != "TransferList" {
			return nil
		}
		return d.entries(func() error { return d.queuedTransfer(list) })
	})
}

func (d *decoder) queuedTransfer(list *[]cwmp.QueuedTransfer) error {
	var t cwmp.QueuedTransfer
	err := d.each(func(name string) error {
		switch name {
		case "CommandKey":
			return d.key(&t.CommandKey)
		case "State":
			return d.code(&t.State)
		case "IsDownload":
			return d.flag(&t.IsDownload)
		case "FileType":
			return d.word(&t.FileType)
		case "FileSize":
			return d.uint32(&t.FileSize)
		case "TargetFileName":
			return d.key(&t.TargetFileName)
		default:
			return nil
		}
	})
	*list = append(*list, t)
	return err
}

func (w *writer) getQueuedTransfersResponse(m *cwmp.GetQueuedTransfersResponse) {
	w.openArray("TransferList", "cwmp:QueuedTransferStruct", len(m.Transfers))
	for i := range m.Transfers {
		w.open("QueuedTransferStruct")
		w.text("CommandKey", m.Transfers[i].CommandKey)
		w.int("State", m.Transfers[i].State)
		w.close("QueuedTransferStruct")
	}
	w.close("TransferList")
}

func (w *writer) getAllQueuedTransfersResponse(m *cwmp.GetAllQueuedTransfersResponse) {
	w.openArray("TransferList", "cwmp:AllQueuedTransferStruct", len(m.Transfers))
	for i := range m.Transfers {
		t := &m.Transfers[i]
		w.open("AllQueuedTransferStruct")
		w.text("CommandKey", t.CommandKey)
		w.int("State", t.State)
		w.bool("IsDownload", t.IsDownload)
		w.text("FileType", t.FileType)
		w.uint32("FileSize", t.FileSize)
		w.text("TargetFileName", t.TargetFileName)
		w.close("AllQueuedTransferStruct")
	}
	w.close("TransferList")
}
