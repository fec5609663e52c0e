// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// ProxiedTable is the table of mounted CPE in a gateway Agent.
const ProxiedTable = "Device.ProxiedDevice."

// Kept beside the tree of a gateway Agent, and no parameters of it: by the Endpoint ID of
// a Virtual Agent the number that its CPE has for ever, by any name what package proxied
// has to remember, and with a row of the Request table whose command it is.
const (
	hiddenNumber = "+Number "
	hiddenNote   = "+Note "
	hiddenOf     = "+Of"
	hiddenTheirs = "+Theirs"
)

// endpointColumn is the Endpoint ID of the Virtual Agent of a mounted CPE.
const endpointColumn = "X_USPGATE_EndpointID"

// gatewayObjects is what a gateway Agent has beside Device.LocalAgent. [TR-181
// ProxiedDevice:1].
//
// Deviation: ProxyProtocol is CWMP, which TR-181 has no word for, and Type is empty: the
// types of TR-181 are those of things at home.
//
// Deviation: the Endpoint ID of the Virtual Agent of a mounted CPE is shown as
// X_USPGATE_EndpointID, so that a Controller can go on with the CPE itself.
func gatewayObjects() []*localObject {
	root := obj("Device.", ro("RootDataModelVersion", path.TypeString, "2.19"), count("ProxiedDevice"))
	root.events = []event{{"Boot!", []string{"CommandKey", "Cause", "Reason", "FirmwareUpdated", "ParameterMap"}}}
	info := obj(deviceInfo,
		calc("Manufacturer", path.TypeString, func(a *Agent, _ string) string { return a.identity.Manufacturer }),
		calc("ManufacturerOUI", path.TypeString, func(a *Agent, _ string) string { return a.identity.OUI }),
		calc("ProductClass", path.TypeString, func(a *Agent, _ string) string { return a.identity.ProductClass }),
		calc("SerialNumber", path.TypeString, func(a *Agent, _ string) string { return a.identity.SerialNumber }),
		calc("SoftwareVersion", path.TypeString, func(a *Agent, _ string) string { return a.host.opts.SoftwareVersion }),
		calc("UpTime", path.TypeUnsignedInt, func(a *Agent, _ string) string { return number(int(a.upTime().Seconds())) }),
		rw("FriendlyName", path.TypeString, "", maxLen(64)),
	)
	info.columns["UpTime"].still = true
	row := obj(ProxiedTable+"{i}.",
		alias(),
		ro("Type", path.TypeString, ""),
		ro("Description", path.TypeString, ""),
		rw("Name", path.TypeString, "", maxLen(256)),
		calc("Online", path.TypeBoolean, func(a *Agent, row string) string {
			_, online := a.host.opts.Mounts.Contact(usp.EndpointID(a.local.values[row+endpointColumn]))
			return strconv.FormatBool(online)
		}),
		calc("LastTimeContacted", path.TypeDateTime, func(a *Agent, row string) string {
			last, _ := a.host.opts.Mounts.Contact(usp.EndpointID(a.local.values[row+endpointColumn]))
			if last.IsZero() {
				return unknownTime
			}
			return last.UTC().Format(time.RFC3339)
		}),
		ro("InterfaceReference", path.TypeString, ""),
		ro("ProxyProtocol", path.TypeString, "CWMP"),
		ro("NodeNumberOfEntries", path.TypeUnsignedInt, "0"),
		ro(endpointColumn, path.TypeString, ""),
	).keyed([]string{"Alias"})
	row.columns["LastTimeContacted"].still = true
	return []*localObject{root, info, row}
}

func mountRow(number uint32) string {
	return ProxiedTable + strconv.FormatUint(uint64(number), 10) + "."
}

// SplitMount takes a path in Device.ProxiedDevice. apart: rows is an instance number, * or
// an expression with its brackets, below what is in the rows, empty for them themselves. ok
// is false for any other path, and for the table as a whole.
func SplitMount(p string) (rows, below string, ok bool) {
	rest, ok := strings.CutPrefix(p, ProxiedTable)
	if !ok || rest == "" {
		return "", "", false
	}
	brackets, quoted := 0, false
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			brackets++
		case c == ']':
			brackets--
		case c == '.' && brackets == 0:
			return rest[:i], rest[i+1:], i > 0
		}
	}
	return rest, "", true
}

