// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// maxParameterKey is the length of a ParameterKey or CommandKey.
const maxParameterKey = 32

// addObject makes a row with default values and the next instance number,
// which is never given twice [TR-069 A.3.2.6].
func (c *CPE) addObject(m *cwmp.AddObject) cwmp.Response {
	if len(m.ParameterKey) > maxParameterKey {
		return fault(cwmp.FaultInvalidArguments)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	table := c.root.find(m.ObjectName)
	if table == nil || !strings.HasSuffix(m.ObjectName, ".") || !table.isTable(c.model, m.ObjectName) {
		return fault(cwmp.FaultInvalidParameterName)
	}
	if !table.writable {
		return fault(cwmp.FaultNonWritable)
	}
	if table.rows() >= c.opts.MaxRows {
		return fault(cwmp.FaultResourcesExceeded)
	}
	number := table.last + 1
	if c.opts.Quirks.InstanceGaps {
		number += 2
	}
	c.insertRow(m.ObjectName, number)
	c.root = c.withKey(c.root, m.ParameterKey)
	return &cwmp.AddObjectResponse{InstanceNumber: number}
}

// insertRow puts a row with that number into a table. The caller has the lock.
func (c *CPE) insertRow(table string, number uint32) {
	root := c.root.edit(strings.TrimSuffix(table, "."), func(t *node) *node {
		row := *c.model.template(table)
		row.name, row.row, row.last = strconv.FormatUint(uint64(number), 10), nil, 0
		row.nameRow()
		row.late = c.opts.Quirks.LateRows
		t.insert(&row)
		return t
	})
	c.root = recount(root, table)
}

// nameRow gives a new row an Alias of its own where it has one, as the device
// does that makes a row without being told an Alias [TR-181 Alias].
func (n *node) nameRow() {
	i := slices.IndexFunc(n.kids, func(k *node) bool { return k.name == "Alias" && k.value == "" && !k.object })
	if i < 0 {
		return
	}
	alias := *n.kids[i]
	alias.value = "cpe-" + n.name
	n.kids = slices.Clone(n.kids)
	n.kids[i] = &alias
}

// deleteObject removes a row with everything below it [TR-069 A.3.2.7].
func (c *CPE) deleteObject(m *cwmp.DeleteObject) cwmp.Response {
	if len(m.ParameterKey) > maxParameterKey {
		return fault(cwmp.FaultInvalidArguments)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	row := c.root.find(m.ObjectName)
	if row == nil || !row.object || !strings.HasSuffix(m.ObjectName, ".") || !isInstance(row.name) {
		return fault(cwmp.FaultInvalidParameterName)
	}
	if !row.writable {
		return fault(cwmp.FaultNonWritable)
	}
	c.removeRow(m.ObjectName)
	c.root = c.withKey(c.root, m.ParameterKey)
	return &cwmp.DeleteObjectResponse{}
}

// removeRow takes a row out. The caller has the lock.
func (c *CPE) removeRow(row string) {
	root := c.root.edit(strings.TrimSuffix(row, "."), func(*node) *node { return nil })
	table, _ := splitObject(row)
	for path := range c.changed {
		if strings.HasPrefix(path, row) {
			delete(c.changed, path)
		}
	}
	c.root = recount(root, table)
}
