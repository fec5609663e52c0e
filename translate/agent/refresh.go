// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/profile"
)

// maxBatch is how many names go into one GetParameterValues [quirk 53].
const maxBatch = 32

// ledger knows when each part of the CPE's tree was last read.
type ledger struct {
	at map[string]time.Time // CPE name or partial path
	// refused are names that the CPE announced and does not give [quirk 51].
	refused map[string]bool
	// batch is how many names this CPE takes at once; it only shrinks, until there is
	// another firmware.
	batch int
	// hints are what was known of the model when the last discovery began. Limit is
	// how many names the CPE has turned out to take since then; 0: as many as any.
	hints Habits
	limit int
	rev   uint64 // counts the changes
	// nextLevel is how that argument has to be written; empty: it is not known
	// [quirk 49].
	nextLevel profile.Literal
	// objects: the CPE has given values by object; noObjects: it gives none by object;
	// refusals is how many objects it has refused and given by parameter [quirk 54].
	objects, noObjects bool
	refusals           int
	// informed is when the last Inform came, and said are the hashes of the names that it
	// had; zero: what it said counts as old. They are not kept: that would have to be
	// written with every Inform.
	informed time.Time
	said     []uint64
}

func (l *ledger) init() {
	l.at = make(map[string]time.Time)
	l.refused = make(map[string]bool)
	l.batch = maxBatch
}

// updated is for another firmware, which may have other limits.
func (l *ledger) updated() {
	l.batch, l.nextLevel = maxBatch, ""
	l.objects, l.noObjects, l.refusals = false, false, 0
}

// forget makes everything stale.
func (l *ledger) forget() {
	l.informed = time.Time{}
	if len(l.at) > 0 {
		clear(l.at)
		l.rev++
	}
}

// refuse notes a name that the CPE does not give, accept that it may give all.
func (l *ledger) refuse(name string) {
	if len(l.refused) < maxLedger && !l.refused[name] {
		l.refused[name] = true
		l.rev++
	}
}

func (l *ledger) accept() {
	if len(l.refused) > 0 {
		clear(l.refused)
		l.rev++
	}
}

// begin is for a discovery: hints are what is known of the model.
func (l *ledger) begin(hints Habits) {
	l.limit, l.hints = 0, hints
	l.nextLevel = cmp.Or(l.nextLevel, hints.NextLevel)
	l.noObjects = l.noObjects || hints.NoPartial && !l.objects
	if hints.Batch > 0 {
		l.batch = max(1, min(l.batch, hints.Batch))
	}
}

// maxLedger bounds the ledger: past it the past is forgotten, which costs reads
// and nothing else.
const maxLedger = 4096

func (l *ledger) note(name string, now time.Time) {
	if len(l.at) >= maxLedger {
		clear(l.at)
	}
	l.at[name] = now
	l.rev++
}

// isFresh reports whether name, or an object it is in, was read since then.
func (l *ledger) isFresh(name string, since time.Time) bool {
	if at, ok := l.at[name]; ok && !at.Before(since) {
		return true
	}
	for i := strings.LastIndexByte(strings.TrimSuffix(name, "."), '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		if at, ok := l.at[name[:i+1]]; ok && !at.Before(since) {
			return true
		}
	}
	return false
}

// when returns when name, or an object it is in, was last read; the zero time: never, or
// it is forgotten.
func (l *ledger) when(name string) time.Time {
	last := l.at[name]
	for i := strings.LastIndexByte(strings.TrimSuffix(name, "."), '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		if at := l.at[name[:i+1]]; at.After(last) {
			last = at
		}
	}
	return last
}

// caller sends reading RPCs: a request's, or a background task's.
type caller func(ctx context.Context, rpc cwmp.Request) (cwmp.Response, error)

// unread is what a read did not get, by name, and why.
type unread map[string]error

// of returns why a name was not read: it itself, or what it is in.
func (u unread) of(name string) error {
	for failed, err := range u {
		if failed == name || cwmp.IsPartialPath(failed) && strings.HasPrefix(name, failed) {
			return err
		}
	}
	return nil
}

func (u unread) add(names []string, err error) {
	for _, name := range names {
		u[name] = err
	}
}

// any returns one of the errors, nil for none.
func (u unread) any() error {
	for _, err := range u {
		return err
	}
	return nil
}

