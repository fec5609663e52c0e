// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) getRPCMethodsResponse() (cwmp.Message, error) {
	m := &cwmp.GetRPCMethodsResponse{}
	return m, d.each(func(name string) error {
		if name == "MethodList" {
			return d.words(&m.Methods)
		}
		return nil
	})
}
