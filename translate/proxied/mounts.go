// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/cohort"
	"github.com/uspgate/uspgate/usp"
)

// matcher is a Selector made ready, and without its firmware, for a CPE whose firmware is
// not known.
type matcher struct {
	all, bare *cohort.Matcher
	tags      bool
}

func matchers(list []cohort.Selector) []matcher {
	if len(list) == 0 {
		list = []cohort.Selector{{}}
	}
	all := make([]matcher, len(list))
	for i := range list {
		bare := list[i]
		bare.SoftwareVersion = nil
		all[i] = matcher{cohort.NewMatcher(&list[i]), cohort.NewMatcher(&bare), len(list[i].Tag) > 0}
	}
	return all
}

// Known tells of a CPE that is known from before: it is mounted if it is selected whatever
// its firmware is, and is mounted no more if it is not.
func (g *Gateway) Known(id usp.EndpointID, cpe cwmp.DeviceID) {
	_, mounted := g.of(id)
	switch {
	case !g.selects(cpe, func(m *matcher) *cohort.Matcher { return m.bare }, ""):
		g.unmount(id)
	case !mounted && g.selects(cpe, func(m *matcher) *cohort.Matcher { return m.all }, ""):
		g.mount(id, cpe)
	}
}

// Heard tells of a session of a CPE, with the firmware of its Inform, empty if it does not
// say. It is mounted if it is selected.
func (g *Gateway) Heard(cpe cwmp.DeviceID, softwareVersion string) {
	id, ok := g.opts.Agents.EndpointOf(cpe)
	if !ok {
		return
	}
	which := func(m *matcher) *cohort.Matcher { return m.all }
	m, mounted := g.of(id)
	if mounted && softwareVersion == "" {
		which = func(m *matcher) *cohort.Matcher { return m.bare }
	}
	switch selected := g.selects(cpe, which, softwareVersion); {
	case !selected:
		g.unmount(id)
		return
	case !mounted:
		if m, ok = g.mount(id, cpe); !ok {
			return
		}
	}
	g.mu.Lock()
	g.heard[id] = time.Now().Unix()
	was := g.online[id]
	g.online[id] = true
	g.mu.Unlock()
	if !was && mounted {
		g.tree.ContactChanged(m.number)
	}
}

func (g *Gateway) selects(cpe cwmp.DeviceID, which func(*matcher) *cohort.Matcher, softwareVersion string) bool {
	var tags []string
	asked := false
	return slices.ContainsFunc(g.matchers, func(m matcher) bool {
		if m.tags && !asked && g.opts.Tags != nil {
			tags, asked = g.opts.Tags(cpe), true
		}
		return which(&m).Match(cpe, softwareVersion, tags...)
	})
}

// of returns the mount of a Virtual Agent.
func (g *Gateway) of(id usp.EndpointID) (mount, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.byID[id]
	return m, ok
}

// mount mounts a CPE, if there is room.
func (g *Gateway) mount(id usp.EndpointID, cpe cwmp.DeviceID) (mount, bool) {
	g.changing.Lock()
	defer g.changing.Unlock()
	if m, ok := g.of(id); ok {
		return m, true
	}
	if !g.hasRoom(id) {
		return mount{}, false
	}
	name := strings.TrimSpace(strings.Join([]string{cpe.ProductClass, cpe.SerialNumber}, " "))
	n := g.tree.Mount(id, short(name), short(strings.TrimSpace(cpe.Manufacturer+" "+cpe.ProductClass)))
	g.mu.Lock()
	g.mountedAs(n, id)
	m := g.byID[id]
	g.mu.Unlock()
	g.Subscribed()
	return m, true
}

// short bounds what is said of a CPE in words of its own.
func short(s string) string {
	const most = 128
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// hasRoom reports whether one more may be mounted. Who may not is logged once.
func (g *Gateway) hasRoom(id usp.EndpointID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mounts) < g.opts.Max {
		return true
	}
	if !g.refused[id] {
		if len(g.refused) >= MaxMax {
			clear(g.refused)
		}
		if len(g.refused) == 0 {
			g.log.Warn("more CPE are selected than may be mounted; further ones are not",
				zap.Int("max", g.opts.Max), zap.String("first", string(id)))
		}
		g.refused[id] = true
		g.metrics.refused.Inc()
	}
	return false
}

// unmount ends the showing of a CPE.
func (g *Gateway) unmount(id usp.EndpointID) {
	g.changing.Lock()
	defer g.changing.Unlock()
	g.mu.Lock()
	m, ok := g.byID[id]
	if ok {
		delete(g.byID, id)
		delete(g.heard, id)
		delete(g.online, id)
		g.mounts = slices.DeleteFunc(g.mounts, func(have mount) bool { return have == m })
		g.metrics.mounted.Set(float64(len(g.mounts)))
		clear(g.refused) // there is room
	}
	g.mu.Unlock()
	if ok {
		g.tree.Unmount(id)
		g.Subscribed()
	}
}

// Contact implements agent.Mounts.
func (g *Gateway) Contact(of usp.EndpointID) (last time.Time, online bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := g.heard[of]; at != 0 {
		last = time.Unix(at, 0)
	}
	return last, g.online[of]
}

func (g *Gateway) isOnline(at int64) bool {
	return at != 0 && time.Since(time.Unix(at, 0)) < g.opts.OnlineFor
}

// look tells of the CPE that were not heard of for too long.
func (g *Gateway) look() {
	var gone []uint32
	g.mu.Lock()
	for id, m := range g.byID {
		if g.online[id] && !g.isOnline(g.heard[id]) {
			g.online[id] = false
			gone = append(gone, m.number)
		}
	}
	g.mu.Unlock()
	for _, n := range gone {
		g.tree.ContactChanged(n)
	}
}

// keepContacts keeps when CPE were heard of.
func (g *Gateway) keepContacts() {
	g.mu.Lock()
	raw, err := json.Marshal(g.heard)
	g.mu.Unlock()
	if err == nil { // numbers can always be encoded
		g.tree.Note(contactNote, string(raw))
	}
}

var _ Agents = (*agent.Host)(nil)
