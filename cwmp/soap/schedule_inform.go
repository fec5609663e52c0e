// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) scheduleInform() (cwmp.Message, error) {
	m := &cwmp.ScheduleInform{}
	return m, d.each(func(name string) error {
		switch name {
		case "DelaySeconds":
			return d.uint32(&m.DelaySeconds)
		case "CommandKey":
			return d.key(&m.CommandKey)
		default:
			return nil
		}
	})
}
