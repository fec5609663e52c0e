// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// job is how an asynchronous command is done that one RPC begins and that is over long
// after: a diagnostic, a change of software modules. The RPC leaves once the command is
// answered, so a command that was answered with an error is never begun. The gateway may
// be restarted meanwhile: what the CPE has been told goes on, what it has not been told
// is told then.
type job struct {
	// begin makes the RPC, or says why it cannot be. The lock is held.
	begin func(a *Agent, w *work) (cwmp.Request, *usp.Error)
	// look asks the CPE what has become of it: told says that the CPE has announced an
	// end. nil: the CPE tells by itself, in a request.
	look func(ctx context.Context, a *Agent, dev Device, w *work, l *look) outcome
	// cancel makes the RPC that ends it early; nil: CWMP has none.
	cancel func(a *Agent, w *work) cwmp.Request
	// wait is how long it may take, from when the CPE was told.
	wait func(o *Options) time.Duration
	// alone: a CPE does one at a time on one object.
	alone bool
}

// work is one job under way.
type work struct {
	row    string // of the Request table
	object string // instantiated
	cmd    *command
	args   map[string]string
	key    string // CommandKey, where the RPC has one
	// until is when it is given up, zero before the CPE was told; doubt says that it may
	// not have been: what it shows may be of a time before.
	until time.Time
	doubt bool
}

// Stored with the row of a job, and no parameters of it: how far it is, which is one of
// the words, or when it is given up, in seconds of Unix time, after inDoubt if the CPE may
// not have been told; when it is looked at the next time; its arguments as JSON; and its
// CommandKey.
const (
	hiddenJob  = "+Job"
	hiddenLook = "+Look"
	hiddenArgs = "+Args"
	hiddenKey  = "+Key"

	jobAsked = "asked" // the CPE has not been told
	jobWire  = "wire"  // the CPE may have been told
	inDoubt  = "~"
)

// Defaults and bounds of jobs.
const (
	// DefaultDiagnosticWait is how long a diagnostic may take, DefaultUnitWait a change of
	// software modules, which have to be downloaded.
	DefaultDiagnosticWait = 10 * time.Minute
	DefaultUnitWait       = time.Hour
	// The CPE is asked by itself, if it does not tell, first after firstLook, then after
	// as long as it has taken already, at most lastLook [quirk 74].
	firstLook = 30 * time.Second
	lastLook  = 4 * time.Minute
)

// operateJob begins a job.
func (a *Agent) operateJob(c *call) {
	a.lock()
	defer a.unlock()
	n, _ := parseUint(strings.TrimSuffix(strings.TrimPrefix(c.row, requestTable), "."))
	w := &work{
		row: c.row, object: c.object, cmd: c.cmd, args: c.args, key: transfer.NewKey(uint32(n), time.Now()),
	}
	if c.cmd.job.alone && a.isBusy(w) {
		c.err = invalid(usp.CodeResourcesExceeded, "", "the CPE does one of these at a time, and one is under way")
		return
	}
	if _, c.err = c.cmd.job.begin(a, w); c.err != nil {
		return
	}
	args, err := json.Marshal(c.args)
	if err != nil { // strings can always be encoded
		c.err = invalid(usp.CodeInvalidCommandArgs, "", "no text")
		return
	}
	a.local.values[c.row+hiddenArgs] = string(args)
	a.local.values[c.row+hiddenKey] = w.key
	a.local.values[c.row+hiddenJob] = jobAsked
	a.local.values[c.row+hiddenBy] = heldBy(c.r.journalKey())
	a.changed()
	c.r.then = append(c.r.then, func() {
		if a.local.exists(w.row) {
			a.beginInBackground(w)
		}
	})
}

// isBusy reports whether a job of the same command on the same object is under way.
func (a *Agent) isBusy(w *work) bool {
	busy := false
	a.eachJob(func(other *work) {
		busy = busy || other.row != w.row && other.cmd == w.cmd && other.object == w.object
	})
	return busy
}

