// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "time"

// alarms are the timers of one Agent that are to wake it if it sleeps.
type alarms map[*timer]struct{}

// after runs f, with the lock held, in d. The lock is held.
func (a *Agent) after(d time.Duration, f func()) *timer {
	var tm *timer
	tm = a.host.after(d, func() {
		a.lock()
		defer a.unlock()
		if _, ok := a.alarms[tm]; !ok {
			return
		}
		delete(a.alarms, tm)
		f()
	})
	a.alarms[tm] = struct{}{}
	return tm
}

// stop takes a timer back; nil and those that have run are ignored. The lock is
// held.
func (a *Agent) stop(tm *timer) {
	if tm != nil {
		delete(a.alarms, tm)
		a.host.timers.stop(tm)
	}
}

// silence takes all timers back and returns when the first was due, zero for never.
// The lock is held.
func (a *Agent) silence() time.Time {
	var first time.Time
	for tm := range a.alarms {
		if first.IsZero() || tm.at.Before(first) {
			first = tm.at
		}
		a.host.timers.stop(tm)
	}
	clear(a.alarms)
	return first
}

// wakes says when the Agent has to be awake. The lock is held.
func (a *Agent) wakes() []Wake {
	var once, every []Wake
	for tm := range a.alarms {
		w := Wake{At: tm.at.Unix() + 1, Every: int64(tm.every / time.Second)} // not too early
		if w.Every == 0 {
			once = append(once, w)
		} else {
			every = append(every, w)
		}
	}
	// Only the first of those that come once: it wakes the Agent, which knows the
	// others.
	for i := range once {
		if once[i].At < once[0].At {
			once[0] = once[i]
		}
	}
	return append(every, once[:min(len(once), 1)]...)
}

// next is when the first of the wakes is due after now. One that is past, without
// being repeated, is due at now. Zero is never.
func next(wakes []Wake, now time.Time) time.Time {
	var first time.Time
	for _, w := range wakes {
		at := time.Unix(w.At, 0)
		switch {
		case at.After(now):
		case w.Every > 0:
			at = now.Add(untilNext(now, at, time.Duration(w.Every)*time.Second))
		default:
			at = now
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}