// InMount reports whether what is below a row of Device.ProxiedDevice. is the CPE's, not a
// parameter of the row: an object, a command or an event.
func InMount(below string) bool {
	return strings.ContainsAny(below, ".") || strings.HasSuffix(below, "()") || strings.HasSuffix(below, "!")
}

// isMounted reports whether a reference of a Subscription leads into a mounted CPE.
func (a *Agent) isMounted(ref string) bool {
	_, below, ok := SplitMount(ref)
	return ok && a.isGateway() && InMount(below)
}

// Mount shows a CPE: that of a Virtual Agent, with what Name and Description begin with.
// It has the same number as ever.
func (g *Gateway) Mount(of usp.EndpointID, name, description string) (number uint32) {
	a := g.a
	a.lock()
	defer a.unlock()
	l := a.local
	t := l.begin()
	known := l.values[hiddenNumber+string(of)]
	if n, ok := parseUint(known); ok && known != "" {
		row := mountRow(uint32(n))
		if l.values[row+endpointColumn] == string(of) {
			return uint32(n)
		}
		t.insert(ProxiedTable, uint32(n))
		number = uint32(n)
	} else {
		t.add(ProxiedTable, "")
		number = l.next[ProxiedTable]
		l.values[hiddenNumber+string(of)] = strconv.FormatUint(uint64(number), 10)
	}
	row := mountRow(number)
	l.values[row+endpointColumn], l.values[row+"Description"] = string(of), description
	if l.values[row+"Name"] == "" {
		l.values[row+"Name"] = name
	}
	t.commit()
	a.changed()
	return number
}

// insert makes a row that has been there before, with the number that it had.
func (t *tx) insert(table string, n uint32) {
	l := t.l
	row := table + strconv.FormatUint(uint64(n), 10) + "."
	l.rows[table] = append(l.rows[table], n)
	slices.Sort(l.rows[table])
	l.values[row+"Alias"] = "cpe-" + strconv.FormatUint(uint64(n), 10)
	t.undo = append(t.undo, func() { l.drop(row) })
	t.changes = append(t.changes, change{kind: createdRow, path: row})
	t.counted(table)
}

// Unmount shows the CPE of a Virtual Agent no more. Its number is kept for it.
func (g *Gateway) Unmount(of usp.EndpointID) {
	a := g.a
	a.lock()
	defer a.unlock()
	known := a.local.values[hiddenNumber+string(of)]
	n, ok := parseUint(known)
	row := mountRow(uint32(n))
	if !ok || a.local.values[row+endpointColumn] != string(of) {
		return
	}
	t := a.local.begin()
	t.remove(row)
	t.commit()
}

// Mounted returns the Virtual Agents whose CPE are shown, by their numbers.
func (g *Gateway) Mounted() map[uint32]usp.EndpointID {
	a := g.a
	a.lock()
	defer a.unlock()
	all := make(map[uint32]usp.EndpointID)
	for _, n := range a.local.rows[ProxiedTable] {
		all[n] = usp.EndpointID(a.local.values[mountRow(n)+endpointColumn])
	}
	return all
}

// ContactChanged tells the subscribers that Online of a mounted CPE has another value.
func (g *Gateway) ContactChanged(number uint32) {
	a := g.a
	a.lock()
	defer a.unlock()
	p := mountRow(number) + "Online"
	if v, ok := a.local.value(p); ok {
		a.emit([]change{{kind: changedValue, path: p, value: v}})
	}
}

// Booted tells the subscribers that the gateway has started.
func (g *Gateway) Booted() {
	g.a.lock()
	defer g.a.unlock()
	g.a.emitBoot(&bootOrder{cause: causeLocalReboot})
}

// Column returns a parameter of a mounted CPE that is the gateway's own.
func (g *Gateway) Column(number uint32, name string) (string, bool) {
	g.a.lock()
	defer g.a.unlock()
	return g.a.local.value(mountRow(number) + name)
}

