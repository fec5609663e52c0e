// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import "github.com/uspgate/uspgate/cwmp"

// Kick asks the ACS for the next page of its web site, as a browser behind the
// device does [TR-069 A.4.2.1]. It reports false if 64 requests of the device's
// own wait already, as all of its kind do; Options.OnAnswer has the answer.
func (c *CPE) Kick(m *cwmp.Kicked) bool {
	return c.client.Send(m, cwmp.Event{Code: cwmp.EventKicked})
}

// RequestDownload asks the ACS for a Download [TR-069 A.4.2.2].
func (c *CPE) RequestDownload(m *cwmp.RequestDownload) bool {
	return c.client.Send(m, cwmp.Event{Code: cwmp.EventRequestDownload})
}

// ReportTransfer tells of a transfer that the ACS did not ask for
// [TR-069 A.3.3.3].
func (c *CPE) ReportTransfer(m *cwmp.AutonomousTransferComplete) bool {
	return c.client.Send(m, cwmp.Event{Code: cwmp.EventAutonomousTransfer})
}

// ReportUnits tells of changes of deployment units that the ACS did not ask for
// [TR-069 A.4.2.4].
func (c *CPE) ReportUnits(m *cwmp.AutonomousDUStateChangeComplete) bool {
	return c.client.Send(m, cwmp.Event{Code: cwmp.EventAutonomousDUChange})
}

// Call sends any request of the device's own, such as one that no ACS has.
func (c *CPE) Call(req cwmp.Request) bool { return c.client.Send(req) }
