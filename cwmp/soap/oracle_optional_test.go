// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/wsdl"
)

// optionalMessage is message for the optional methods of both sides, but for
// those about software modules.
func (b *oracleBody) optionalMessage() cwmp.Message {
	switch {
	case b.GetQueuedTransfers != nil:
		return &cwmp.GetQueuedTransfers{}
	case b.GetQueuedTransfersResponse != nil:
		m := &cwmp.GetQueuedTransfersResponse{}
		for _, t := range deref(b.GetQueuedTransfersResponse.TransferList).QueuedTransferStruct {
			m.Transfers = append(m.Transfers, cwmp.QueuedTransfer{CommandKey: t.CommandKey, State: int(t.State)})
		}
		return m
	case b.GetAllQueuedTransfers != nil:
		return &cwmp.GetAllQueuedTransfers{}
	case b.GetAllQueuedTransfersResponse != nil:
		m := &cwmp.GetAllQueuedTransfersResponse{}
		for _, t := range deref(b.GetAllQueuedTransfersResponse.TransferList).AllQueuedTransferStruct {
			m.Transfers = append(m.Transfers, cwmp.QueuedTransfer{
				CommandKey: t.CommandKey, State: int(t.State), IsDownload: t.IsDownload, FileType: t.FileType,
				FileSize: t.FileSize, TargetFileName: t.TargetFileName,
			})
		}
		return m
	case b.ScheduleInform != nil:
		m := b.ScheduleInform
		return &cwmp.ScheduleInform{DelaySeconds: m.DelaySeconds, CommandKey: m.CommandKey}
	case b.ScheduleInformResponse != nil:
		return &cwmp.ScheduleInformResponse{}
	case b.SetVouchers != nil:
		return &cwmp.SetVouchers{Vouchers: deref(b.SetVouchers.VoucherList).Base64}
	case b.SetVouchersResponse != nil:
		return &cwmp.SetVouchersResponse{}
	case b.GetOptions != nil:
		return &cwmp.GetOptions{OptionName: b.GetOptions.OptionName}
	case b.GetOptionsResponse != nil:
		m := &cwmp.GetOptionsResponse{}
		for _, o := range deref(b.GetOptionsResponse.OptionList).OptionStruct {
			m.Options = append(m.Options, cwmp.Option{
				Name: o.OptionName, VoucherSN: o.VoucherSN, State: int(o.State), Mode: int(o.Mode),
				StartDate: o.StartDate, ExpirationDate: o.ExpirationDate, IsTransferable: o.IsTransferable,
			})
		}
		return m
	case b.Kicked != nil:
		m := b.Kicked
		return &cwmp.Kicked{Command: m.Command, Referer: m.Referer, Arg: m.Arg, Next: m.Next}
	case b.KickedResponse != nil:
		return &cwmp.KickedResponse{NextURL: b.KickedResponse.NextURL}
	case b.RequestDownload != nil:
		m := &cwmp.RequestDownload{FileType: b.RequestDownload.FileType}
		for _, a := range deref(b.RequestDownload.FileTypeArg).ArgStruct {
			m.Args = append(m.Args, cwmp.Arg{Name: a.Name, Value: a.Value})
		}
		return m
	case b.RequestDownloadResponse != nil:
		return &cwmp.RequestDownloadResponse{}
	default:
		return b.transferMessage()
	}
}

