// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const challengeTable = trustRoot + "Challenge."

// maxChallenges bounds the Challenge table of one Agent.
const maxChallenges = 16

// challengeObjects is Device.LocalAgent.ControllerTrust.Challenge. [TR-181 Challenge:1]:
// who answers one gets its Roles; see operate_challenge.go.
func challengeObjects() []*localObject {
	o := obj(challengeTable+"{i}.",
		alias(),
		rw("Description", path.TypeString, "", maxLen(256)),
		rw("Role", path.TypeString|path.List, ""),
		rw("Enable", path.TypeBoolean, "false"),
		rw("Type", path.TypeString, "Passphrase", oneOf("Passphrase")),
		rw("Value", path.TypeBase64, "", maxLen(1024)).secret(),
		rw("ValueType", path.TypeString, "text/plain", oneOf("text/plain", "image/jpeg")),
		rw("Instruction", path.TypeBase64, "", maxLen(8192)),
		rw("InstructionType", path.TypeString, "text/plain", oneOf("text/plain", "image/jpeg", "text/html")),
		rw("Retries", path.TypeUnsignedInt, "3"),
		rw("LockoutPeriod", path.TypeInt, "30", between(0, 1<<31-1)),
	).keyed([]string{"Alias"}).rows()
	o.check = func(l *local, row string) *usp.Error {
		if len(l.rows[challengeTable]) > maxChallenges {
			return invalid(usp.CodeResourcesExceeded, row, "too many Challenges")
		}
		return l.areRoles(row+"Role", references(l.get(row+"Role")))
	}
	return []*localObject{o}
}

// secret is a column whose value is empty to everybody but those who have one of the
// SecuredRoles [R-SEC.1]; see Agent.reveal.
func (c *column) secret() *column {
	c.secured, c.still = true, true
	return c
}

// forgetChallenge takes what Controllers have tried with a Challenge that is going to be
// removed.
func (t *tx) forgetChallenge(row string) {
	n := strings.TrimSuffix(strings.TrimPrefix(row, challengeTable), ".")
	t.l.each(controllerTable, func(c string) {
		for _, name := range []string{hiddenFailed, hiddenLocked} {
			if t.l.values[c+name+n] != "" {
				t.set(c+name+n, "")
			}
		}
	})
}
