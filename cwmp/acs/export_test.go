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
