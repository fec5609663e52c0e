// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"container/heap"
	"context"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/usp"
)

// listing makes one page: the first of those that fit, by name. What is kept has no
// order, so it is gone through as a whole, and no more is in memory than the page.
type listing struct {
	f     *admin.DeviceFilter
	limit int // one more than the page has: there is another page then
	names names
	has   map[string]cwmp.DeviceID
}

// names has the last one on top.
type names []string

func (n names) Len() int           { return len(n) }
func (n names) Less(i, j int) bool { return n[i] > n[j] }
func (n names) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }

// Push implements heap.Interface.
func (n *names) Push(x any) {
	if s, ok := x.(string); ok {
		*n = append(*n, s)
	}
}

// Pop implements heap.Interface.
func (n *names) Pop() any {
	last := (*n)[len(*n)-1]
	*n = (*n)[:len(*n)-1]
	return last
}

// fits tells whether a CPE is one that is asked for, as far as its identity says, and
// of a name that has a place on the page; it returns that.
func (l *listing) fits(id cwmp.DeviceID) (string, bool) {
	if l.f.OUI != "" && !strings.EqualFold(l.f.OUI, id.OUI) || !strings.HasPrefix(id.SerialNumber, l.f.Serial) ||
		l.f.ProductClass != "" && l.f.ProductClass != id.ProductClass {
		return "", false
	}
	name := id.String()
	if name <= l.f.After || len(l.names) == l.limit && name >= l.names[0] {
		return "", false
	}
	_, there := l.has[name]
	return name, !there
}

func (l *listing) add(name string, id cwmp.DeviceID) {
	heap.Push(&l.names, name)
	l.has[name] = id
	if len(l.names) > l.limit {
		if last, ok := heap.Pop(&l.names).(string); ok {
			delete(l.has, last)
		}
	}
}

// List implements admin.Devices.
func (k *desk) List(ctx context.Context, f admin.DeviceFilter) (admin.DevicePage, error) {
	l := &listing{f: &f, limit: f.Limit + 1, has: make(map[string]cwmp.DeviceID)}
	if f.Tag == "" && f.State != admin.StateExpected {
		err := k.kept.EachSeen(ctx, func(_ usp.EndpointID, id cwmp.DeviceID) error {
			if name, ok := l.fits(id); ok && k.does(id, &f) {
				l.add(name, id)
			}
			return nil
		})
		if err != nil {
			return admin.DevicePage{}, err
		}
	}
	if err := k.listed(ctx, l); err != nil {
		return admin.DevicePage{}, err
	}
	return k.page(ctx, l)
}

// does tells whether a CPE that has come is in the state that is asked for.
func (k *desk) does(id cwmp.DeviceID, f *admin.DeviceFilter) bool {
	if f.Quarantined && !k.fleet.InQuarantine(id) {
		return false
	}
	if f.State == "" {
		return true
	}
	now, _ := k.live(id)
	return now == f.State
}

// listed adds those that are listed, if they have a place on the page: with a tag also
// those that have come, which have not been gone through then.
func (k *desk) listed(ctx context.Context, l *listing) error {
	f := l.f
	if f.Tag == "" && (f.Quarantined || f.State != "" && f.State != admin.StateExpected) {
		return nil
	}
	return k.kept.Inventory().Each(ctx, func(e *state.Listed) error {
		if f.Tag != "" && !slices.Contains(e.Tags, f.Tag) {
			return nil
		}
		name, ok := l.fits(e.ID)
		if !ok {
			return nil
		}
		seen, err := k.kept.Look(ctx, e.ID)
		switch {
		case err != nil:
			return err
		case seen != nil && (f.Tag == "" || !k.does(seen.Identity, f)):
			return nil
		case seen == nil && (f.Quarantined || f.State != "" && f.State != admin.StateExpected):
			return nil
		}
		l.add(name, e.ID)
		return nil
	})
}

// page looks up what is to be said of those on the page.
func (k *desk) page(ctx context.Context, l *listing) (admin.DevicePage, error) {
	slices.Sort(l.names)
	p := admin.DevicePage{Devices: []admin.Device{}}
	if len(l.names) == l.limit {
		l.names = l.names[:l.limit-1]
		p.Next = l.names[len(l.names)-1]
	}
	for _, name := range l.names {
		t := &target{id: l.has[name]}
		var err error
		if t.seen, err = k.kept.Look(ctx, t.id); err != nil {
			return p, err
		}
		if t.listed, err = k.kept.Inventory().Get(ctx, t.id); err != nil {
			return p, err
		}
		if t.seen != nil {
			t.id = t.seen.Identity
		}
		p.Devices = append(p.Devices, k.row(t))
	}
	return p, nil
}
