// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"fmt"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// AddRow makes a row in a table, a partial path, by the device itself, whether or not an
// ACS may make one, and returns its partial path. Its number of entries is reported as
// SetValue does. It fails where there is no such table, or no room in it.
func (c *CPE) AddRow(table string) (string, error) {
	c.mu.Lock()
	t := c.root.find(table)
	if t == nil || !strings.HasSuffix(table, ".") || !t.isTable(c.model, table) || t.rows() >= c.opts.MaxRows {
		c.mu.Unlock()
		return "", fmt.Errorf("sim/cpe: no table, or no room in it: %s", table)
	}
	number := t.last + 1
	c.insertRow(table, number)
	notify := c.counted(table)
	c.mu.Unlock()
	c.changedTo(notify)
	return fmt.Sprintf("%s%d.", table, number), nil
}

// RemoveRow takes out a row, a partial path, in the same way.
func (c *CPE) RemoveRow(row string) error {
	table, number := splitObject(row)
	c.mu.Lock()
	if n := c.root.find(row); n == nil || !n.object || !isInstance(number) {
		c.mu.Unlock()
		return fmt.Errorf("sim/cpe: no row %s", row)
	}
	c.removeRow(table + number + ".")
	notify := c.counted(table)
	c.mu.Unlock()
	c.changedTo(notify)
	return nil
}

// counted notes that the number of entries of a table has changed, and returns its
// notification attribute. The caller has the lock.
func (c *CPE) counted(table string) int {
	parent, name := splitObject(table)
	count := parent + countName(name)
	n := c.root.find(count)
	if n == nil || n.notify == 0 {
		return 0
	}
	c.change++
	c.changed[count] = c.change
	return n.notify
}

// changedTo reports a change as the notification attribute says.
func (c *CPE) changedTo(notify int) {
	switch notify {
	case 2:
		c.client.Raise(cwmp.Event{Code: cwmp.EventValueChange})
	case 1:
		c.client.Note(cwmp.Event{Code: cwmp.EventValueChange})
	}
}
