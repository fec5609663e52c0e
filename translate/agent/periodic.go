// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"
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
			a.stop(p.timer)
			delete(a.subs.periodic, row)
			delete(a.local.values, row+hiddenPhase)
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

// hiddenPhase is from when on the intervals are counted of a Controller whose
// PeriodicNotifTime, or a Profile whose TimeReference, is the Unknown Time, in seconds of Unix time, and the interval:
// stored with the row, and no parameter of it.
const hiddenPhase = "+Phase"

// nextPeriodic waits for the next event: at a whole number of intervals from
// PeriodicNotifTime, or from now on if that is the Unknown Time. One that was due
// while the Agent slept is due now.
func (a *Agent) nextPeriodic(row string, p *periodic) {
	p.timer = a.after(a.untilDue(row, p.interval, p.phase), func() {
		if a.subs.periodic[row] != p {
			return
		}
		a.emitEvent(localRoot, "Periodic!", map[string]string{}, usp.EndpointID(a.local.get(row+"EndpointID")), nil)
		a.nextPeriodic(row, p)
	})
	p.timer.every = p.interval
}

// untilDue returns how long it is until the next whole number of intervals from phase, or,
// if that is the Unknown Time, from when the row was first asked for. What was due while
// the Agent slept is due now.
func (a *Agent) untilDue(row string, interval time.Duration, phase string) time.Duration {
	now := time.Now()
	from := now
	if !a.slept.IsZero() {
		from = a.slept
	}
	at, err := time.Parse(time.RFC3339, phase)
	if err != nil || at.Year() <= 1 {
		at = a.phase(row, interval)
	}
	return from.Add(untilNext(from, at, interval)).Sub(now)
}

// phase returns when the intervals of a row began, and begins them now if
// they have not. It is a whole second from the start: if the first interval were counted
// from now and the others from what is stored, the second could be over at once.
func (a *Agent) phase(row string, interval time.Duration) time.Time {
	of, at, _ := strings.Cut(a.local.values[row+hiddenPhase], "@")
	if began, err := strconv.ParseInt(at, 10, 64); err == nil && of == interval.String() {
		return time.Unix(began, 0)
	}
	now := time.Now().Unix()
	a.local.values[row+hiddenPhase] = interval.String() + "@" + strconv.FormatInt(now, 10)
	a.changed()
	return time.Unix(now, 0)
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
