// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// Timers returns how many timers wait.
func (h *Host) Timers() int {
	h.timers.mu.Lock()
	defer h.timers.mu.Unlock()
	return len(h.timers.heap)
}

// PutToSleep takes every Agent out of memory that may leave it.
func (h *Host) PutToSleep() {
	h.registry.mu.Lock()
	all := make(map[*entry]*Agent)
	for p := h.registry.awake.Front(); p != nil; p = p.Next() {
		if e, ok := p.Value.(*entry); ok {
			all[e] = e.agent
		}
	}
	h.registry.mu.Unlock()
	for e, a := range all {
		h.putToSleep(e, a)
	}
}

// DoubtAll has the whole CPE read in its next session.
func (a *Agent) DoubtAll() { a.doubtAll() }

// ParseTrigger reads TriggerConfigSettings: object, parameter and value of each.
func ParseTrigger(list string) ([][3]string, error) {
	settings, err := parseTrigger(list)
	if err != nil {
		return nil, err
	}
	var all [][3]string
	for _, s := range settings {
		all = append(all, [3]string{s.object, s.leaf, s.value})
	}
	return all, nil
}

// Mark is by what a Seed is known to have been given.
func (s *Seed) Mark() string { return s.mark() }
