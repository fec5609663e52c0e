// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Complete takes a TransferComplete; events are those of the Inform of its session.
// ok is false where it is of no Job: it came before, or another ACS asked for it. The
// one it is of is, in this order [quirk 69],
//
//   - that with its CommandKey, but for case and space;
//   - none, if its CommandKey is one of ours: the attempt is over, or of a Table that
//     is lost;
//   - the only one that is outstanding, of those that are uploads or downloads as the
//     events say;
//   - the only one whose CommandKey is that of an event.
func (t *Table) Complete(tc *cwmp.TransferComplete, events []cwmp.Event, now time.Time) (r Result, ok bool) {
	j := t.match(tc.CommandKey, events)
	if j == nil {
		return Result{}, false
	}
	if j.mayRetry(tc.Fault.Code) {
		return t.again(j, now), true
	}
	return t.end(j, ByReport, cwmp.Fault{Code: tc.Fault.Code, Text: strings.Clone(tc.Fault.Text)},
		DateTime(tc.StartTime), DateTime(tc.CompleteTime)), true
}

func (t *Table) match(key string, events []cwmp.Event) *Job {
	out := t.outstanding()
	if j := withKey(out, key); j != nil || IsOurs(strings.ToLower(strings.TrimSpace(key))) {
		return j
	}
	out = ofKind(out, events)
	if len(out) == 1 {
		return out[0]
	}
	var found *Job
	for i := range events {
		switch j := withKey(out, events[i].CommandKey); {
		case j == nil || j == found:
		case found != nil:
			return nil
		default:
			found = j
		}
	}
	return found
}

// withKey returns the Job with a CommandKey, nil for none.
func withKey(jobs []*Job, key string) *Job {
	key = strings.TrimSpace(key)
	for _, j := range jobs {
		if strings.EqualFold(j.Key, key) {
			return j
		}
	}
	return nil
}

// ofKind leaves out what the events exclude: uploads where there are those of
// downloads only, and the other way round.
func ofKind(jobs []*Job, events []cwmp.Event) []*Job {
	up, down := false, false
	for i := range events {
		switch events[i].Code {
		case cwmp.EventMUpload:
			up = true
		case cwmp.EventMDownload, cwmp.EventMScheduleDownload:
			down = true
		}
	}
	if up == down {
		return jobs
	}
	var kept []*Job
	for _, j := range jobs {
		if j.Upload == up {
			kept = append(kept, j)
		}
	}
	return kept
}
