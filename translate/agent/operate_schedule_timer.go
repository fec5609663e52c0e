// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// scheduleTimerCommand is Device.ScheduleTimer(), asynchronous: it completes
// after DelaySeconds. The gateway keeps the time, since the CPE has no part in
// it.
func scheduleTimerCommand() *command {
	return &command{
		name: "ScheduleTimer()", async: true, in: []string{"DelaySeconds"}, required: []string{"DelaySeconds"},
		run: (*Agent).operateScheduleTimer,
	}
}

func (a *Agent) operateScheduleTimer(c *call) {
	seconds, ok := parseUint(c.args["DelaySeconds"])
	if !ok {
		c.err = invalid(usp.CodeInvalidCommandArgs, "", "DelaySeconds is no unsignedInt")
		return
	}
	row := c.row
	a.lock()
	defer a.unlock()
	a.setRequest(row, requestActive)
	a.local.values[row+hiddenDue] = strconv.FormatInt(time.Now().Unix()+int64(seconds), 10)
	a.changed()
	a.armScheduleTimer(row, time.Duration(seconds)*time.Second)
}

// hiddenDue is when a timer is due, in seconds of Unix time: stored with the
// row, and no parameter of it.
const hiddenDue = "+Due"

func (a *Agent) armScheduleTimer(row string, wait time.Duration) {
	a.scheduled[row] = a.after(wait, func() {
		if a.local.exists(row) && a.local.get(row+"Status") == requestActive {
			a.closeRequest(row, map[string]string{}, nil)
		}
	})
}

// resumeTimers goes on with the timers of before: ScheduleTimer() persists. After
// a restart, a command that had been accepted and of which nothing is known any
// more has failed, and whoever waits for it is told.
func (a *Agent) resumeTimers(restarted bool) {
	a.local.each(requestTable, func(row string) {
		due, err := strconv.ParseInt(a.local.values[row+hiddenDue], 10, 64)
		switch {
		case a.transfers.table.Get(row) != nil || a.resumeActivate(row) || a.resumeJob(row):
		case err == nil:
			a.armScheduleTimer(row, time.Until(time.Unix(due, 0)))
		case a.local.values[row+hiddenOf] != "": // that of another Agent, which says how it ends
		case restarted:
			a.closeRequest(row, nil, invalid(usp.CodeCommandFailure, "", "the gateway restarted before it was done"))
		}
	})
}
