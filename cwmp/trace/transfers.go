// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strconv"

	"github.com/uspgate/uspgate/cwmp"
)

// transfers prints the messages about files.
func (p *printer) transfers(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.Download:
		p.download(m)
	case *cwmp.DownloadResponse:
		p.num("Status", int64(m.Status))
		p.times(m.StartTime, m.CompleteTime)
	case *cwmp.ScheduleDownload:
		p.scheduleDownload(m)
	case *cwmp.Upload:
		p.file(m.FileType, m.URL)
		p.credentials(m.CommandKey, m.Username, m.Password)
		p.numIf("DelaySeconds", int64(m.DelaySeconds))
	case *cwmp.UploadResponse:
		p.num("Status", int64(m.Status))
		p.times(m.StartTime, m.CompleteTime)
	case *cwmp.CancelTransfer:
		p.arg("CommandKey", m.CommandKey)
	case *cwmp.GetQueuedTransfersResponse:
		list(p, m.Transfers, (*printer).queued)
	case *cwmp.GetAllQueuedTransfersResponse:
		list(p, m.Transfers, (*printer).anyQueued)
	case *cwmp.TransferComplete:
		p.arg("CommandKey", m.CommandKey)
		p.outcome(&m.Fault)
		p.times(m.StartTime, m.CompleteTime)
	case *cwmp.AutonomousTransferComplete:
		p.autonomous(m)
	case *cwmp.RequestDownload:
		p.b.WriteString(" " + strconv.Quote(m.FileType))
		list(p, m.Args, (*printer).requestArg)
	default:
		return false
	}
	return true
}

func (p *printer) download(m *cwmp.Download) {
	p.file(m.FileType, m.URL)
	p.credentials(m.CommandKey, m.Username, m.Password)
	p.size(m.FileSize, m.TargetFileName)
	p.numIf("DelaySeconds", int64(m.DelaySeconds))
	p.argIf("SuccessURL", maskURL(m.SuccessURL))
	p.argIf("FailureURL", maskURL(m.FailureURL))
}

func (p *printer) scheduleDownload(m *cwmp.ScheduleDownload) {
	p.file(m.FileType, m.URL)
	p.credentials(m.CommandKey, m.Username, m.Password)
	p.size(m.FileSize, m.TargetFileName)
	list(p, m.Windows, (*printer).window)
}

func (p *printer) window(w *cwmp.TimeWindow) {
	p.b.WriteString(strconv.Quote(w.Mode))
	p.num("Start", int64(w.Start))
	p.num("End", int64(w.End))
	p.num("MaxRetries", int64(w.MaxRetries))
	p.argIf("UserMessage", w.UserMessage)
}

func (p *printer) autonomous(m *cwmp.AutonomousTransferComplete) {
	p.file(m.FileType, m.TransferURL)
	p.flag("IsDownload", m.IsDownload)
	p.argIf("AnnounceURL", maskURL(m.AnnounceURL))
	p.size(m.FileSize, m.TargetFileName)
	p.outcome(&m.Fault)
	p.times(m.StartTime, m.CompleteTime)
}

func (p *printer) queued(t *cwmp.QueuedTransfer) {
	p.b.WriteString(strconv.Quote(t.CommandKey))
	p.num("State", int64(t.State))
}

// anyQueued prints what only an answer to GetAllQueuedTransfers has, too.
func (p *printer) anyQueued(t *cwmp.QueuedTransfer) {
	p.queued(t)
	p.flag("IsDownload", t.IsDownload)
	p.argIf("FileType", t.FileType)
	p.size(t.FileSize, t.TargetFileName)
}

func (p *printer) requestArg(a *cwmp.Arg) { p.assign(a.Name, a.Value) }

func (p *printer) file(kind, url string) {
	p.b.WriteString(" " + strconv.Quote(kind))
	p.arg("URL", maskURL(url))
}

func (p *printer) size(bytes uint32, target string) {
	p.numIf("FileSize", int64(bytes))
	p.argIf("TargetFileName", target)
}

// credentials prints the CommandKey and the user, and of the password only
// that there is one.
func (p *printer) credentials(key, user, password string) {
	p.argIf("CommandKey", key)
	p.user(user, password)
}

func (p *printer) user(name, password string) {
	p.argIf("Username", name)
	if password != "" {
		p.b.WriteString(" Password=" + mask)
	}
}

// outcome prints a FaultStruct, of which Code 0 is success.
func (p *printer) outcome(f *cwmp.Fault) {
	p.num("FaultCode", int64(f.Code))
	p.argIf("FaultString", f.Text)
}

func (p *printer) times(start, complete string) {
	p.argIf("StartTime", start)
	p.argIf("CompleteTime", complete)
}
