// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// shelf is a Keeper in memory: what it keeps has been JSON.
type shelf struct {
	mu      sync.Mutex
	ids     map[usp.EndpointID]cwmp.DeviceID
	states  map[usp.EndpointID][]byte
	trees   map[usp.EndpointID][]byte
	models  map[agent.ModelKey]*agent.Model
	saves   int   // of States
	plants  int   // saves of trees
	lessons int   // calls of Learn
	dead    bool  // nothing is kept any more: the process has been killed
	err     error // of everything
	older   bool  // records do not show the firmware
	// gate, unless nil, is received from before anything is loaded.
	gate chan struct{}
}

func newShelf() *shelf {
	return &shelf{
		ids:    make(map[usp.EndpointID]cwmp.DeviceID),
		states: make(map[usp.EndpointID][]byte),
		trees:  make(map[usp.EndpointID][]byte),
		models: make(map[agent.ModelKey]*agent.Model),
	}
}

func (s *shelf) Each(f func(agent.Kept) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, identity := range s.ids {
		state := &agent.State{}
		if raw := s.states[id]; raw != nil {
			if err := json.Unmarshal(raw, state); err != nil {
				return err
			}
		}
		k := agent.Kept{
			EndpointID: id, Identity: identity, Firmware: state.Firmware, Wakes: state.Wakes, Grants: state.Grants,
			Rest: state.Rest, Demands: state.Demands,
		}
		if s.older {
			k.Firmware = ""
		}
		if err := f(k); err != nil {
			return err
		}
	}
	return s.err
}

func (s *shelf) Register(identity cwmp.DeviceID) (usp.EndpointID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range agent.EndpointIDs(identity) {
		if have, ok := s.ids[id]; !ok || have.Key() == identity.Key() {
			s.ids[id] = identity
			return id, s.err
		}
	}
	return "", errors.New("shelf: both are taken")
}

func (s *shelf) Load(id usp.EndpointID) (*agent.State, error) {
	if s.gate != nil {
		<-s.gate
	}
	state := &agent.State{}
	ok, err := s.load(s.states, id, state)
	if !ok {
		return nil, err
	}
	return state, err
}

func (s *shelf) LoadTree(id usp.EndpointID) (*agent.Tree, error) {
	tree := &agent.Tree{}
	ok, err := s.load(s.trees, id, tree)
	if !ok {
		return nil, err
	}
	return tree, err
}

func (s *shelf) load(from map[usp.EndpointID][]byte, id usp.EndpointID, to any) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || from[id] == nil {
		return false, s.err
	}
	return true, json.Unmarshal(from[id], to)
}

func (s *shelf) Save(id usp.EndpointID, state *agent.State) error {
	return s.save(s.states, &s.saves, id, state)
}

func (s *shelf) SaveTree(id usp.EndpointID, t *agent.Tree) error {
	if k, ok := agent.ModelKeyOf(t.Identity, t.Firmware); ok && t.Current {
		s.set(func() {
			m := s.model(k)
			next := &agent.Model{Key: k, Sample: t.Shown.Sample(), Habits: m.Habits}
			next.Supports, _ = agent.SupportsBounds{Elements: 1 << 20, Bytes: 1 << 30}.Grow(m.Supports, t.Supports)
			s.models[k] = next
		})
	}
	return s.save(s.trees, &s.plants, id, t)
}

// model returns what is known of a model; mu is held.
func (s *shelf) model(k agent.ModelKey) *agent.Model {
	if m := s.models[k]; m != nil {
		return m
	}
	return &agent.Model{Key: k}
}

func (s *shelf) LoadModel(k agent.ModelKey) (*agent.Model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.models[k], s.err
}

func (s *shelf) Learn(k agent.ModelKey, h agent.Habits) error {
	s.set(func() {
		old := s.model(k)
		s.models[k] = &agent.Model{Key: k, Sample: old.Sample, Habits: old.Habits.Merge(h), Supports: old.Supports}
		s.lessons++
	})
	return s.err
}

func (s *shelf) save(in map[usp.EndpointID][]byte, n *int, id usp.EndpointID, v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.Marshal(v)
	if err != nil || s.err != nil {
		return errors.Join(err, s.err)
	}
	if !s.dead {
		in[id] = raw
		*n++
	}
	return nil
}

// kill is the end of the process; revive the start of the next.
func (s *shelf) kill() { s.set(func() { s.dead = true }) }

func (s *shelf) revive() { s.set(func() { s.dead = false }) }

// loseTrees forgets what may be lost.
func (s *shelf) loseTrees() { s.set(func() { clear(s.trees) }) }

func (s *shelf) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *shelf) counts() (saves, plants int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves, s.plants
}
