// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/cwmp"
)

// A CPE that reports more Deployment Units than there can be does not flood the
// Controllers.
func TestDUStateChangeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "commands181", "freshness=5m")
		defer r.stop()
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		r.send("self::ctl", "", split("Add whole Device.LocalAgent.Subscription. ID!=du NotifType!=Event "+
			"ReferenceList!=Device.SoftwareModules.DUStateChange! Enable!=true"))
		synctest.Wait()
		resp := r.agent.Request(&cwmp.AutonomousDUStateChangeComplete{Results: make([]cwmp.DUResult, 1000)})
		synctest.Wait()
		told := 0
		for _, m := range r.sent {
			if m.GetBody().GetRequest().GetNotify().GetEvent().GetEventName() == "DUStateChange!" {
				told++
			}
		}
		if told != 256 || resp.Method() != "AutonomousDUStateChangeCompleteResponse" {
			t.Errorf("got %d of 1000 told, and %s, want 256 and the response", told, resp.Method())
		}
	})
}
