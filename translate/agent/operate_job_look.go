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

// look is a goroutine that looks after a job. Told is set by the Inform that announces
// an end, perhaps while the goroutine runs; the Agent's lock guards it.
type look struct{ told bool }

// jobsInform looks after the jobs that run, since the CPE is there. The lock is held.
func (a *Agent) jobsInform(in *cwmp.Inform) {
	if len(a.local.rows[requestTable]) == 0 {
		return
	}
	told := in.HasEvent(cwmp.EventDiagnosticsComplete)
	a.eachJob(func(w *work) {
		if !w.until.IsZero() && w.cmd.job.look != nil {
			a.lookAfter(w, told)
		}
	})
}

// lookAfter looks after a job in the background, unless that is being done. The lock is
// held.
func (a *Agent) lookAfter(w *work, told bool) {
	if l := a.looks[w.row]; l != nil {
		l.told = l.told || told
		return
	}
	l := &look{told: told}
	a.looks[w.row] = l
	if !a.inBackground(func(ctx context.Context, dev Device) {
		o := w.cmd.job.look(ctx, a, dev, w, l)
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
	}) {
		delete(a.looks, w.row)
	}
}
