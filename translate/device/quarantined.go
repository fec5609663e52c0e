// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import "github.com/uspgate/uspgate/cwmp"

// InQuarantine reports whether the sessions of a CPE are refused, as another box has
// its DeviceID [quirk 27].
func (f *Fleet) InQuarantine(id cwmp.DeviceID) bool {
	f.odd.mu.RLock()
	defer f.odd.mu.RUnlock()
	return f.odd.quarantined[id.Key()]
}
