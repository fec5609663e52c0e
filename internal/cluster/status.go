// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"slices"
	"time"
)

// Status is one node as the administrator sees it.
type Status struct {
	Name string `json:"name"`
	// Since is when its process became a node.
	Since time.Time `json:"since"`
	// Owned is how many addresses it owns.
	Owned int `json:"owned"`
	// Me: it is the one that answers.
	Me bool `json:"me"`
	// Linked: there is a Link between it and the one that answers.
	Linked bool `json:"linked"`
}

// Nodes lists the nodes that live, by name.
func (n *Node) Nodes() []Status {
	var list []Status
	for name, m := range n.living() {
		list = append(list, Status{
			Name: name, Since: m.since, Owned: n.owners.ownedBy(name, m.epoch),
			Me: name == n.o.Name, Linked: n.links.linked(name),
		})
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func (o *Owners) ownedBy(node string, epoch uint64) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h := o.holders[holderKey{node, epoch}]; h != nil {
		return int(h.owned.Load())
	}
	return 0
}

func (s *links) linked(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.byID {
		l.mu.Lock()
		up := l.peer == node && l.port != nil && !l.over
		l.mu.Unlock()
		if up {
			return true
		}
	}
	return false
}
