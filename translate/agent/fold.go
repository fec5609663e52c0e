// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/uspgate/uspgate/translate/model"
)

// foldLater has fold run now and then. So thousands of Agents may be in memory that have
// to be, as for a download, or for a CPE that does not come.
func (h *Host) foldLater() {
	if h.opts.Keeper == nil || h.opts.FoldEvery < 0 { // there is nothing to pack against
		return
	}
	h.after(h.opts.FoldEvery, func() {
		h.spawn(func(ctx context.Context) {
			h.fold(ctx)
			h.foldLater()
		})
	})
}

// fold packs the trees that are not used.
func (h *Host) fold(ctx context.Context) {
	r := &h.registry
	r.mu.Lock()
	all := make([]*entry, 0, r.awake.Len())
	for p := r.awake.Front(); p != nil; p = p.Next() {
		if e, ok := p.Value.(*entry); ok {
			all = append(all, e)
		}
	}
	r.mu.Unlock()
	for _, e := range all {
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		a := e.agent
		r.mu.Unlock()
		if a != nil && a.fold() {
			h.weigh(e, a)
		}
	}
}

// fold packs the tree, if nobody has used it since the last call and it is saved. It
// reports whether the Agent may have another size now.
func (a *Agent) fold() bool {
	if may, folded := a.mayFold(); !may {
		return !folded
	}
	var o *model.Outline
	if m := a.model(); m != nil {
		o = m.Outline
	}
	a.lock()
	defer a.unlock()
	if a.asleep || a.revision() != a.saving.planted {
		return false
	}
	by := a.sleepsBy()
	if !a.view.Fold(o) {
		return false
	}
	a.saving.by, a.saving.risen, a.told = by, a.revision(), nil
	return true
}

func (a *Agent) mayFold() (may, folded bool) {
	a.lock()
	defer a.unlock()
	if a.view == nil || a.asleep || a.view.Folded() > 0 {
		return false, true
	}
	return a.view.Rested() && a.revision() == a.saving.planted && a.view.Settled(), false
}
