// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/uspgate/uspgate/usp"
)

// periodic is the timer of Device.LocalAgent.Periodic! for one Controller.
type periodic struct {
	interval time.Duration
	phase    string // PeriodicNotifTime
	timer    *timer
}

// armPeriodic sees to it that there is a timer for each Controller that has
// subscribed to Periodic!, and none for the others. One that goes on with the
// same interval and phase is not disturbed. The lock is held.
func (a *Agent) armPeriodic() {
	wanted := make(map[string]bool)
	for _, s := range a.subs.list {
		if s.typ == notifEvent && s.wants(a, localRoot+"Periodic!") {
			wanted[a.controllerRow(s.recipient)] = true
		}
	}
	for row, p := range a.subs.periodic {
		if !wanted[row] || p.interval != a.local.seconds(row+"PeriodicNotifInterval") ||
			p.phase != a.local.get(row+"PeriodicNotifTime") {
			a.host.timers.stop(p.timer)
			delete(a.subs.periodic, row)
		}
	}
	for row := range wanted {
		if a.subs.periodic[row] == nil {
			p := &periodic{
				interval: a.local.seconds(row + "PeriodicNotifInterval"), phase: a.local.get(row + "PeriodicNotifTime"),
			}
			a.subs.periodic[row] = p
			a.nextPeriodic(row, p)
		}
	}
}

// nextPeriodic waits for the next event: at a whole number of intervals from
// PeriodicNotifTime, or from now on if that is the Unknown Time.
func (a *Agent) nextPeriodic(row string, p *periodic) {
	wait := p.interval
	if at, err := time.Parse(time.RFC3339, p.phase); err == nil && at.Year() > 1 {
		wait = untilNext(time.Now(), at, p.interval)
	}
	p.timer = a.host.after(wait, func() {
		a.lock()
		defer a.unlock()
		if a.subs.periodic[row] != p {
			return
		}
		a.emitEvent(localRoot, "Periodic!", map[string]string{}, usp.EndpointID(a.local.get(row+"EndpointID")), nil)
		a.nextPeriodic(row, p)
	})
}

// untilNext returns how long it is from now to the next whole number of intervals
// from at, which is a whole number of seconds. It is more than nothing and at most
// an interval. Dates may be further apart than a time.Duration holds.
func untilNext(now, at time.Time, interval time.Duration) time.Duration {
	past := time.Duration((now.Unix()-at.Unix())%int64(interval/time.Second)) * time.Second
	past += time.Duration(now.Nanosecond() - at.Nanosecond())
	if past %= interval; past < 0 {
		past += interval
	}
	return interval - past
}