// Note keeps a value by a name with the State of the Agent, empty to forget it.
func (g *Gateway) Note(name, value string) {
	g.a.lock()
	defer g.a.unlock()
	if g.a.local.values[hiddenNote+name] == value {
		return
	}
	if value == "" {
		delete(g.a.local.values, hiddenNote+name)
	} else {
		g.a.local.values[hiddenNote+name] = value
	}
	g.a.changed()
}

// Notes returns what Note has kept, by name.
func (g *Gateway) Notes() map[string]string {
	g.a.lock()
	defer g.a.unlock()
	all := make(map[string]string)
	for k, v := range g.a.local.values {
		if name, ok := strings.CutPrefix(k, hiddenNote); ok {
			all[name] = v
		}
	}
	return all
}

// Commit is Agent.Commit.
func (g *Gateway) Commit() error { return g.a.Commit() }

// Interest is an enabled Subscription.
type Interest struct {
	Row        string // its path
	NotifType  string
	References []string
}

// Interests returns the enabled Subscriptions.
func (g *Gateway) Interests() []Interest {
	a := g.a
	a.lock()
	defer a.unlock()
	list := make([]Interest, len(a.subs.list))
	for i, s := range a.subs.list {
		list[i] = Interest{Row: s.row, NotifType: s.typ, References: references(a.local.get(s.row + "ReferenceList"))}
	}
	return list
}

// Notify sends a Notify to the Recipient of a Subscription, with its ID, if that is still
// enabled and the Recipient may hear of what is told, and of its counterpart in the CPE:
// inside is the Notify as the Virtual Agent has it.
func (g *Gateway) Notify(row string, n, inside *uspmsg.Notify) {
	a := g.a
	a.lock()
	defer a.unlock()
	for _, s := range a.subs.list {
		if s.row == row && a.mayHear(s.recipient, inside) {
			a.notify(s, n)
		}
	}
}

// OpenRequest makes the row of a command that a Controller has begun at a Virtual Agent,
// and returns its path without the dot at the end. Theirs is that of the Virtual Agent.
func (g *Gateway) OpenRequest(by usp.EndpointID, command, key string, of usp.EndpointID, theirs string,
) (string, *usp.Error) {
	a := g.a
	a.lock()
	defer a.unlock()
	t := a.local.begin()
	row := t.add(requestTable, by)
	t.set(row+"Originator", string(by))
	t.set(row+"Command", command)
	t.set(row+"CommandKey", key)
	t.set(row+"Status", requestActive)
	a.local.values[row+hiddenOf], a.local.values[row+hiddenTheirs] = string(of), theirs
	if err := a.local.checkRow(row); err != nil {
		t.rollback()
		return "", err
	}
	t.commit()
	return strings.TrimSuffix(row, "."), nil
}

// CloseRequest removes the row of a command that is over.
func (g *Gateway) CloseRequest(of usp.EndpointID, command, key string) {
	a := g.a
	a.lock()
	defer a.unlock()
	for _, row := range rowsOf(a.local, requestTable) {
		if a.local.values[row+hiddenOf] == string(of) && a.local.get(row+"Command") == command &&
			a.local.get(row+"CommandKey") == key {
			a.dropRequest(row)
			return
		}
	}
}

// RequestOf returns whose command a row of the Request table is, and its row there; false
// if it is the gateway's own, or none.
func (g *Gateway) RequestOf(row string) (of usp.EndpointID, theirs string, ok bool) {
	g.a.lock()
	defer g.a.unlock()
	id, ok := g.a.local.values[row+hiddenOf]
	return usp.EndpointID(id), g.a.local.values[row+hiddenTheirs], ok
}

// OpenRequests returns the Virtual Agents that have commands under way.
func (g *Gateway) OpenRequests() map[usp.EndpointID]bool {
	g.a.lock()
	defer g.a.unlock()
	all := make(map[usp.EndpointID]bool)
	for row := range maps.Keys(g.a.local.values) {
		if strings.HasSuffix(row, hiddenOf) && strings.HasPrefix(row, requestTable) {
			all[usp.EndpointID(g.a.local.values[row])] = true
		}
	}
	return all
}
