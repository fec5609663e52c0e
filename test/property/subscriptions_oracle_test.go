// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// oracle knows what the CPE has shown, and so which Notifies there have to be. It looks at
// the messages of both sides, and nowhere else.
type oracle struct {
	shape *shape
	say   func(format string, args ...any)

	mu sync.Mutex
	// seen is what was shown; numbers are those of the rows in Device:2, by the CPE's name.
	seen    shown
	numbers map[string]int
	last    map[string]int  // number given, by table
	making  map[string]bool // rows that an Add has made and that was not answered yet
	subs    []*sub
	due     map[string]int // Notifies that have to come, less those that have
	ids     map[string]*sent
	wrong   []string
	// latest is the last value that a Subscription was told of a parameter.
	latest map[string]string
	count  int // changes shown
	top    int // the highest number that the CPE has given to a row
}

// sub is a Subscription.
type sub struct {
	topic
	row, id    string
	to         usp.EndpointID
	off        bool
	retry      bool
	persistent bool
	expires    bool      // a Notify that is not answered is given up
	until      time.Time // zero: for ever
}

// sent is a Notify, by its msg_id.
type sent struct {
	sub       *sub
	text      string
	delivered bool
}

func newOracle(s *shape, say func(string, ...any)) *oracle {
	return &oracle{
		shape: s, say: say, seen: shown{make(map[string]bool), make(tree)}, numbers: make(map[string]int),
		last: make(map[string]int), making: make(map[string]bool), due: make(map[string]int),
		ids: make(map[string]*sent), latest: make(map[string]string), top: 1,
	}
}

// inform takes an Inform.
func (o *oracle) inform(in *cwmp.Inform) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var events []string
	for _, e := range in.Events {
		events = append(events, e.Code)
	}
	o.say("cwmp> Inform %v", events)
	o.show(func(s *shown) { s.take(o, in.Params) })
}

// answer takes what the CPE answers to a request.
func (o *oracle) answer(req cwmp.Request, resp cwmp.Response) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f, failed := resp.(*cwmp.Fault)
	o.say("cwmp> %s %s", req.Method(), brief(req, f))
	switch m := req.(type) {
	case *cwmp.GetParameterNames:
		if got, ok := resp.(*cwmp.GetParameterNamesResponse); ok && !m.NextLevel {
			o.names(m.Path, got.Params)
		}
	case *cwmp.GetParameterValues:
		if got, ok := resp.(*cwmp.GetParameterValuesResponse); ok {
			o.values(m.Names, got.Params)
		} else if failed && f.Code == cwmp.FaultInvalidParameterName && len(m.Names) == 1 && cwmp.IsPartialPath(m.Names[0]) {
			o.values(m.Names, nil)
		}
	case *cwmp.SetParameterValues:
		if !failed {
			o.show(func(s *shown) { s.take(o, m.Params) })
		}
	case *cwmp.AddObject:
		if got, ok := resp.(*cwmp.AddObjectResponse); ok {
			row, _, _ := o.name(m.ObjectName + strconv.Itoa(int(got.InstanceNumber)) + ".")
			o.making[row] = true
			o.top = max(o.top, int(got.InstanceNumber))
			o.show(func(s *shown) { s.row(o, row) })
		}
	case *cwmp.DeleteObject:
		if !failed || f.Code == cwmp.FaultInvalidParameterName { // or it was gone already
			o.show(func(s *shown) { s.keep(o, m.ObjectName, nil) })
		}
	}
}

func brief(req cwmp.Request, f *cwmp.Fault) string {
	out := ""
	switch m := req.(type) {
	case *cwmp.GetParameterValues:
		out = fmt.Sprint(m.Names[:min(len(m.Names), 4)])
	case *cwmp.SetParameterValues:
		out = fmt.Sprint(m.Params)
	case *cwmp.SetParameterAttributes:
		out = fmt.Sprintf("%d of %d", m.Params[0].Notification, len(m.Params))
	case *cwmp.AddObject:
		out = m.ObjectName
	case *cwmp.DeleteObject:
		out = m.ObjectName
	}
	if f != nil {
		out += fmt.Sprintf(" fault %d", f.Code)
	}
	return out
}

func (o *oracle) names(under string, infos []cwmp.ParameterInfo) {
	names := make([]string, len(infos))
	for i := range infos {
		names[i] = infos[i].Name
	}
	slices.SortStableFunc(names, byNumbers)
	o.show(func(s *shown) {
		s.keep(o, under, o.rowsIn(names))
		for _, n := range names {
			if row, _, _ := o.name(n); row != "" {
				s.row(o, row)
			}
		}
	})
}

func (o *oracle) values(names []string, vals []cwmp.ParameterValue) {
	o.show(func(s *shown) {
		there := make([]string, len(vals))
		for i := range vals {
			there[i] = vals[i].Name
		}
		for _, n := range names {
			if cwmp.IsPartialPath(n) {
				s.keep(o, n, o.rowsIn(there))
			}
		}
		s.take(o, vals)
	})
}

