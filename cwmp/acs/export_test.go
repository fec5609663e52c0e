// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

// Cookies returns the values that cookies finds.
func Cookies(headers ...string) (values []string) {
	cookies(headers, func(v string) bool {
		values = append(values, v)
		return true
	})
	return values
}

// LockoutSizes returns how many entries the tables of a have.
func LockoutSizes(a *Access) (users, addrs, good int) {
	a.lock.mu.Lock()
	defer a.lock.mu.Unlock()
	return len(a.lock.users), len(a.lock.addrs), len(a.lock.good)
}
