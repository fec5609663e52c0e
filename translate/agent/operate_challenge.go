// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Stored with the row of a Controller, and no parameters of it: the Challenge that it has
// asked for, as its ID, the number of its row and when it is over, in seconds of Unix time;
// and, each followed by the number of a Challenge, how often it has answered that wrongly,
// and until when it may not ask for it.
const (
	hiddenAsked  = "+Asked"
	hiddenFailed = "+Failed"
	hiddenLocked = "+Locked"
)

// defaultExpiration of a Challenge that was asked for.
const defaultExpiration = 900 * time.Second

// requestChallengeCommand is ControllerTrust.RequestChallenge() [R-SEC.13].
func requestChallengeCommand() *command {
	return &command{
		name: "RequestChallenge()", in: []string{"ChallengeRef", "RequestExpiration"}, required: []string{"ChallengeRef"},
		out: []string{"Instruction", "InstructionType", "ValueType", "ChallengeID"},
		run: (*Agent).operateRequestChallenge,
	}
}

// challengeResponseCommand is ControllerTrust.ChallengeResponse() [R-SEC.14].
func challengeResponseCommand() *command {
	return &command{
		name: "ChallengeResponse()", in: []string{"ChallengeID", "Value"}, required: []string{"ChallengeID", "Value"},
		run: (*Agent).operateChallengeResponse,
	}
}

// operateRequestChallenge notes which Challenge a Controller wants to answer: one at a
// time, the last that it has asked for.
func (a *Agent) operateRequestChallenge(c *call) {
	a.lock()
	defer a.unlock()
	row := strings.TrimSuffix(c.args["ChallengeRef"], ".") + "."
	if tableOf(row) != challengeTable || !a.local.isTrue(row+"Enable") {
		c.err = invalid(usp.CodeInvalidValue, "", "ChallengeRef: no such Challenge")
		return
	}
	expiration := defaultExpiration
	if v := c.args["RequestExpiration"]; v != "" {
		n, ok := parseUint(v)
		if !ok || n > 1<<31-1 {
			c.err = invalid(usp.CodeInvalidCommandArgs, "", "RequestExpiration: want a number of seconds")
			return
		}
		expiration = time.Duration(n) * time.Second
	}
	self, number := a.controllerRow(c.r.from), a.challengeNumber(row)
	if a.isLocked(self, number) {
		c.err = denied("too many wrong answers: this Challenge may not be asked for now")
		return
	}
	id := "c" + strconv.FormatInt(a.host.started.UnixMilli(), 36) + "-" + strconv.FormatUint(a.host.notifies.Add(1), 10)
	a.local.values[self+hiddenAsked] = strings.Join([]string{
		id, number, strconv.FormatInt(time.Now().Add(expiration).Unix(), 10),
	}, " ")
	a.changed()
	c.output = map[string]string{"ChallengeID": id}
	for _, name := range []string{"Instruction", "InstructionType", "ValueType"} {
		c.output[name] = a.local.get(row + name)
	}
}

func (a *Agent) challengeNumber(row string) string {
	return strings.TrimSuffix(strings.TrimPrefix(row, challengeTable), ".")
}

// isLocked reports whether a Controller may not ask for a Challenge for now. The lock is
// held.
func (a *Agent) isLocked(self, number string) bool {
	until, err := strconv.ParseInt(a.local.values[self+hiddenLocked+number], 10, 64)
	return err == nil && time.Now().Unix() < until
}

// operateChallengeResponse gives the Controller the Roles of the Challenge if it has the
// Value [R-SEC.15], and counts the wrong answers otherwise [R-SEC.16, R-SEC.17].
func (a *Agent) operateChallengeResponse(c *call) {
	a.lock()
	defer a.unlock()
	self := a.controllerRow(c.r.from)
	asked := strings.Fields(a.local.values[self+hiddenAsked])
	if len(asked) != 3 || asked[0] != c.args["ChallengeID"] {
		c.err = invalid(usp.CodeInvalidValue, "", "ChallengeID: no such request")
		return
	}
	row := challengeTable + asked[1] + "."
	until, err := strconv.ParseInt(asked[2], 10, 64)
	if err != nil || time.Now().Unix() >= until || !a.local.isTrue(row+"Enable") {
		a.dropAsked(self)
		c.err = invalid(usp.CodeInvalidValue, "", "ChallengeID: the request is over")
		return
	}
	if a.local.matches(row+"Value", c.args["Value"]) {
		a.dropAsked(self)
		c.err = a.reward(self, row)
		return
	}
	a.failedChallenge(self, row)
	c.err = denied("the Value is wrong")
}

func (a *Agent) dropAsked(self string) {
	delete(a.local.values, self+hiddenAsked)
	a.changed()
}

// matches compares a secured value of base64 with another one, in constant time. An empty
// one matches nothing.
func (l *local) matches(param, value string) bool {
	want, err := base64.StdEncoding.DecodeString(l.values[param])
	if err != nil || len(want) == 0 {
		return false
	}
	got, err := base64.StdEncoding.DecodeString(value)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}

// reward gives a Controller the Roles of a Challenge.
func (a *Agent) reward(self, row string) *usp.Error {
	t := a.local.begin()
	refs := references(a.local.get(self + "AssignedRole"))
	for _, r := range references(a.local.get(row + "Role")) {
		if !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	t.put(self+"AssignedRole", strings.Join(refs, ","))
	if err := a.local.checkRow(self); err != nil {
		t.rollback()
		return err
	}
	t.put(self+hiddenFailed+a.challengeNumber(row), "")
	t.commit()
	return nil
}

// failedChallenge counts a wrong answer. More than Retries close the Challenge for a while.
func (a *Agent) failedChallenge(self, row string) {
	number := a.challengeNumber(row)
	tries, _ := parseUint(a.local.values[self+hiddenFailed+number])
	retries, _ := parseUint(a.local.get(row + "Retries"))
	tries++
	if tries > retries {
		lock := time.Now().Add(a.local.seconds(row + "LockoutPeriod")).Unix()
		a.local.values[self+hiddenLocked+number] = strconv.FormatInt(lock, 10)
		delete(a.local.values, self+hiddenAsked)
		tries = 0
	}
	a.local.values[self+hiddenFailed+number] = strconv.FormatUint(tries, 10)
	a.changed()
}
