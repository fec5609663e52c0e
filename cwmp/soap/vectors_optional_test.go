// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import "github.com/uspgate/uspgate/cwmp"

const (
	someTime    = "2024-02-29T12:34:56Z"
	unknownTime = "0001-01-01T00:00:00Z"
	someUUID    = "9c4e1f2a-6b7d-5e8f-90a1-b2c3d4e5f607"
)

// optionalFromCPE are the vectors of what a CPE sends of the methods that not
// every CPE or ACS has.
func optionalFromCPE() []vector {
	with := func(m cwmp.Message) cwmp.Envelope {
		return cwmp.Envelope{Namespace: cwmp.Namespace12, ID: "7", Body: m}
	}
	transfers := []cwmp.QueuedTransfer{
		{CommandKey: "c", State: cwmp.TransferInProgress},
		{State: cwmp.TransferNotStarted},
	}
	allTransfers := []cwmp.QueuedTransfer{
		{
			CommandKey: "c", State: cwmp.TransferCompleted, IsDownload: true, FileType: "1 Firmware Upgrade Image",
			FileSize: 4294967295, TargetFileName: "f",
		},
		{},
	}
	results := []cwmp.DUResult{
		{
			UUID: someUUID, DeploymentUnitRef: "Device.SoftwareModules.DeploymentUnit.1", Version: "1.0",
			CurrentState: "Installed", Resolved: true, ExecutionUnitRefList: "A.1,A.2", StartTime: someTime,
			CompleteTime: someTime,
		},
		{
			CurrentState: "Failed", StartTime: unknownTime, CompleteTime: unknownTime,
			Fault: cwmp.Fault{Code: cwmp.FaultDuplicateDU, Text: "Duplicate <DU>"},
		},
	}
	autonomous := append([]cwmp.DUResult(nil), results...)
	autonomous[0].OperationPerformed, autonomous[1].OperationPerformed = cwmp.DUInstall, cwmp.DUUpdate
	return []vector{
		{"upload_response", with(&cwmp.UploadResponse{StartTime: someTime, CompleteTime: someTime})},
		{"schedule_download_response", with(&cwmp.ScheduleDownloadResponse{})},
		{"cancel_transfer_response", with(&cwmp.CancelTransferResponse{})},
		{"get_queued_transfers_response", with(&cwmp.GetQueuedTransfersResponse{Transfers: transfers})},
		{"get_queued_transfers_response_empty", with(&cwmp.GetQueuedTransfersResponse{})},
		{"get_all_queued_transfers_response", with(&cwmp.GetAllQueuedTransfersResponse{Transfers: allTransfers})},
		{"schedule_inform_response", with(&cwmp.ScheduleInformResponse{})},
		{"set_vouchers_response", with(&cwmp.SetVouchersResponse{})},
		{"get_options_response", with(&cwmp.GetOptionsResponse{Options: []cwmp.Option{
			{
				Name: "Voice", VoucherSN: 4294967295, State: 3, Mode: 2, StartDate: someTime, ExpirationDate: someTime,
				IsTransferable: true,
			},
			{StartDate: unknownTime},
		}})},
		{"change_du_state_response", with(&cwmp.ChangeDUStateResponse{})},
		{"autonomous_transfer_complete", with(&cwmp.AutonomousTransferComplete{
			AnnounceURL: "http://h/a?b=1&c=2", TransferURL: "http://h/t", IsDownload: true,
			FileType: "1 Firmware Upgrade Image", FileSize: 4294967295, TargetFileName: "f", StartTime: someTime,
			CompleteTime: someTime,
		})},
		{"autonomous_transfer_complete_fault", with(&cwmp.AutonomousTransferComplete{
			Fault: cwmp.Fault{Code: 9018, Text: "File corrupted"}, StartTime: unknownTime, CompleteTime: unknownTime,
		})},
		{"kicked", with(&cwmp.Kicked{Command: "c", Referer: "http://h/r", Arg: "a=<1> & 2", Next: "http://h/n"})},
		{"request_download", with(&cwmp.RequestDownload{FileType: "2 Web Content", Args: []cwmp.Arg{
			{Name: "Version", Value: " 1 "}, {Name: "Language", Value: "de"},
		}})},
		{"request_download_empty", with(&cwmp.RequestDownload{})},
		{"du_state_change_complete", with(&cwmp.DUStateChangeComplete{Results: results, CommandKey: "c"})},
		{"autonomous_du_state_change_complete", with(&cwmp.AutonomousDUStateChangeComplete{Results: autonomous})},
	}
}

