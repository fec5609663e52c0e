// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
)

// outcome is what a look has found: over, unless it is to be waited on.
type outcome struct {
	wait   bool
	output map[string]string
	err    *usp.Error
}

// look is that somebody looks after a job. Told is set by the Inform that announces an
// end, perhaps meanwhile; sole says that this job was the only one then. The Agent's lock
// guards it.
type look struct{ told, sole bool }

// jobsInform looks after the jobs that run, since the CPE is there. The lock is held.
func (a *Agent) jobsInform(in *cwmp.Inform) {
	if len(a.local.rows[requestTable]) == 0 {
		return
	}
	var running []*work
	a.eachJob(func(w *work) {
		if !w.until.IsZero() && w.cmd.job.look != nil {
			running = append(running, w)
		}
	})
	a.lookAfter(running, in.HasEvent(cwmp.EventDiagnosticsComplete))
}

// lookAfter looks after jobs in the background, one after the other, but for those of
// which that is being done. The lock is held.
func (a *Agent) lookAfter(jobs []*work, told bool) {
	var mine []*work
	for _, w := range jobs {
		if l := a.looks[w.row]; l != nil {
			l.told, l.sole = l.told || told, l.sole || told && len(jobs) == 1
			continue
		}
		a.looks[w.row] = &look{told: told, sole: told && len(jobs) == 1}
		mine = append(mine, w)
	}
	if len(mine) == 0 || a.inBackground(func(ctx context.Context, dev Device) {
		for _, w := range mine {
			a.lookAt(ctx, dev, w)
		}
	}) {
		return
	}
	for _, w := range mine {
		delete(a.looks, w.row)
	}
}

// lookAt looks after one job.
func (a *Agent) lookAt(ctx context.Context, dev Device, w *work) {
	a.lock()
	l, known := a.looks[w.row], a.view != nil
	a.unlock()
	o := outcome{wait: true} // the CPE is not known any more, and has not come yet
	if known {
		o = w.cmd.job.look(ctx, a, dev, w, l)
	}
	a.lock()
	defer a.unlock()
	delete(a.looks, w.row)
	switch {
	case !a.local.exists(w.row): // canceled
	case !o.wait:
		a.endJob(w, o)
	case time.Now().Before(w.until):
		a.jobRuns(w)
	default:
		a.endJob(w, a.tooLate(w))
	}
}
