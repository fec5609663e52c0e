// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// getParameterNames lists the tree [TR-069 A.3.2.3].
func (c *CPE) getParameterNames(m *cwmp.GetParameterNames) cwmp.Response {
	if code := c.refusesNames(m); code != 0 {
		return fault(code)
	}
	root := c.tree()
	n := root.visible(m.Path)
	switch {
	case n == nil || n.object && !cwmp.IsPartialPath(m.Path) || !n.object && cwmp.IsPartialPath(m.Path):
		return fault(cwmp.FaultInvalidParameterName)
	case !n.object && m.NextLevel:
		return fault(cwmp.FaultInvalidArguments)
	}
	q := &c.opts.Quirks
	var out []cwmp.ParameterInfo
	add := func(path string, n *node) {
		if path != "" {
			out = append(out, cwmp.ParameterInfo{Name: path, Writable: n.writable && !q.NeverWritable})
		}
	}
	switch {
	case !m.NextLevel || q.NextLevelAll:
		n.walk(m.Path, add)
	default:
		if q.NextLevelSelf {
			add(m.Path, n)
		}
		for _, k := range n.kids {
			if !k.late && !q.NextLevelEmpty {
				add(k.path(m.Path), k)
			}
		}
	}
	info := c.model.Root() + "DeviceInfo."
	if q.GhostNames && (m.Path == info || strings.HasPrefix(info, m.Path) && !m.NextLevel) {
		out = append(out, cwmp.ParameterInfo{Name: info + ghost, Writable: true})
	}
	return &cwmp.GetParameterNamesResponse{Params: out}
}

// getParameterValues reads parameters and subtrees [TR-069 A.3.2.2].
func (c *CPE) getParameterValues(m *cwmp.GetParameterValues) cwmp.Response {
	if len(m.Names) == 0 {
		return fault(cwmp.FaultInvalidArguments)
	}
	if c.opts.Quirks.FewNames && tooManyNames(m) {
		return fault(cwmp.FaultResourcesExceeded)
	}
	root := c.tree()
	var out []cwmp.ParameterValue
	for _, name := range m.Names {
		n := root.visible(name)
		if n == nil || n.object != cwmp.IsPartialPath(name) || n.object && c.opts.Quirks.NoPartialValues {
			return fault(cwmp.FaultInvalidParameterName)
		}
		n.walk(name, func(path string, n *node) {
			if !n.object {
				out = append(out, c.read(path, n))
			}
		})
	}
	return &cwmp.GetParameterValuesResponse{Params: out}
}

// setParameterValues changes all or nothing [TR-069 A.3.2.1].
func (c *CPE) setParameterValues(m *cwmp.SetParameterValues) cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	root := c.root
	var bad []cwmp.ParameterFault
	seen := make(map[string]struct{}, len(m.Params))
	for _, p := range m.Params {
		if _, twice := seen[p.Name]; twice {
			return fault(cwmp.FaultInvalidArguments)
		}
		seen[p.Name] = struct{}{}
		if code := c.opts.Quirks.check(root.find(p.Name), p); code != 0 {
			bad = append(bad, paramFault(p.Name, code))
			continue
		}
		root = root.edit(p.Name, func(n *node) *node {
			n.value, n.expand = canon(n.typ, n.value, p.Value), false
			return n
		})
		if c.opts.Quirks.LateRows {
			root = root.appear(p.Name)
		}
	}
	if len(bad) > 0 {
		return fault(cwmp.FaultInvalidArguments, bad...)
	}
	c.root = c.withKey(root, m.ParameterKey)
	c.diagnose(m.Params)
	if c.opts.Quirks.FaultThoughSet {
		return fault(cwmp.FaultInternalError)
	}
	return &cwmp.SetParameterValuesResponse{}
}

// check returns the fault code for setting n to p, 0 for none.
func check(n *node, p cwmp.ParameterValue) int {
	switch {
	case n == nil || n.object:
		return cwmp.FaultInvalidParameterName
	case !n.writable:
		return cwmp.FaultNonWritable
	case p.Type != cwmp.TypeUnknown && n.typ != cwmp.TypeUnknown && p.Type != n.typ:
		return cwmp.FaultInvalidParameterType
	case !valid(n.typ, p.Value) || !n.rule.allows(p.Value):
		return cwmp.FaultInvalidParameterValue
	default:
		return 0
	}
}

// withKey stores the ParameterKey of a change that was applied.
func (c *CPE) withKey(root *node, key string) *node {
	if c.opts.Quirks.NoParameterKey {
		return root
	}
	return root.put(c.model.Root()+"ManagementServer.ParameterKey", key, cwmp.TypeString, false)
}

// getParameterAttributes reads attributes [TR-069 A.3.2.5].
func (c *CPE) getParameterAttributes(m *cwmp.GetParameterAttributes) cwmp.Response {
	root := c.tree()
	var out []cwmp.ParameterAttribute
	for _, name := range m.Names {
		n := root.find(name)
		if n == nil || n.object != cwmp.IsPartialPath(name) {
			return fault(cwmp.FaultInvalidParameterName)
		}
		n.walk(name, func(path string, n *node) {
			if !n.object {
				out = append(out, cwmp.ParameterAttribute{Name: path, Notification: n.notify, AccessList: n.access})
			}
		})
	}
	return &cwmp.GetParameterAttributesResponse{Params: out}
}

// setParameterAttributes changes all or nothing; a partial path stands for the
// parameters that are below it now [TR-069 A.3.2.4].
func (c *CPE) setParameterAttributes(m *cwmp.SetParameterAttributes) cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	root := c.root
	for _, p := range m.Params {
		n := root.find(p.Name)
		if n == nil || n.object != cwmp.IsPartialPath(p.Name) {
			return fault(cwmp.FaultInvalidParameterName)
		}
		if p.NotificationChange && (p.Notification < 0 || p.Notification > 2) {
			return fault(cwmp.FaultInvalidArguments)
		}
		var names []string
		refused := false
		n.walk(p.Name, func(path string, n *node) {
			if !n.object {
				names = append(names, path)
				counter := n.counter && p.Notification == 2 && !c.opts.Quirks.CountersChange
				refused = refused || p.NotificationChange && (counter || n.forced && p.Notification != 2)
			}
		})
		if refused {
			return fault(cwmp.FaultNotificationRejected)
		}
		for _, name := range names {
			root = root.edit(name, func(n *node) *node {
				if p.NotificationChange {
					n.notify = p.Notification
				}
				if p.AccessListChange {
					n.access = slices.Clone(p.AccessList)
				}
				return n
			})
		}
	}
	c.root = root
	return &cwmp.SetParameterAttributesResponse{}
}
