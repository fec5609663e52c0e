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
	"github.com/uspgate/uspgate/internal/inventory"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/usp"
)

// listing makes one page: the first of those that fit, by name. What is known has no
// order, so it is gone through as a whole.
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
		err := k.eachSeen(ctx, func(id cwmp.DeviceID) {
			if name, ok := l.fits(id); ok && k.does(id, &f) {
				l.add(name, id)
			}
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

// eachSeen calls f for each CPE that has come. One process alone has them all in
// memory; of several each has its own.
func (k *desk) eachSeen(ctx context.Context, f func(cwmp.DeviceID)) error {
	if k.shared {
		return k.kept.EachSeen(ctx, func(_ usp.EndpointID, id cwmp.DeviceID) error {
			f(id)
			return nil
		})
	}
	k.host.Each(func(_ usp.EndpointID, id cwmp.DeviceID) { f(id) })
	return nil
}

// eachListed calls f for each CPE that is listed, with that tag if there is one.
func (k *desk) eachListed(ctx context.Context, tag string, f func(cwmp.DeviceID) error) error {
	if k.shared || tag != "" {
		return k.kept.Inventory().Each(ctx, func(e *state.Listed) error {
			if tag != "" && !slices.Contains(e.Tags, tag) {
				return nil
			}
			return f(e.ID)
		})
	}
	names := k.kept.Inventory().Names()
	slices.Sort(names) // so that those that have no place on the page are not looked up
	for _, name := range names {
		id, err := inventory.ParseID(name)
		if err == nil { // it was written by DeviceID.String
			err = f(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
	return k.eachListed(ctx, f.Tag, func(id cwmp.DeviceID) error {
		name, ok := l.fits(id)
		if !ok {
			return nil
		}
		if f.Tag == "" && f.State == "" { // whether it has come makes no difference
			l.add(name, id)
			return nil
		}
		seen, err := k.kept.Look(ctx, id)
		switch {
		case err != nil:
			return err
		case seen != nil && (f.Tag == "" || !k.does(seen.Identity, f)):
			return nil
		case seen == nil && (f.Quarantined || f.State != "" && f.State != admin.StateExpected):
			return nil
		}
		l.add(name, id)
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
		if t.listed, err = k.kept.Inventory().Get(ctx, t.id); err != nil && !state.Unreadable(err) {
			return p, err // show tells of one that cannot be read
		}
		if t.seen != nil {
			t.id = t.seen.Identity
		}
		p.Devices = append(p.Devices, k.row(t))
	}
	return p, nil
}
