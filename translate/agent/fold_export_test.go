// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// Folded reports whether the tree of the Agent is packed.
func (a *Agent) Folded() bool {
	a.lock()
	defer a.unlock()
	return a.view.Folded() > 0
}
