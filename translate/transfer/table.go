// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"errors"
	"slices"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Limits bound a Table. The zero value of a field means its default.
type Limits struct {
	// Jobs is the greatest number of Jobs of one CPE; default 16, which is what a
	// CPE can list [TR-069 A.4.1.7].
	Jobs int
	// Ask is how long a Job waits for a session of the CPE; default 24 h.
	Ask time.Duration
	// Wait is how long the CPE may take, after it was asked or after the last that
	// was seen of the transfer; default 1 h.
	Wait time.Duration
	// Grace is how long a CPE that has another SoftwareVersion may take to report the
	// Download of it [quirk 68]; default 5 min.
	Grace time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Jobs <= 0 {
		l.Jobs = 16
	}
	for v, d := range map[*time.Duration]time.Duration{
		&l.Ask: 24 * time.Hour, &l.Wait: time.Hour, &l.Grace: 5 * time.Minute,
	} {
		if *v <= 0 {
			*v = d
		}
	}
	return l
}

// ErrFull says that the Table has as many Jobs as it may.
var ErrFull = errors.New("transfer: too many transfers of one CPE")

// Table is the Jobs of one CPE, in the order in which they were added. It is for one
// goroutine at a time. Make one with New.
type Table struct {
	limits Limits
	jobs   []*Job
}

// New returns a Table with the Jobs that were stored. What is none is left out and
// counted: damage in one must not keep the others from going on. A Job that was on
// the wire may have been taken or not.
func New(l Limits, stored []Job) (t *Table, dropped int) {
	t = &Table{limits: l.withDefaults()}
	for i := range stored {
		j := stored[i]
		if j.check() != nil || t.Get(j.Name) != nil || len(t.jobs) >= t.limits.Jobs {
			dropped++
			continue
		}
		j.Types = slices.Clone(j.Types)
		j.Lost = j.Lost || j.State == OnWire
		t.jobs = append(t.jobs, &j)
	}
	return t, dropped
}

// Stored returns a copy of all Jobs, for New.
func (t *Table) Stored() []Job {
	var all []Job
	for _, j := range t.jobs {
		c := *j
		c.Types = slices.Clone(j.Types)
		all = append(all, c)
	}
	return all
}

// Len is the number of Jobs.
func (t *Table) Len() int { return len(t.jobs) }

// Get returns the Job of that name, nil if there is none. It is the Table's, to be
// read only.
func (t *Table) Get(name string) *Job {
	for _, j := range t.jobs {
		if j.Name == name {
			return j
		}
	}
	return nil
}

// Find returns the Job with a Token, nil if there is none, as Get does.
func (t *Table) Find(token string) *Job {
	for _, j := range t.jobs {
		if token != "" && j.Token == token {
			return j
		}
	}
	return nil
}

// Each calls f for each Job, which may end.
func (t *Table) Each(f func(*Job)) {
	for _, j := range slices.Clone(t.jobs) {
		f(j)
	}
}

// Add takes a new Job in state Asked. The error is ErrFull or wraps ErrInvalid.
func (t *Table) Add(j Job, now time.Time) error {
	j.State, j.Attempt, j.Retried, j.Lost, j.Whole = Asked, 1, false, false, false
	j.Tries, j.Try = 0, 0
	j.Deadline = now.Add(t.limits.Ask).Unix()
	if err := j.check(); err != nil {
		return err
	}
	if t.Get(j.Name) != nil {
		return ErrInvalid
	}
	if len(t.jobs) >= t.limits.Jobs {
		return ErrFull
	}
	j.Types = slices.Clone(j.Types)
	t.jobs = append(t.jobs, &j)
	return nil
}

// Release lets the Jobs leave whose request is answered. It reports whether there was
// one.
func (t *Table) Release(by string) bool {
	some := false
	for _, j := range t.jobs {
		if j.Held && j.By == by {
			j.Held, some = false, true
		}
	}
	return some
}

// wait is when nothing more is expected of a Job that is at work now.
func (t *Table) wait(j *Job, now time.Time) int64 {
	if j.Wait > 0 {
		return now.Unix() + j.Wait
	}
	return now.Add(t.limits.Wait).Unix()
}

// Next returns the first Job that may be sent now, nil for none.
func (t *Table) Next(now time.Time) *Job {
	for _, j := range t.jobs {
		if j.State == Asked && !j.Held && !j.Relay && j.Try <= now.Unix() {
			return j
		}
	}
	return nil
}

// NextRelay returns the first Job whose file the gateway has to fetch now, nil for none.
func (t *Table) NextRelay(now time.Time) *Job {
	for _, j := range t.jobs {
		if j.Relay && !j.Held && j.Try <= now.Unix() {
			return j
		}
	}
	return nil
}

