// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"encoding/json"
	"sync"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// store is a disk: what it has was JSON once.
type store struct {
	mu   sync.Mutex
	dead bool // the process is being killed: nothing more is written
	have map[string][]byte
}

func newStore() *store { return &store{have: make(map[string][]byte)} }

func (s *store) die(dead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = dead
}

func (s *store) put(key string, v any) error {
	raw, err := json.Marshal(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dead && err == nil {
		s.have[key] = raw
	}
	return err
}

func (s *store) get(key string, v any) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.have[key]
	if !ok {
		return false, nil
	}
	return true, json.Unmarshal(raw, v)
}

// keeper is the agent.Keeper of one CPE.
type keeper struct {
	*store

	identity cwmp.DeviceID
}

func newKeeper(id cwmp.DeviceID) *keeper { return &keeper{newStore(), id} }

func (k *keeper) id() usp.EndpointID { return agent.EndpointIDFor(k.identity) }

func (k *keeper) Each(f func(agent.Kept) error) error {
	s, err := k.Load(k.id())
	if err != nil || s == nil {
		return err
	}
	return f(agent.Kept{EndpointID: k.id(), Identity: k.identity, Wakes: s.Wakes})
}

func (k *keeper) Register(cwmp.DeviceID) (usp.EndpointID, error) { return k.id(), nil }

func (k *keeper) Load(usp.EndpointID) (*agent.State, error) {
	s := &agent.State{}
	if ok, err := k.get("state", s); !ok {
		return nil, err
	}
	return s, nil
}

func (k *keeper) Save(_ usp.EndpointID, s *agent.State) error { return k.put("state", s) }

func (k *keeper) LoadTree(usp.EndpointID) (*agent.Tree, error) {
	t := &agent.Tree{}
	if ok, err := k.get("tree", t); !ok {
		return nil, err
	}
	return t, nil
}

func (k *keeper) SaveTree(_ usp.EndpointID, t *agent.Tree) error { return k.put("tree", t) }

func (k *keeper) LoadModel(agent.ModelKey) (*agent.Model, error) { return nil, nil } //nolint:nilnil // nothing is known

func (k *keeper) Learn(agent.ModelKey, agent.Habits) error { return nil }

// devices is the device.Keeper of one CPE.
type devices struct{ *store }

func newDevices() *devices { return &devices{newStore()} }

func (d *devices) Load(cwmp.DeviceID) (k device.Known, ok bool, err error) {
	ok, err = d.get("known", &k)
	return k, ok, err
}

func (d *devices) Save(k device.Known) error { return d.put("known", k) }

func (d *devices) Len() int { return 1 }
