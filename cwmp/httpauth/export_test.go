// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package httpauth

// Matches is Authorization.matches.
func (a *Authorization) Matches(h Hash, realm, method, pass string) bool {
	return a.matches(h, realm, method, pass)
}
