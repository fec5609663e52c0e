// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

var (
	requests = []cwmp.Request{
		&cwmp.GetRPCMethods{}, &cwmp.SetParameterValues{}, &cwmp.GetParameterValues{}, &cwmp.GetParameterNames{},
		&cwmp.SetParameterAttributes{}, &cwmp.GetParameterAttributes{}, &cwmp.AddObject{}, &cwmp.DeleteObject{},
		&cwmp.Reboot{}, &cwmp.FactoryReset{}, &cwmp.Download{}, &cwmp.Inform{}, &cwmp.TransferComplete{},
		&cwmp.Upload{}, &cwmp.ScheduleDownload{}, &cwmp.CancelTransfer{}, &cwmp.GetQueuedTransfers{},
		&cwmp.GetAllQueuedTransfers{}, &cwmp.ScheduleInform{}, &cwmp.SetVouchers{}, &cwmp.GetOptions{},
		&cwmp.ChangeDUState{}, &cwmp.AutonomousTransferComplete{}, &cwmp.Kicked{}, &cwmp.RequestDownload{},
		&cwmp.DUStateChangeComplete{}, &cwmp.AutonomousDUStateChangeComplete{},
	}
	responses = []cwmp.Response{
		&cwmp.GetRPCMethodsResponse{}, &cwmp.SetParameterValuesResponse{}, &cwmp.GetParameterValuesResponse{},
		&cwmp.GetParameterNamesResponse{}, &cwmp.SetParameterAttributesResponse{},
		&cwmp.GetParameterAttributesResponse{}, &cwmp.AddObjectResponse{}, &cwmp.DeleteObjectResponse{},
		&cwmp.RebootResponse{}, &cwmp.FactoryResetResponse{}, &cwmp.DownloadResponse{}, &cwmp.InformResponse{},
		&cwmp.TransferCompleteResponse{}, &cwmp.Fault{},
		&cwmp.UploadResponse{}, &cwmp.ScheduleDownloadResponse{}, &cwmp.CancelTransferResponse{},
		&cwmp.GetQueuedTransfersResponse{}, &cwmp.GetAllQueuedTransfersResponse{}, &cwmp.ScheduleInformResponse{},
		&cwmp.SetVouchersResponse{}, &cwmp.GetOptionsResponse{}, &cwmp.ChangeDUStateResponse{},
		&cwmp.AutonomousTransferCompleteResponse{}, &cwmp.KickedResponse{}, &cwmp.RequestDownloadResponse{},
		&cwmp.DUStateChangeCompleteResponse{}, &cwmp.AutonomousDUStateChangeCompleteResponse{},
	}
)

// TestMethodIsTheElementName holds the Go name and the wire name together, and
// every response to its request.
func TestMethodIsTheElementName(t *testing.T) {
	t.Parallel()
	methods := map[string]bool{}
	for _, m := range requests {
		methods[m.Method()] = true
		if got, want := m.Method(), strings.TrimPrefix(fmt.Sprintf("%T", m), "*cwmp."); got != want {
			t.Errorf("got method %q, want %q", got, want)
		}
	}
	for _, m := range responses {
		if got, want := m.Method(), strings.TrimPrefix(fmt.Sprintf("%T", m), "*cwmp."); got != want {
			t.Errorf("got method %q, want %q", got, want)
		}
		if request, ok := strings.CutSuffix(m.Method(), "Response"); ok && !methods[request] {
			t.Errorf("%s answers nothing", m.Method())
		}
	}
}

func TestUnknownMethod(t *testing.T) {
	t.Parallel()
	u := &cwmp.Unknown{Name: "X_001122_Method"}
	if got, want := u.Method(), "X_001122_Method"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInformHasEvent(t *testing.T) {
	t.Parallel()
	in := &cwmp.Inform{Events: []cwmp.Event{{Code: cwmp.EventBoot}, {Code: cwmp.EventMReboot, CommandKey: "k"}}}
	if !in.HasEvent(cwmp.EventMReboot) {
		t.Error("got no M Reboot, want one")
	}
	if in.HasEvent(cwmp.EventBootstrap) {
		t.Error("got 0 BOOTSTRAP, want none")
	}
}
