// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"time"

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
	a.local.values[row+hiddenOnBoard] = strconv.FormatInt(time.Now().Add(wait).Unix(), 10)
	a.changed()
	a.onBoardAfter(row, wait)
}

// hiddenOnBoard is when an OnBoardRequest is to be sent once more, in seconds of
// Unix time: stored with the row, and no parameter of it.
const hiddenOnBoard = "+OnBoard"

func (a *Agent) onBoardAfter(row string, wait time.Duration) {
	a.after(wait, func() {
		if !a.local.exists(row) {
			return
		}
		delete(a.local.values, row+hiddenOnBoard)
		a.changed()
		// Both may have been set meanwhile.
		if !a.local.isTrue(row+"OnBoardingComplete") && a.local.seconds(row+"OnBoardingRestartTime") > 0 {
			a.onBoard(usp.EndpointID(a.local.get(row + "EndpointID")))
		}
	})
}

// resumeOnBoarding goes on with what was to be sent once more.
func (a *Agent) resumeOnBoarding() {
	a.local.each(controllerTable, func(row string) {
		if due, err := strconv.ParseInt(a.local.values[row+hiddenOnBoard], 10, 64); err == nil {
			a.onBoardAfter(row, time.Until(time.Unix(due, 0)))
		}
	})
}