// workOf returns the job of a row of the Request table. The lock is held.
func (a *Agent) workOf(row string) (*work, bool) {
	if a.local.values[row+hiddenJob] == "" {
		return nil, false
	}
	object, name := splitParam(a.local.get(row + "Command"))
	w := &work{row: row, object: object, key: a.local.values[row+hiddenKey]}
	for _, c := range a.local.schema.offers { // whatever the CPE has by now
		if c.name == name && c.object == path.Generic(object) {
			w.cmd = c
		}
	}
	if w.cmd == nil || w.cmd.job == nil ||
		json.Unmarshal([]byte(a.local.values[row+hiddenArgs]), &w.args) != nil {
		return nil, false
	}
	text, doubt := strings.CutPrefix(a.local.values[row+hiddenJob], inDoubt)
	if until, err := strconv.ParseInt(text, 10, 64); err == nil {
		w.until, w.doubt = time.Unix(until, 0), doubt
	}
	return w, true
}

func (a *Agent) eachJob(f func(w *work)) {
	a.local.each(requestTable, func(row string) {
		if w, ok := a.workOf(row); ok {
			f(w)
		}
	})
}

// hasJobs reports whether any job is under way.
func (a *Agent) hasJobs() bool {
	some := false
	a.eachJob(func(*work) { some = true })
	return some
}

// inBackground runs f on a goroutine that keeps the session of the CPE open. The lock is
// held.
func (a *Agent) inBackground(f func(ctx context.Context, dev Device)) bool {
	dev := a.dev
	release := dev.Hold()
	ok := a.host.spawn(func(ctx context.Context) {
		defer release()
		ctx, cancel := context.WithTimeout(ctx, a.host.opts.Deadline)
		defer cancel()
		f(ctx, dev)
	})
	if !ok {
		release()
	}
	return ok
}

func (a *Agent) beginInBackground(w *work) {
	a.inBackground(func(ctx context.Context, dev Device) {
		a.beginJob(ctx, dev, w)
		if err := a.Commit(); err != nil { // without it the CPE may have been told, or not
			a.log.Warn("that a CPE has been told to begin is not stored", zap.Error(err))
		}
	})
}

// beginJob tells the CPE to begin.
func (a *Agent) beginJob(ctx context.Context, dev Device, w *work) {
	a.lock()
	if a.view == nil || a.local.values[w.row+hiddenJob] != jobAsked {
		a.unlock()
		return
	}
	rpc, fail := w.cmd.job.begin(a, w)
	a.unlock()
	var err error
	if fail == nil {
		_, err = dev.Call(device.OnWire(ctx, func() error { return a.jobLeaves(w) }), rpc)
	}
	if set, ok := rpc.(*cwmp.SetParameterValues); ok && fail == nil {
		if isFault(err, cwmp.FaultInternalError) && a.applied(ctx, dev.Call, set.Params) {
			err = nil
		}
		if err == nil {
			a.wrote(set.Params)
		}
	}
	a.lock()
	defer a.unlock()
	if !a.local.exists(w.row) { // canceled meanwhile
		return
	}
	switch {
	case fail != nil:
		a.endJob(w, outcome{err: fail})
	case err == nil || errors.Is(err, device.ErrOutcomeUnknown): // the CPE will show whether it does it
		w.until, w.doubt = time.Now().Add(w.cmd.job.wait(&a.host.opts)), err != nil
		a.jobRuns(w)
	default:
		a.endJob(w, outcome{err: jobError(err)})
	}
}

// jobError is commandError with the parameters that a Fault blames.
func jobError(err error) *usp.Error {
	e := commandError(err)
	var fault *cwmp.Fault
	if errors.As(err, &fault) && len(fault.Params) > 0 {
		_, name := splitParam(fault.Params[0].Name)
		e.Text = name + ": " + faultText(fault.Params[0].Code, fault.Params[0].Text)
	}
	return e
}

// jobLeaves makes durable that the CPE is about to be told.
func (a *Agent) jobLeaves(w *work) error {
	a.lock()
	ok := a.local.values[w.row+hiddenJob] == jobAsked
	if ok {
		a.setRequest(w.row, requestActive)
		a.local.values[w.row+hiddenJob] = jobWire
		a.changed()
	}
	a.unlock()
	if !ok {
		return errNotWanted
	}
	return a.Commit()
}

