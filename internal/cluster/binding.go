// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"

	"github.com/uspgate/uspgate/internal/store"
)

// bindingOwner is which node runs a Transport that only one of them may.
type bindingOwner struct {
	by       *holder
	revision uint64
}

// sawBinding takes what the Store says.
func (o *Owners) sawBinding(name string, e store.Entry) {
	var b bindingOwner
	if !e.Deleted {
		r, err := parseRecord(e.Value)
		if err != nil {
			return
		}
		b = bindingOwner{by: o.holder(r.node, r.epoch), revision: e.Revision}
	}
	o.setBinding(name, b, e.Revision)
}

func (o *Owners) setBinding(name string, b bindingOwner, revision uint64) {
	o.mu.Lock()
	if was := o.bindings[name]; was.revision >= revision {
		o.mu.Unlock()
		return
	}
	if was := o.bindings[name]; was.by != nil {
		was.by.owned.Add(-1)
	}
	if b.by == nil {
		delete(o.bindings, name)
	} else {
		b.by.owned.Add(1)
		o.bindings[name] = b
	}
	o.mu.Unlock()
	o.tellBindings(name)
}

// onlyBindings forgets what was deleted while nobody watched.
func (o *Owners) onlyBindings(there map[string]bool) {
	o.mu.Lock()
	for name, b := range o.bindings {
		if !there[bindingKey(name)] && (b.by.node != o.n.o.Name || b.by.dead.Load()) {
			b.by.owned.Add(-1)
			delete(o.bindings, name)
		}
	}
	o.mu.Unlock()
	o.tellBindings("")
}

// watchBinding rings the bell after each change of who has a binding, until stop.
func (o *Owners) watchBinding(name string, bell chan<- struct{}) (stop func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watchers[name] = append(o.watchers[name], bell)
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		list := o.watchers[name]
		for i := range list {
			if list[i] == bell {
				o.watchers[name] = append(list[:i:i], list[i+1:]...)
				break
			}
		}
	}
}

// tellBindings rings; an empty name is all of them.
func (o *Owners) tellBindings(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for is, bells := range o.watchers {
		if name != "" && is != name {
			continue
		}
		for _, bell := range bells {
			select {
			case bell <- struct{}{}:
			default:
			}
		}
	}
}

// bindingHolder is the life of a node that has the binding, nil if none lives.
func (o *Owners) bindingHolder(name string) *holder {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b := o.bindings[name]; b.by != nil && !b.by.dead.Load() {
		return b.by
	}
	return nil
}

// takeBinding makes this life the one that has the binding, unless another has:
// then it returns that one.
func (o *Owners) takeBinding(ctx context.Context, l *life, name string) (*holder, error) {
	for range maxTries {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		e, err := o.bucket.Get(ctx, bindingKey(name))
		var revision uint64
		switch {
		case err == nil:
			o.sawBinding(name, e)
			h := o.bindingHolder(name)
			if h != nil {
				return h, nil
			}
			revision = e.Revision
		case !errors.Is(err, store.ErrNotFound):
			return nil, err //nolint:wrapcheck // logged by the caller
		}
		r := &record{node: o.n.o.Name, epoch: l.epoch}
		got, err := o.write(ctx, bindingKey(name), r.encode(), revision)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		b := bindingOwner{by: o.holder(r.node, r.epoch), revision: got}
		o.setBinding(name, b, got)
		return b.by, nil
	}
	return nil, errRaced
}

// dropBinding lets another node have it.
func (o *Owners) dropBinding(ctx context.Context, l *life, name string) error {
	o.mu.Lock()
	b := o.bindings[name]
	o.mu.Unlock()
	if b.by == nil || b.by.node != o.n.o.Name || b.by.epoch != l.epoch {
		return nil
	}
	err := o.remove(ctx, bindingKey(name), b.revision)
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}
