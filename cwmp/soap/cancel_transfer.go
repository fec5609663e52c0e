// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) cancelTransfer() (cwmp.Message, error) {
	m := &cwmp.CancelTransfer{}
	return m, d.each(func(name string) error {
		if name == "CommandKey" {
			return d.key(&m.CommandKey)
		}
		return nil
	})
}