func (b *oracleBody) transferMessage() cwmp.Message {
	switch {
	case b.Upload != nil:
		m := b.Upload
		return &cwmp.Upload{
			CommandKey: m.CommandKey, FileType: m.FileType, URL: m.URL, Username: m.Username, Password: m.Password,
			DelaySeconds: m.DelaySeconds,
		}
	case b.UploadResponse != nil:
		m := b.UploadResponse
		return &cwmp.UploadResponse{Status: int(m.Status), StartTime: m.StartTime, CompleteTime: m.CompleteTime}
	case b.ScheduleDownload != nil:
		m := b.ScheduleDownload
		sd := &cwmp.ScheduleDownload{
			CommandKey: m.CommandKey, FileType: m.FileType, URL: m.URL, Username: m.Username, Password: m.Password,
			FileSize: m.FileSize, TargetFileName: m.TargetFileName,
		}
		for _, w := range deref(m.TimeWindowList).TimeWindowStruct {
			sd.Windows = append(sd.Windows, cwmp.TimeWindow{
				Start: w.WindowStart, End: w.WindowEnd, Mode: w.WindowMode, UserMessage: w.UserMessage,
				MaxRetries: int(w.MaxRetries),
			})
		}
		return sd
	case b.ScheduleDownloadResponse != nil:
		return &cwmp.ScheduleDownloadResponse{}
	case b.CancelTransfer != nil:
		return &cwmp.CancelTransfer{CommandKey: b.CancelTransfer.CommandKey}
	case b.CancelTransferResponse != nil:
		return &cwmp.CancelTransferResponse{}
	case b.AutonomousTransferComplete != nil:
		m := b.AutonomousTransferComplete
		return &cwmp.AutonomousTransferComplete{
			AnnounceURL: m.AnnounceURL, TransferURL: m.TransferURL, IsDownload: m.IsDownload, FileType: m.FileType,
			FileSize: m.FileSize, TargetFileName: m.TargetFileName, Fault: outcome(m.FaultStruct),
			StartTime: m.StartTime, CompleteTime: m.CompleteTime,
		}
	case b.AutonomousTransferCompleteResponse != nil:
		return &cwmp.AutonomousTransferCompleteResponse{}
	default:
		return nil
	}
}

// softwareMessage is message for the methods about software modules.
func (b *oracleBody) softwareMessage() cwmp.Message {
	switch {
	case b.ChangeDUState != nil:
		m := &cwmp.ChangeDUState{CommandKey: b.ChangeDUState.CommandKey}
		for _, o := range b.ChangeDUState.Operations {
			_, typ, _ := strings.Cut(o.Type, ":")
			m.Operations = append(m.Operations, cwmp.DUOperation{
				Kind: strings.TrimSuffix(typ, "OpStruct"), URL: o.URL, UUID: o.UUID, Username: o.Username,
				Password: o.Password, ExecutionEnvRef: o.ExecutionEnvRef, Version: o.Version,
			})
		}
		return m
	case b.ChangeDUStateResponse != nil:
		return &cwmp.ChangeDUStateResponse{}
	case b.DUStateChangeComplete != nil:
		m := &cwmp.DUStateChangeComplete{CommandKey: b.DUStateChangeComplete.CommandKey}
		for _, r := range b.DUStateChangeComplete.Results {
			m.Results = append(m.Results, cwmp.DUResult{
				UUID: r.UUID, DeploymentUnitRef: r.DeploymentUnitRef, Version: r.Version, CurrentState: r.CurrentState,
				Resolved: r.Resolved, ExecutionUnitRefList: r.ExecutionUnitRefList, StartTime: r.StartTime,
				CompleteTime: r.CompleteTime, Fault: outcome(r.Fault),
			})
		}
		return m
	case b.DUStateChangeCompleteResponse != nil:
		return &cwmp.DUStateChangeCompleteResponse{}
	case b.AutonomousDUStateChangeComplete != nil:
		m := &cwmp.AutonomousDUStateChangeComplete{}
		for _, r := range b.AutonomousDUStateChangeComplete.Results {
			m.Results = append(m.Results, cwmp.DUResult{
				UUID: r.UUID, DeploymentUnitRef: r.DeploymentUnitRef, Version: r.Version, CurrentState: r.CurrentState,
				Resolved: r.Resolved, ExecutionUnitRefList: r.ExecutionUnitRefList, StartTime: r.StartTime,
				CompleteTime: r.CompleteTime, Fault: outcome(r.Fault), OperationPerformed: r.OperationPerformed,
			})
		}
		return m
	case b.AutonomousDUStateChangeCompleteResponse != nil:
		return &cwmp.AutonomousDUStateChangeCompleteResponse{}
	default:
		return nil
	}
}

func outcome(f *wsdl.TransferFaultStruct) cwmp.Fault {
	if f == nil {
		return cwmp.Fault{}
	}
	return cwmp.Fault{Code: int(f.FaultCode), Text: f.FaultString}
}
