// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"go.uber.org/zap"

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
	switch r := req.(type) {
	case *cwmp.TransferComplete:
		a.log.Info("the CPE reports a transfer", zap.String("command_key", r.CommandKey), zap.Int("fault", r.Fault.Code))
	case *cwmp.RequestDownload:
		return &cwmp.Fault{Code: cwmp.FaultACSRequestDenied, Text: "The Controllers decide what is to be downloaded"}
	}
	return device.Acknowledged(req)
}