// Relayed says of a Job with Relay what the RPC is to say: the gateway has fetched the
// file. It reports whether the Job still wants to know.
func (t *Table) Relayed(with Job) bool {
	j := t.Get(with.Name)
	if j == nil || !j.Relay {
		return false
	}
	j.Relay, j.Tries, j.Try = false, 0, 0
	j.URL, j.Token, j.Username, j.Password, j.Size = with.URL, with.Token, with.Username, with.Password, with.Size
	return true
}

// Refuse ends a Job that has not left: its file cannot be had.
func (t *Table) Refuse(name string, f cwmp.Fault) Result {
	j := t.Get(name)
	if j == nil || j.Out() {
		return Result{}
	}
	return t.end(j, ByFile, f, UnknownTime, UnknownTime)
}

// Leave notes that the RPC of a Job is about to leave. It has to be durable before it
// does. False: the Job is not there, or not to be sent, any more.
func (t *Table) Leave(name, key string, now time.Time) bool {
	j := t.Get(name)
	if j == nil || j.Key != key || j.State > OnWire || j.Relay {
		return false
	}
	j.State, j.Lost, j.Deadline = OnWire, false, t.wait(j, now)
	return true
}

// Unsent takes Leave back, if it was called: the RPC has not left after all. It is tried
// again after a pause, which doubles each time.
func (t *Table) Unsent(name, key string, now time.Time) {
	j := t.Get(name)
	if j == nil || j.Key != key || j.State > OnWire {
		return
	}
	if j.State == OnWire {
		j.State, j.Deadline = Asked, now.Add(t.limits.Ask).Unix()
	}
	t.Postpone(name, now)
}

// Postpone has a Job that has not left tried again after a pause. It returns how often
// that was done.
func (t *Table) Postpone(name string, now time.Time) int {
	j := t.Get(name)
	if j == nil || j.Out() {
		return 0
	}
	j.Tries = max(j.Tries, 0) + 1
	j.Try = now.Add(min(firstPause<<min(j.Tries-1, 10), maxPause)).Unix()
	return j.Tries
}

// Pauses of Postpone.
const (
	firstPause = time.Minute
	maxPause   = 30 * time.Minute
)

// Ready ends the pauses: the CPE is there.
func (t *Table) Ready() {
	for _, j := range t.jobs {
		j.Tries, j.Try = 0, 0
	}
}

// Drop removes a Job.
func (t *Table) Drop(name string) {
	t.jobs = slices.DeleteFunc(t.jobs, func(j *Job) bool { return j.Name == name })
}

// Due is when Expired has something, or something is to be tried again, zero for never.
// What could be done now is looked at in a while.
func (t *Table) Due(now time.Time) time.Time {
	var first int64
	for _, j := range t.jobs {
		at := j.Deadline
		if !j.Out() {
			at = min(at, max(j.Try, now.Add(firstPause).Unix()))
		}
		if first == 0 || at < first {
			first = at
		}
	}
	if first == 0 {
		return time.Time{}
	}
	return time.Unix(first, 0)
}

// Expired returns a Job of which nothing is expected any more, nil for none. It is to
// be ended with Conclude.
func (t *Table) Expired(now time.Time) *Job {
	for _, j := range t.jobs {
		if j.Deadline <= now.Unix() {
			return j
		}
	}
	return nil
}

// Lost reports whether there is a Job of which is not known whether the CPE has it: a
// case for Listed.
func (t *Table) Lost() bool {
	return slices.ContainsFunc(t.jobs, func(j *Job) bool { return j.Lost && j.Out() })
}

// outstanding are the Jobs that a CPE may report.
func (t *Table) outstanding() []*Job {
	var out []*Job
	for _, j := range t.jobs {
		if j.Out() {
			out = append(out, j)
		}
	}
	return out
}

// again sends a Job once more, with another CommandKey: what the CPE says of the
// attempt before is not of this one.
func (t *Table) again(j *Job, now time.Time) Result {
	j.Attempt++
	j.Key = attemptKey(j.Key, j.Attempt)
	j.State, j.Lost, j.Whole, j.Tries, j.Try = Asked, false, false, 0, 0
	j.Deadline = now.Add(t.limits.Ask).Unix()
	return Result{Job: *j, Again: true}
}

// end removes a Job.
func (t *Table) end(j *Job, how How, fault cwmp.Fault, start, complete string) Result {
	t.Drop(j.Name)
	return Result{Job: *j, Done: true, How: how, Fault: fault, Start: start, Complete: complete}
}