// optionalFromACS are the vectors of what an ACS sends of these methods.
func optionalFromACS() []vector {
	with := func(m cwmp.Message) cwmp.Envelope {
		return cwmp.Envelope{Namespace: cwmp.Namespace10, ID: "a<b", Body: m}
	}
	return []vector{
		{"upload", with(&cwmp.Upload{
			CommandKey: "c", FileType: "3 Vendor Configuration File 1", URL: "https://h/f?a=1&b=2", Username: "u",
			Password: " p<&> ", DelaySeconds: 4294967295,
		})},
		{"upload_zero", with(&cwmp.Upload{})},
		{"schedule_download", with(&cwmp.ScheduleDownload{
			CommandKey: "c", FileType: "1 Firmware Upgrade Image", URL: "https://h/f", Username: "u", Password: "p",
			FileSize: 1, TargetFileName: "f", Windows: []cwmp.TimeWindow{
				{Start: 0, End: 3600, Mode: cwmp.WindowWhenIdle, UserMessage: "a & b", MaxRetries: 3},
				{Start: 7200, End: 4294967295, Mode: cwmp.WindowAtAnyTime, MaxRetries: -1},
			},
		})},
		{"schedule_download_zero", with(&cwmp.ScheduleDownload{})},
		{"cancel_transfer", with(&cwmp.CancelTransfer{CommandKey: "c"})},
		{"get_queued_transfers", with(&cwmp.GetQueuedTransfers{})},
		{"get_all_queued_transfers", with(&cwmp.GetAllQueuedTransfers{})},
		{"schedule_inform", with(&cwmp.ScheduleInform{DelaySeconds: 60, CommandKey: "c"})},
		{"set_vouchers", with(&cwmp.SetVouchers{Vouchers: []string{"PFZvdWNoZXIvPg==", ""}})},
		{"get_options", with(&cwmp.GetOptions{OptionName: "Voice"})},
		{"change_du_state", with(&cwmp.ChangeDUState{CommandKey: "c", Operations: []cwmp.DUOperation{
			{Kind: cwmp.DUInstall, URL: "https://h/d?a=1&b=2"},
			{
				Kind: cwmp.DUInstall, URL: "https://h/d", UUID: someUUID, Username: "u", Password: " p<&> ",
				ExecutionEnvRef: "Device.SoftwareModules.ExecEnv.1",
			},
			{Kind: cwmp.DUUpdate},
			{Kind: cwmp.DUUpdate, UUID: someUUID, Version: "2.0", URL: "https://h/d", Username: "u", Password: "p"},
			{Kind: cwmp.DUUninstall, UUID: someUUID},
			{
				Kind: cwmp.DUUninstall, UUID: someUUID, Version: "2.0",
				ExecutionEnvRef: "Device.SoftwareModules.ExecEnv.1",
			},
			{UUID: someUUID},
		}})},
		{"change_du_state_empty", with(&cwmp.ChangeDUState{})},
		{"autonomous_transfer_complete_response", with(&cwmp.AutonomousTransferCompleteResponse{})},
		{"kicked_response", with(&cwmp.KickedResponse{NextURL: "http://h/n?a=1&b=2"})},
		{"request_download_response", with(&cwmp.RequestDownloadResponse{})},
		{"du_state_change_complete_response", with(&cwmp.DUStateChangeCompleteResponse{})},
		{"autonomous_du_state_change_complete_response", with(&cwmp.AutonomousDUStateChangeCompleteResponse{})},
	}
}
