// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// transferCompleteEvent is Device.LocalAgent.TransferComplete!.
func transferCompleteEvent() event {
	return event{"TransferComplete!", []string{
		"Command", "CommandKey", "Requestor", "TransferType", "Affected", "TransferURL", "StartTime", "CompleteTime",
		"FaultCode", "FaultString", "CheckSumAlgorithm", "CheckSum",
	}}
}

// The values of ResultTypeFilter of a TransferCompletePolicy.
const (
	resultBoth    = "Both"
	resultSuccess = "Success"
	resultFailure = "Failure"
)

// The values of the label result.
const (
	resultOK     = "ok"
	resultFailed = "failed"
)

// transferPolicy is Controller.{i}.TransferCompletePolicy.
func transferPolicy() *localObject {
	return obj(controllerTable+"{i}.TransferCompletePolicy.",
		rw("ResultTypeFilter", path.TypeString, resultBoth, oneOf(resultBoth, resultSuccess, resultFailure)))
}

// transferred takes a TransferComplete: it is of a Job, or of nobody here, as where the
// CPE repeats it, or another ACS has asked. The lock is held.
func (a *Agent) transferred(tc *cwmp.TransferComplete) {
	r, ok := a.transfers.table.Complete(tc, a.transfers.events, time.Now())
	if !ok {
		a.log.Info("the CPE reports a transfer that nobody here waits for",
			zap.String("command_key", tc.CommandKey), zap.Int("fault", tc.Fault.Code))
		return
	}
	a.transferNews(r)
}

// transferNews takes what has become of a Job: its end is told to those who wait for it,
// as OperationComplete and TransferComplete!. The lock is held.
func (a *Agent) transferNews(r transfer.Result) {
	j := &r.Job
	switch {
	case r.Again:
		a.log.Info("a transfer is asked for once more", zap.String("request", j.Name), zap.Int("attempt", j.Attempt))
		a.sendTransfers()
	case r.Done:
		a.transferOver(&r)
	default:
		return
	}
	a.changed()
}

// transferOver tells of the end of a Job, which is not in the table any more.
func (a *Agent) transferOver(r *transfer.Result) {
	j := &r.Job
	a.log.Info("a transfer is over", zap.String("request", j.Name), zap.Stringer("by", r.How),
		zap.Int("fault", r.Fault.Code))
	result := resultOK
	if r.Fault.Code != 0 {
		result = resultFailed
	}
	a.host.metrics.transfers.WithLabelValues(direction(j.Upload), result).Inc()
	a.closeFile(j.Token)
	if r.Fault.Code == 0 && !j.Upload {
		a.otherwise()
	}
	if !a.local.exists(j.Name) {
		return
	}
	full := a.local.get(j.Name + "Command")
	object, _ := splitParam(full)
	e := transferEvent{
		command: full, key: a.local.get(j.Name + "CommandKey"), requestor: a.local.get(j.Name + "Originator"),
		upload: j.Upload, affected: strings.TrimSuffix(object, "."), url: cmp.Or(j.Source, j.URL),
		start: r.Start, complete: r.Complete,
	}
	if r.Fault.Code == 0 {
		a.closeRequest(j.Name, map[string]string{}, nil)
	} else {
		e.fault = faultText(r.Fault.Code, r.Fault.Text)
		if r.How == transfer.ByTime || r.How == transfer.ByFile { // the Fault is ours
			e.fault = r.Fault.Text
		}
		a.closeRequest(j.Name, nil, invalid(usp.CodeCommandFailure, "", e.fault))
	}
	a.emitTransferComplete(&e)
}

func direction(upload bool) string {
	if upload {
		return "Upload"
	}
	return "Download"
}

// transferEvent is what TransferComplete! says of a transfer.
type transferEvent struct {
	command, key, requestor string
	upload                  bool
	affected, url           string
	start, complete         string
	fault                   string // empty: there was none
}

// emitTransferComplete sends TransferComplete! to the subscribers whose
// TransferCompletePolicy wants it [TR-181]. Its FaultCode is one of USP; that of CWMP
// is in FaultString. The lock is held.
func (a *Agent) emitTransferComplete(e *transferEvent) {
	code, unwanted := "0", resultFailure
	if e.fault != "" {
		code, unwanted = number(int(usp.CodeCommandFailure)), resultSuccess
	}
	params := map[string]string{
		"Command": e.command, "CommandKey": e.key, "Requestor": e.requestor, "TransferType": direction(e.upload),
		"Affected": e.affected, "TransferURL": e.url, "StartTime": e.start, "CompleteTime": e.complete,
		"FaultCode": code, "FaultString": e.fault, "CheckSumAlgorithm": "Unknown", "CheckSum": "",
	}
	for _, s := range a.subs.list {
		if s.typ != notifEvent || !s.wants(a, localRoot+"TransferComplete!") {
			continue
		}
		if a.local.get(a.controllerRow(s.recipient)+"TransferCompletePolicy.ResultTypeFilter") == unwanted {
			continue
		}
		a.notify(s, &uspmsg.Notify{Notification: &uspmsg.Notify_Event_{
			Event: &uspmsg.Notify_Event{ObjPath: localRoot, EventName: "TransferComplete!", Params: params},
		}})
	}
}

// autonomousTransfer takes a transfer that nobody asked for. The lock is held.
func (a *Agent) autonomousTransfer(r *cwmp.AutonomousTransferComplete) {
	e := transferEvent{
		upload: !r.IsDownload, url: r.TransferURL, start: transfer.DateTime(r.StartTime),
		complete: transfer.DateTime(r.CompleteTime),
	}
	if r.Fault.Code != 0 {
		e.fault = faultText(r.Fault.Code, r.Fault.Text)
	}
	a.emitTransferComplete(&e)
	if r.IsDownload && r.Fault.Code == 0 {
		a.otherwise()
	}
}

// otherwise notes that the CPE may be another one now. It is read in its next session,
// unless it is being read: what it reports it has done before. The lock is held.
func (a *Agent) otherwise() {
	a.fresh.forget()
	a.disc.due = a.disc.due || !a.disc.running
	a.changed()
}
