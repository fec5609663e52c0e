// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
)

// Request implements device.Observer: the CPE reports something, or wants something.
// What comes of it is stored before it is answered, so that it is told once where the
// CPE says it twice.
//
// RequestDownload is refused (8001): what the CPE should fetch its Controllers know,
// and USP has no word with which it could ask them [TR-069 A.4.2.2].
func (a *Agent) Request(req cwmp.Request) cwmp.Response {
	a.lock()
	defer a.unlock()
	switch r := req.(type) {
	case *cwmp.TransferComplete:
		a.transferred(r)
	case *cwmp.AutonomousTransferComplete:
		a.autonomousTransfer(r)
	case *cwmp.DUStateChangeComplete:
		a.duStateChanged(r.Results)
		a.unitsChanged(r)
	case *cwmp.AutonomousDUStateChangeComplete:
		a.duStateChanged(r.Results)
	case *cwmp.RequestDownload:
		return &cwmp.Fault{Code: cwmp.FaultACSRequestDenied, Text: "The Controllers decide what is to be downloaded"}
	}
	return device.Acknowledged(req)
}
