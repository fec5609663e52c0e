// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// Value is a parameter as it is known of a CPE.
type Value struct {
	Path, Value string
	// ReadAt is when the CPE has given it, in an answer or in an Inform. It is the zero
	// time where nothing may be answered from what is known: after a boot, say, or a
	// write of unknown outcome.
	ReadAt time.Time
	// Rule is how old it may be that answers a read; its Path is empty where
	// Options.Freshness says so.
	Rule FreshnessRule
}

// Values returns what is known of the CPE's parameters that a path means, at most limit of
// them, and whether there are more. It asks the CPE nothing, and is for the administrator:
// no Role counts. An Agent that sleeps is taken into memory; it blocks for as long as the
// Keeper does. The error is ErrUnknownAgent, a *usp.Error about the path, or a failure.
func (h *Host) Values(ctx context.Context, id usp.EndpointID, text string, limit int) ([]Value, bool, error) {
	p, err := path.Parse(text)
	if err != nil {
		return nil, false, uspError(err)
	}
	if k := p.Kind(); k == path.Command || k == path.Event {
		return nil, false, invalid(usp.CodeInvalidArguments, text, "a command or event has no value")
	}
	r := &h.registry
	r.mu.Lock()
	e := r.byID[id]
	r.mu.Unlock()
	if e == nil {
		return nil, false, ErrUnknownAgent
	}
	a, err := h.need(ctx, e, nil)
	if err != nil {
		return nil, false, err
	}
	a.lock()
	defer a.unlock()
	return a.values(p, limit)
}

func (a *Agent) values(p path.Path, limit int) (list []Value, more bool, err error) {
	if a.view == nil {
		return nil, false, nil
	}
	if _, failed := path.Resolve(p, tree{a}, a.host.opts.Paths); failed != nil {
		return nil, false, uspError(failed)
	}
	for _, full := range a.parametersOf(p) {
		v, ok := a.view.Param(full)
		if !ok || isLocal(full) {
			continue
		}
		if len(list) == limit {
			return list, true, nil
		}
		rule := a.host.freshness.of(path.Generic(full))
		list = append(list, Value{Path: full, Value: v.Value, ReadAt: a.readAt(full), Rule: *rule})
	}
	return list, false, nil
}