// jobRuns notes that the CPE has been told. The lock is held.
func (a *Agent) jobRuns(w *work) {
	text := strconv.FormatInt(w.until.Unix(), 10)
	if w.doubt {
		text = inDoubt + text
	}
	wait := max(time.Until(w.until), 0)
	if w.cmd.job.look != nil {
		taken := w.cmd.job.wait(&a.host.opts) - wait
		wait = min(wait, max(firstLook, min(taken, lastLook)))
	}
	a.local.values[w.row+hiddenJob] = text
	a.local.values[w.row+hiddenLook] = strconv.FormatInt(time.Now().Add(wait).Unix(), 10)
	a.changed()
	a.armJob(w, wait)
}

// armJob sees to a job that runs. The lock is held.
func (a *Agent) armJob(w *work, wait time.Duration) {
	a.stop(a.scheduled[w.row])
	a.scheduled[w.row] = a.after(wait, func() { a.jobDue(w.row) })
}

// jobDue gives up a job whose time is over, after a last look. The lock is held.
func (a *Agent) jobDue(row string) {
	w, ok := a.workOf(row)
	switch {
	case !ok:
	case w.cmd.job.look == nil:
		a.endJob(w, a.tooLate(w))
	default:
		a.lookAfter([]*work{w}, false)
	}
}

func (a *Agent) tooLate(w *work) outcome {
	if w.doubt {
		return outcome{err: outcomeUnknown("", "the session broke while the CPE was told, and it shows nothing of it")}
	}
	return outcome{err: invalid(usp.CodeCommandFailure, "",
		"the CPE has not completed it within "+w.cmd.job.wait(&a.host.opts).String())}
}

// resumeJob goes on with a job of before, and reports whether the row is of one. The
// lock is held.
func (a *Agent) resumeJob(row string) bool {
	w, ok := a.workOf(row)
	if !ok {
		return false
	}
	switch a.local.values[row+hiddenJob] {
	case jobAsked:
		a.beginRecovered(w)
	case jobWire:
		w.until, w.doubt = time.Now().Add(w.cmd.job.wait(&a.host.opts)), true
		a.jobRuns(w)
	default:
		look, _ := strconv.ParseInt(a.local.values[row+hiddenLook], 10, 64)
		a.armJob(w, time.Until(time.Unix(look, 0)))
	}
	return true
}

// beginRecovered begins a job of a previous process, once it is known that it is not to
// be withdrawn. The lock is held.
func (a *Agent) beginRecovered(w *work) {
	a.scheduled[w.row] = a.after(time.Second, func() {
		switch {
		case !a.local.exists(w.row):
		case !a.host.recovered.Load():
			a.beginRecovered(w)
		default:
			a.beginInBackground(w)
		}
	})
}

// endJob tells of the end of a job. The lock is held.
func (a *Agent) endJob(w *work, o outcome) {
	if o.err == nil && o.output == nil {
		o.output = map[string]string{}
	}
	if o.err != nil {
		a.log.Info("a command failed", zap.String("command", w.object+w.cmd.name), zap.Error(o.err))
	}
	a.closeRequest(w.row, o.output, o.err)
	a.changed()
}

// cancelJob ends a job that a Controller does not want any more: at once, if the CPE has
// not been told. It is the end of a Request.
func (a *Agent) cancelJob(c *call) {
	a.lock()
	w, ok := a.workOf(c.object)
	state := a.local.values[c.object+hiddenJob]
	var rpc cwmp.Request
	if ok && w.cmd.job.cancel != nil && a.view != nil {
		rpc = w.cmd.job.cancel(a, w)
	}
	a.unlock()
	switch {
	case !ok: // over meanwhile
		return
	case state == jobAsked:
	case rpc == nil:
		c.err = invalid(usp.CodeCommandFailure, "", w.object+w.cmd.name+" cannot be canceled")
		return
	default:
		if _, err := c.send(rpc); err != nil {
			c.err = commandError(err)
			return
		}
	}
	a.lock()
	defer a.unlock()
	if a.local.exists(w.row) {
		a.setRequest(w.row, requestCanceled)
		a.endJob(w, outcome{err: invalid(usp.CodeCommandCanceled, "", "canceled")})
	}
}
