// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// sendOnBoardRequestCommand is Controller.{i}.SendOnBoardRequest().
func sendOnBoardRequestCommand() *command {
	return &command{name: "SendOnBoardRequest()", run: (*Agent).operateSendOnBoardRequest}
}

func (a *Agent) operateSendOnBoardRequest(c *call) {
	a.lock()
	defer a.unlock()
	if !a.local.isTrue(c.object + "Enable") {
		c.err = invalid(usp.CodeCommandFailure, "", "the Controller is disabled")
		return
	}
	a.onBoard(usp.EndpointID(a.local.get(c.object + "EndpointID")))
}

// onBoard sends an OnBoardRequest; it is repeated until it is answered, and
// never expires [R-NOT.5, R-NOT.6]. One that waits already is enough. The lock
// is held.
func (a *Agent) onBoard(to usp.EndpointID) {
	for _, p := range a.notes.pending {
		if p.row == "" && p.key.from == to {
			a.postPayload(to, p.payload)
			return
		}
	}
	n := &uspmsg.Notify{SendResp: true, Notification: &uspmsg.Notify_OnBoardReq{
		OnBoardReq: &uspmsg.Notify_OnBoardRequest{
			Oui: a.identity.OUI, ProductClass: a.identity.ProductClass, SerialNumber: a.identity.SerialNumber,
			AgentSupportedProtocolVersions: supportedVersions,
		},
	}}
	if p := a.sendNotify(to, n); p != nil {
		a.await(p)
	}
}

// onBoardAll sends it to every Controller that has not finished on-boarding: as
// the Agent starts, which is when the CPE does, and when it is first seen by a
// gateway that has started.
func (a *Agent) onBoardAll() {
	a.local.each(controllerTable, func(row string) {
		if a.local.isTrue(row+"Enable") && !a.local.isTrue(row+"OnBoardingComplete") {
			a.onBoard(usp.EndpointID(a.local.get(row + "EndpointID")))
		}
	})
}

// onBoardAnswered sends it once more after OnBoardingRestartTime, as long as
// on-boarding is not complete [R-NOT.6a].
func (a *Agent) onBoardAnswered(to usp.EndpointID) {
	row := a.controllerRow(to)
	wait := a.local.seconds(row + "OnBoardingRestartTime")
	if row == "" || wait == 0 || a.local.isTrue(row+"OnBoardingComplete") {
		return
	}
	a.host.after(wait, func() {
		a.lock()
		defer a.unlock()
		if a.local.exists(row) && !a.local.isTrue(row+"OnBoardingComplete") {
			a.onBoard(to)
		}
	})
}
