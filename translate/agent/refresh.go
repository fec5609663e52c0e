// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// maxBatch is how many names go into one GetParameterValues [quirk 53].
const maxBatch = 32

// ledger knows when each part of the CPE's tree was last read.
type ledger struct {
	at map[string]time.Time // CPE name or partial path
	// refused are names that the CPE announced and does not give [quirk 51].
	refused map[string]bool
	// batch is how many names this CPE takes at once; it only shrinks.
	batch int
}

func (l *ledger) init() {
	l.at = make(map[string]time.Time)
	l.refused = make(map[string]bool)
	l.batch = maxBatch
}

// forget makes everything stale.
func (l *ledger) forget() { clear(l.at) }

// maxLedger bounds the ledger: past it the past is forgotten, which costs reads
// and nothing else.
const maxLedger = 4096

func (l *ledger) note(name string, now time.Time) {
	if len(l.at) >= maxLedger {
		clear(l.at)
	}
	l.at[name] = now
}

// isFresh reports whether name, or an object it is in, was read since then.
func (l *ledger) isFresh(name string, since time.Time) bool {
	if at, ok := l.at[name]; ok && at.After(since) {
		return true
	}
	for i := strings.LastIndexByte(strings.TrimSuffix(name, "."), '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		if at, ok := l.at[name[:i+1]]; ok && at.After(since) {
			return true
		}
	}
	return false
}

// stale returns those of the sources that have to be read for a read now. The
// lock is held.
func (a *Agent) stale(sources []string) []string {
	since := time.Now().Add(-a.host.opts.Freshness)
	var need []string
	for _, s := range sources {
		if a.fresh.refused[s] || a.host.opts.Freshness > 0 && a.fresh.isFresh(s, since) {
			continue
		}
		need = append(need, s)
	}
	return need
}

// caller sends reading RPCs: a request's, or a background task's.
type caller func(ctx context.Context, rpc cwmp.Request) (cwmp.Response, error)

// read gets the named CPE parameters and partial paths, in batches, into the
// view. What the CPE refuses by name is found and remembered; any other failure
// ends it.
func (a *Agent) read(ctx context.Context, call caller, names []string) error {
	for len(names) > 0 {
		a.lock()
		n := min(a.fresh.batch, len(names))
		a.unlock()
		if err := a.readBatch(ctx, call, names[:n]); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// readBatch reads one batch, halving it where the CPE says that it is too much
// [quirk 53] or that one of the names is wrong [quirk 51].
func (a *Agent) readBatch(ctx context.Context, call caller, names []string) error {
	resp, err := call(ctx, &cwmp.GetParameterValues{Names: names})
	if err == nil {
		a.took(names, resp)
		return nil
	}
	tooMuch := isFault(err, cwmp.FaultResourcesExceeded, cwmp.FaultInternalError)
	badName := isFault(err, cwmp.FaultInvalidParameterName, cwmp.FaultInvalidArguments)
	if len(names) > 1 && (tooMuch || badName) {
		half := (len(names) + 1) / 2
		if tooMuch {
			a.lock()
			a.fresh.batch = max(1, min(a.fresh.batch, half))
			a.unlock()
		}
		if err := a.readBatch(ctx, call, names[:half]); err != nil {
			return err
		}
		return a.readBatch(ctx, call, names[half:])
	}
	if !badName {
		return err
	}
	a.lock()
	defer a.unlock()
	if cwmp.IsPartialPath(names[0]) { // the object is gone
		a.publish(a.view.SetValues(names, nil))
		return nil
	}
	if len(a.fresh.refused) < maxLedger {
		a.fresh.refused[names[0]] = true
	}
	return nil
}

// took puts the answer of a GetParameterValues into the view.
func (a *Agent) took(names []string, resp cwmp.Response) {
	got, ok := resp.(*cwmp.GetParameterValuesResponse)
	if !ok {
		return
	}
	a.lock()
	defer a.unlock()
	now := time.Now()
	a.publish(a.view.SetValues(names, got.Params))
	for _, n := range names {
		a.fresh.note(n, now)
	}
}
