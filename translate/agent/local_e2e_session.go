// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/path"
)

// The values of SessionMode.
const (
	SessionRequire = "Require"
	SessionAllow   = "Allow"
	SessionForbid  = "Forbid"
)

// MinRecordSize is the least MaxUSPRecordSize that is not 0.
const MinRecordSize = 512

// E2ESession is what E2ESession. of a Controller says until a Controller sets it
// otherwise. The zero value is that of every Agent.
type E2ESession struct {
	// Mode is SessionMode: SessionRequire, SessionAllow or SessionForbid; empty:
	// SessionAllow.
	Mode string
	// MaxRecordSize is MaxUSPRecordSize in bytes, 0: Records may have any size.
	MaxRecordSize int
	// MaxRetransmitTries is how often a Record is sent again: -1 without bound, 0 never.
	MaxRetransmitTries int
	// Expiration is SessionExpiration, in whole seconds; 0: never.
	Expiration time.Duration
}

func (e *E2ESession) mode() string {
	if e.Mode == "" {
		return SessionAllow
	}
	return e.Mode
}

// sessionObject is E2ESession. of the Controller whose row has the generic path row
// [TR-181 Device.LocalAgent.Controller.{i}.E2ESession.].
//
// Deviation: PayloadSecurity is Plaintext and cannot be set to TLS: Virtual Agents have
// no Secure Message Exchange. TR-181 has TLS as its first value.
func sessionObject(row string) *localObject {
	first := func(c *column, of func(e *E2ESession) string) *column {
		c.first = func(a *Agent, object string) string { return of(a.firstSession(sessionPeer(a, object))) }
		return c
	}
	o := obj(row+"E2ESession.",
		first(rw("SessionMode", path.TypeString, "", oneOf(SessionRequire, SessionAllow, SessionForbid)),
			func(e *E2ESession) string { return e.mode() }),
		calc("Status", path.TypeString, func(a *Agent, object string) string {
			if c := a.contexts[sessionPeer(a, object)]; c != nil {
				return string(c.Status(time.Now()))
			}
			return string(e2e.Down)
		}),
		first(rw("SessionExpiration", path.TypeUnsignedInt, ""),
			func(e *E2ESession) string { return number(int(e.Expiration / time.Second)) }),
		rw("SessionRetryMinimumWaitInterval", path.TypeUnsignedInt, "5", between(1, 65535)),
		rw("SessionRetryIntervalMultiplier", path.TypeUnsignedInt, "2000", between(1000, 65535)),
		calc("CurrentRetryCount", path.TypeUnsignedInt, func(a *Agent, object string) string {
			if c := a.contexts[sessionPeer(a, object)]; c != nil {
				return number(c.Retries())
			}
			return "0"
		}),
		first(rw("MaxUSPRecordSize", path.TypeUnsignedInt, "", isRecordSize),
			func(e *E2ESession) string { return number(e.MaxRecordSize) }),
		first(rw("MaxRetransmitTries", path.TypeInt, "", isTries),
			func(e *E2ESession) string { return number(e.MaxRetransmitTries) }),
		rw("PayloadSecurity", path.TypeString, "Plaintext", oneOf("Plaintext")),
	)
	o.commands = []*command{{name: "Reset()", run: resetSession}}
	return o
}

func isRecordSize(v string) *usp.Error {
	if n, ok := parseUint(v); ok && (n == 0 || n >= MinRecordSize) {
		return nil
	}
	return &usp.Error{Code: usp.CodeInvalidValue, Text: "want 0, which is no limit, or at least " + number(MinRecordSize)}
}

func isTries(v string) *usp.Error {
	if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && -1 <= n && n <= 10 {
		return nil
	}
	return &usp.Error{Code: usp.CodeInvalidValue, Text: "want -1 to 10"}
}

// sessionPeer returns the Controller of an E2ESession. object.
func sessionPeer(a *Agent, object string) usp.EndpointID {
	return usp.EndpointID(a.local.get(parentObject(object) + "EndpointID"))
}

// firstSession is what the configuration has for a Controller. The lock is held.
func (a *Agent) firstSession(c usp.EndpointID) *E2ESession {
	for i, given := 0, a.given(); i < len(given); i++ {
		if given[i].EndpointID == c && given[i].E2ESession != nil {
			return given[i].E2ESession
		}
	}
	return &a.host.opts.Records.E2ESession
}

// sessionValue reads what a Controller has set in an E2ESession. object, "" for nothing:
// without the schema, for it is needed for every Record. The lock is held.
func (a *Agent) sessionValue(row, name string) string {
	if row == "" || len(a.local.values) == 0 {
		return ""
	}
	return strings.TrimSpace(a.local.values[row+"E2ESession."+name])
}

// sessionMode is the SessionMode of a Controller, whether it has a row or not. The lock
// is held.
func (a *Agent) sessionMode(c usp.EndpointID) string {
	if v := a.sessionValue(a.controllerRow(c), "SessionMode"); v != "" {
		return v
	}
	return a.firstSession(c).mode()
}

// recordSize is the MaxUSPRecordSize of a Controller, 0 for none. The lock is held.
func (a *Agent) recordSize(c usp.EndpointID) int {
	if n, ok := parseUint(a.sessionValue(a.controllerRow(c), "MaxUSPRecordSize")); ok {
		return int(n)
	}
	return a.firstSession(c).MaxRecordSize
}

// sessionSettings are those for a Session of a Controller. The lock is held.
func (a *Agent) sessionSettings(c usp.EndpointID) e2e.Settings {
	first, row := a.firstSession(c), a.controllerRow(c)
	set := e2e.Settings{
		Version: a.versionFor(c), MaxRecordSize: a.recordSize(c),
		MaxRetransmitTries: first.MaxRetransmitTries, Expiration: first.Expiration,
	}
	if n, err := strconv.Atoi(a.sessionValue(row, "MaxRetransmitTries")); err == nil {
		set.MaxRetransmitTries = n
	}
	if n, ok := parseUint(a.sessionValue(row, "SessionExpiration")); ok {
		set.Expiration = time.Duration(n) * time.Second
	}
	if n, ok := parseUint(a.sessionValue(row, "SessionRetryMinimumWaitInterval")); ok {
		set.RetryMin = time.Duration(n) * time.Second
	}
	if n, ok := parseUint(a.sessionValue(row, "SessionRetryIntervalMultiplier")); ok {
		set.RetryMultiplier = int(n)
	}
	return set
}

// resetSession starts a new Session Context where there is one, or has to be one, once
// the command is answered: in the old one, if it came in that.
func resetSession(a *Agent, c *call) {
	a.lock()
	defer a.unlock()
	peer := sessionPeer(a, c.object)
	c.r.then = append(c.r.then, func() {
		if a.contexts[peer] == nil && a.sessionMode(peer) != SessionRequire {
			return
		}
		if s := a.contextOf(peer); s != nil {
			a.moved(peer, s, s.Start(time.Now()))
		}
	})
}