// read gets the named CPE parameters and partial paths, in batches, into the
// view, and returns those that it did not get. A name that the CPE does not
// know is not among them: it is found, and remembered.
func (a *Agent) read(ctx context.Context, call caller, names []string) unread {
	failed := make(unread)
	names, err := a.byParameter(ctx, call, names, failed)
	if err != nil {
		return failed
	}
	a.lock()
	names, alone := apart(names, a.fresh.hints.Refused)
	a.unlock()
	for len(names) > 0 {
		m := a.manner()
		n := max(1, min(m.batch, len(names)-alone))
		if _, err := a.readBatch(ctx, call, names[:n], failed); err != nil {
			failed.add(names[n:], err)
			return failed
		}
		names = names[n:]
	}
	return failed
}

// readBatch reads one batch, halving it where the CPE says, or shows by breaking off,
// that it is too much [quirk 53] or that one of the names is wrong [quirk 51]. It reports whether the CPE
// gave all of it at once. An error means that the CPE did not answer.
func (a *Agent) readBatch(ctx context.Context, call caller, names []string, failed unread) (atOnce bool, err error) {
	if names, err = a.byParameter(ctx, call, names, failed); err != nil || len(names) == 0 {
		return true, err
	}
	err = a.readOnce(ctx, call, names)
	switch {
	case err == nil:
		return true, nil
	case isFault(err) && len(names) > 1:
		tooMuch := isFault(err, cwmp.FaultResourcesExceeded, cwmp.FaultInternalError)
		return false, a.readHalves(ctx, call, names, tooMuch, failed)
	case errors.Is(err, device.ErrOutcomeUnknown) && len(names) > 1: // sessions break under it
		return false, a.readHalves(ctx, call, names, true, failed)
	case isFault(err) && cwmp.IsPartialPath(names[0]) && a.neverByObject():
		return false, a.readOtherwise(ctx, call, names[0], failed)
	case isFault(err, cwmp.FaultInvalidParameterName):
		a.unknownName(names[0])
		return false, nil
	}
	failed.add(names, err)
	if isFault(err) {
		return false, nil
	}
	return false, err
}

// readHalves reads a batch that the CPE has refused. Where it gives each half at once,
// it was their number, and all CPE of the model may be so; otherwise it was one of the
// names.
func (a *Agent) readHalves(ctx context.Context, call caller, names []string, tooMuch bool, failed unread) error {
	half := (len(names) + 1) / 2
	if tooMuch {
		a.lock()
		a.fresh.batch = max(1, min(a.fresh.batch, half))
		a.changed()
		a.unlock()
	}
	first, err := a.readBatch(ctx, call, names[:half], failed)
	if err != nil {
		failed.add(names[half:], err)
		return err
	}
	second, err := a.readBatch(ctx, call, names[half:], failed)
	if tooMuch && first && second {
		a.lock()
		a.fresh.limit = half
		a.unlock()
	}
	return err
}

// maxRereads bounds how often a read is repeated because of writes.
const maxRereads = 3

// readOnce sends one GetParameterValues and puts the answer into the view. The
// RPCs of a CPE are answered one after the other, so an answer shows every write
// that left before its read did; where a later write is back already, the answer
// would undo in the view what that write has changed, and the read is repeated.
// If that happens again and again, the answer is taken as what the CPE had when
// it was asked, and nothing counts as fresh.
func (a *Agent) readOnce(ctx context.Context, call caller, names []string) error {
	for try := 0; ; try++ {
		var departed atomic.Uint64 // when the read left, the last time it did
		departed.Store(a.departed.Load())
		resp, err := call(device.OnWire(ctx, func() error {
			departed.Store(a.departed.Load())
			return nil
		}), &cwmp.GetParameterValues{Names: names})
		if err != nil {
			return err
		}
		if a.took(names, resp, departed.Load(), try == maxRereads) {
			return nil
		}
	}
}

// unknownName takes note that the CPE does not have a name: an object is gone,
// a parameter was announced and is not given.
func (a *Agent) unknownName(name string) {
	a.lock()
	defer a.unlock()
	if cwmp.IsPartialPath(name) {
		a.publish(a.view.SetValues([]string{name}, nil))
	} else {
		a.fresh.refuse(name)
	}
}

// took puts the answer of a GetParameterValues into the view, unless a write
// that left after it, the last one before it being departed, is back. With
// always it is taken then too, and what is known is not fresh.
func (a *Agent) took(names []string, resp cwmp.Response, departed uint64, always bool) bool {
	got, ok := resp.(*cwmp.GetParameterValuesResponse)
	if !ok {
		return true
	}
	a.lock()
	defer a.unlock()
	a.fresh.objects = a.fresh.objects || slices.ContainsFunc(names, cwmp.IsPartialPath)
	late := a.settled > departed
	if late && !always {
		return false
	}
	a.publishFound(a.view.SetValues(names, got.Params))
	if late {
		a.fresh.forget()
		return true
	}
	now := time.Now()
	for _, n := range names {
		a.fresh.note(n, now)
	}
	return true
}