// show changes what was shown, and says what there is to be told of it.
func (o *oracle) show(change func(*shown)) {
	before := o.seen.clone()
	change(&o.seen)
	for row := range o.seen.rows {
		if !before.rows[row] && !o.making[row] {
			o.expect(event{"created", row, ""}, before)
		}
	}
	for row := range before.rows {
		if !o.seen.rows[row] {
			if o.making[row] {
				delete(o.making, row)
				continue
			}
			o.expect(event{"deleted", row, ""}, before)
			o.unlearn(func(key string) bool { return strings.Contains(key, ": "+row) })
		}
	}
	for p, v := range o.seen.values {
		if was, ok := before.values[p]; ok && was != v {
			o.expect(event{"changed", p, v}, before)
		}
	}
}

// event is something that was shown.
type event struct{ kind, path, value string }

func (c event) String() string {
	return strings.TrimSpace(c.kind + " " + c.path + " " + strconv.Quote(c.value))
}

func (o *oracle) expect(c event, before shown) {
	o.count++
	o.say("shown: %s", c)
	for _, s := range o.subs {
		over := !s.until.IsZero() && !time.Now().Before(s.until)
		if !s.off && !over && s.kind == c.kind && s.about(c.path, before, o.seen) {
			o.due[s.id+": "+c.String()]++
		}
	}
}

// unlearn forgets what was told: it may be told again.
func (o *oracle) unlearn(what func(key string) bool) {
	maps.DeleteFunc(o.latest, func(key, _ string) bool { return what(key) })
}

// added is the end of an Add: its rows are there now.
func (o *oracle) added() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for row := range o.making {
		delete(o.making, row)
		o.expect(event{"created", row, ""}, o.seen)
	}
}

// notified takes a Notify. One that comes again is the same.
func (o *oracle) notified(to usp.EndpointID, msgID string, n *uspmsg.Notify, delivered bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if had := o.ids[msgID]; had != nil {
		had.delivered = had.delivered || delivered
		return
	}
	c := event{"?", "", ""}
	switch {
	case n.GetValueChange() != nil:
		c = event{"changed", n.GetValueChange().GetParamPath(), n.GetValueChange().GetParamValue()}
	case n.GetObjCreation() != nil:
		c = event{"created", n.GetObjCreation().GetObjPath(), ""}
	case n.GetObjDeletion() != nil:
		c = event{"deleted", n.GetObjDeletion().GetObjPath(), ""}
	case n.GetOnBoardReq() != nil:
		return
	}
	o.say("usp< %s: %s (%s)", n.GetSubscriptionId(), c, msgID)
	i := slices.IndexFunc(o.subs, func(s *sub) bool { return s.id == n.GetSubscriptionId() && s.to == to })
	if i < 0 {
		o.wrong = append(o.wrong, fmt.Sprintf("Notify for no Subscription: %s %s", n.GetSubscriptionId(), c))
		return
	}
	s := o.subs[i]
	key := s.id + ": " + c.path
	if had, ok := o.latest[key]; ok && c.kind == "changed" && had == c.value &&
		!strings.Contains(s.ref, "[") { // what was different meanwhile was not meant then
		o.wrong = append(o.wrong, fmt.Sprintf("told again: %s: %s", s.id, c))
	}
	o.latest[key] = c.value
	if s.retry {
		o.ids[msgID] = &sent{sub: s, text: s.id + ": " + c.String(), delivered: delivered}
	}
	if n.GetSendResp() != s.retry {
		o.wrong = append(o.wrong, fmt.Sprintf("got send_resp %t of %s, want %t", n.GetSendResp(), s.id, s.retry))
	}
	if o.derived(c.path) {
		return
	}
	o.due[s.id+": "+c.String()]--
}

// derived says whether a parameter is made by the Agent of others, or counts rows: when
// that changes is not seen on the wire.
func (o *oracle) derived(p string) bool {
	_, leaf := splitLast(p)
	return slices.Contains(o.shape.made, leaf) || strings.HasSuffix(leaf, "NumberOfEntries")
}

func splitLast(p string) (object, leaf string) {
	i := strings.LastIndexByte(p, '.')
	return p[:i+1], p[i+1:]
}

// owed says what was told too often or not at all, and begins anew.
func (o *oracle) owed() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.wrong
	for _, text := range slices.Sorted(maps.Keys(o.due)) {
		if o.due[text] == 0 {
			continue
		}
		out = append(out, fmt.Sprintf("want %d more Notifies: %s", o.due[text], text))
	}
	o.wrong = nil
	clear(o.due)
	return out
}

// undelivered are Notifies that have to be repeated, and were never heard.
func (o *oracle) undelivered() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, n := range o.ids {
		if !n.delivered && !n.sub.expires && slices.Contains(o.subs, n.sub) && !n.sub.off {
			out = append(out, n.text)
		}
	}
	slices.Sort(out)
	return out
}

// forget is the end of Subscriptions: they do not outlive something, or their time is over.
func (o *oracle) forget(gone func(*sub) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.subs = slices.DeleteFunc(o.subs, func(s *sub) bool {
		if gone(s) {
			o.say("no more: %s", s.id)
		}
		return gone(s)
	})
}
