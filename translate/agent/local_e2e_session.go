// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/uspgate/uspgate/usp/path"

// sessionObject is E2ESession. of the Controller whose row has the generic path row
// [TR-181 Device.LocalAgent.Controller.{i}.E2ESession.].
func sessionObject(row string) *localObject {
	return obj(row+"E2ESession.",
		ro("SessionMode", path.TypeString, "Forbid"),
		ro("Status", path.TypeString, "Down"),
	)
}
