// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// Timers returns how many timers wait.
func (h *Host) Timers() int {
	h.timers.mu.Lock()
	defer h.timers.mu.Unlock()
	return len(h.timers.heap)
}
