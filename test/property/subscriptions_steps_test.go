// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func (r *run) did(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	r.say("--- %s", text)
	return text
}

// rows are the numbers of the rows that the CPE has; they grow and grow.
func (r *run) rows(t *table) [][]int {
	if t.single {
		return [][]int{nil}
	}
	r.oracle.mu.Lock()
	top := r.oracle.top
	r.oracle.mu.Unlock()
	var out [][]int
	for n := 1; n <= top; n++ {
		if _, ok := r.cpe.Value(t.row([]int{n}, true) + t.columns[0].raw); ok {
			out = append(out, []int{n})
		}
	}
	return out
}

// pick is one of the rows that the CPE has.
func (r *run) pick() (row string, ok bool) {
	t := r.shape.tables[0]
	rows := r.rows(t)
	if len(rows) == 0 {
		return "", false
	}
	return t.row(rows[r.rng.IntN(len(rows))], true), true
}

func sample[T any](r *run, list []T) T { return list[r.rng.IntN(len(list))] }

// settable is a column that may change, and a value for it.
func (r *run) settable(t *table) (*column, string) {
	for {
		c := &t.columns[r.rng.IntN(len(t.columns))]
		if len(c.good) > 1 && c.name != "UpTime" {
			return c, sample(r, c.good)
		}
	}
}

// change is that somebody changes values at the CPE.
func (r *run) change() string {
	var what []string
	for range 1 + r.rng.IntN(3) {
		t := sample(r, r.shape.tables)
		object := t.raw
		if !t.single {
			row, ok := r.pick()
			if !ok {
				continue
			}
			object = row
		}
		c, v := r.settable(t)
		what = append(what, fmt.Sprintf("%s=%q", object+c.raw, v))
		if err := r.cpe.SetValue(object+c.raw, v); err != nil {
			r.t.Fatal(err)
		}
		r.changes++
	}
	return r.did("changed: %s", strings.Join(what, " "))
}

func (r *run) addRow() string {
	r.changes++
	row, err := r.cpe.AddRow(r.shape.tables[0].raw)
	if err != nil {
		return r.did("no row added: %v", err)
	}
	_, n := split(row)
	r.oracle.mu.Lock()
	r.oracle.top = max(r.oracle.top, n)
	r.oracle.mu.Unlock()
	return r.did("row added: %s", row)
}

func (r *run) removeRow() string {
	row, ok := r.pick()
	if !ok {
		return "no row to remove"
	}
	r.changes++
	if err := r.cpe.RemoveRow(row); err != nil {
		r.t.Fatal(err)
	}
	return r.did("row removed: %s", row)
}

// known is a row that Controllers know.
func (r *run) known() (string, bool) {
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	var rows []string
	for row := range r.oracle.seen.rows {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	if len(rows) == 0 {
		return "", false
	}
	return sample(r, rows), true
}

func (r *run) set() string {
	t := sample(r, r.shape.tables)
	object := t.path
	if !t.single {
		row, ok := r.known()
		if !ok {
			return "nothing to set"
		}
		object = sample(r, []string{row, row, mapping + "*."})
	}
	c, v := r.settable(t)
	for c.key || c.fixed {
		c, v = r.settable(t)
	}
	r.changes++
	what := r.did("Set %s%s=%q", object, c.name, v)
	r.ask(sample(r, r.ctls), uspmsg.Header_SET, setReq(object, c.name, v))
	return what
}

func setReq(object string, nameValue ...string) *uspmsg.Request {
	u := &uspmsg.Set_UpdateObject{ObjPath: object}
	for i := 0; i < len(nameValue); i += 2 {
		u.ParamSettings = append(u.ParamSettings,
			&uspmsg.Set_UpdateParamSetting{Param: nameValue[i], Value: nameValue[i+1], Required: true})
	}
	return &uspmsg.Request{ReqType: &uspmsg.Request_Set{Set: &uspmsg.Set{UpdateObjs: []*uspmsg.Set_UpdateObject{u}}}}
}

func addReq(table string, nameValue ...string) *uspmsg.Request {
	c := &uspmsg.Add_CreateObject{ObjPath: table}
	for i := 0; i < len(nameValue); i += 2 {
		c.ParamSettings = append(c.ParamSettings,
			&uspmsg.Add_CreateParamSetting{Param: nameValue[i], Value: nameValue[i+1], Required: true})
	}
	return &uspmsg.Request{ReqType: &uspmsg.Request_Add{Add: &uspmsg.Add{CreateObjs: []*uspmsg.Add_CreateObject{c}}}}
}

func deleteReq(path string) *uspmsg.Request {
	return &uspmsg.Request{ReqType: &uspmsg.Request_Delete{Delete: &uspmsg.Delete{ObjPaths: []string{path}}}}
}

func (r *run) add() string {
	r.next++
	r.changes++
	settings := []string{"ExternalPort", strconv.Itoa(20_000 + r.next), "Enable", sample(r, words)}
	if r.rng.IntN(3) == 0 {
		settings = append(settings, "InternalPort", "70000") // refused: the row is made and removed again
	}
	what := r.did("Add %q", settings)
	r.ask(sample(r, r.ctls), uspmsg.Header_ADD, addReq(mapping, settings...))
	r.oracle.added()
	return what
}

func (r *run) remove() string {
	row, ok := r.known()
	if !ok {
		return "nothing to delete"
	}
	r.changes++
	what := r.did("Delete %s", row)
	r.ask(sample(r, r.ctls), uspmsg.Header_DELETE, deleteReq(row))
	return what
}

func (r *run) get() string {
	row, _ := r.known()
	path := sample(r, []string{
		mapping, mapping + "*.Description", "Device.NAT.", "Device.DeviceInfo.ProvisioningCode", "Device.Time.NTPServer1",
		"Device.NAT.PortMappingNumberOfEntries", row + "Enable",
	})
	if path == "Enable" {
		path = mapping
	}
	what := r.did("Get %s", path)
	r.ask(sample(r, r.ctls), uspmsg.Header_GET,
		&uspmsg.Request{ReqType: &uspmsg.Request_Get{Get: &uspmsg.Get{ParamPaths: []string{path}}}})
	return what
}

func (r *run) inform() string {
	what := r.did("Inform")
	r.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
	return what
}

// enough Subscriptions make no difference any more.
const enough = 40

// subscribe adds a Subscription.
func (r *run) subscribe() string {
	if len(r.oracle.subs) >= enough {
		return r.unsubscribe()
	}
	r.next++
	s := &sub{topic: sample(r, r.topics), id: "s" + strconv.Itoa(r.next), to: sample(r, r.ctls)}
	s.retry, s.persistent = r.rng.IntN(2) == 0, r.rng.IntN(4) > 0
	s.expires = s.retry && r.rng.IntN(4) == 0
	settings := []string{
		"ID", s.id, "NotifType", s.typ, "ReferenceList", s.ref, "Enable", "true",
		"NotifRetry", strconv.FormatBool(s.retry), "Persistent", strconv.FormatBool(s.persistent),
	}
	if s.expires {
		settings = append(settings, "NotifExpiration", "600")
	}
	if r.rng.IntN(8) == 0 {
		settings = append(settings, "TimeToLive", "7201")
		s.until = time.Now().Truncate(time.Second).Add(7201 * time.Second)
	}
	what := r.did("%s subscribes %q", s.to, settings)
	r.oracle.mu.Lock()
	r.oracle.subs = append(r.oracle.subs, s)
	r.oracle.mu.Unlock()
	resp := r.ask(s.to, uspmsg.Header_ADD, addReq("Device.LocalAgent.Subscription.", settings...))
	for _, c := range resp.GetBody().GetResponse().GetAddResp().GetCreatedObjResults() {
		s.row = c.GetOperStatus().GetOperSuccess().GetInstantiatedPath()
	}
	if s.row == "" {
		r.t.Fatalf("%s: got %v, want the Subscription", what, resp)
	}
	return what
}

// subscription is one of those that there are.
func (r *run) subscription() *sub {
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	if len(r.oracle.subs) == 0 {
		return nil
	}
	return sample(r, r.oracle.subs)
}

func (r *run) unsubscribe() string {
	s := r.subscription()
	if s == nil {
		return "nothing to unsubscribe"
	}
	what := r.did("no more: %s", s.id)
	r.ask(s.to, uspmsg.Header_DELETE, deleteReq(s.row))
	r.oracle.forget(func(other *sub) bool { return other == s })
	return what
}

func (r *run) toggle() string {
	s := r.subscription()
	if s == nil {
		return "nothing to switch"
	}
	r.oracle.mu.Lock()
	s.off = !s.off
	r.oracle.unlearn(func(key string) bool { return strings.HasPrefix(key, s.id+": ") })
	maps.DeleteFunc(r.oracle.ids, func(_ string, n *sent) bool { return n.sub == s }) // nobody repeats these
	r.oracle.mu.Unlock()
	what := r.did("%s off: %t", s.id, s.off)
	r.ask(s.to, uspmsg.Header_SET, setReq(s.row, "Enable", strconv.FormatBool(!s.off)))
	return what
}

// refuse has the CPE refuse notification attributes, once or from now on, or not any more.
func (r *run) refuse() string {
	code := sample(r, []int{0, 0, cwmp.FaultNotificationRejected, cwmp.FaultResourcesExceeded, cwmp.FaultInternalError})
	once := r.rng.IntN(3) == 0
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuses = nil
	if f := (&cwmp.Fault{Code: code, Text: "at random"}); code != 0 && once {
		r.cpe.FailNext("SetParameterAttributes", f)
	} else if code != 0 {
		r.refuses = f
	}
	r.lines = append(r.lines, fmt.Sprintf("--- refuses attributes: %d, once: %t", code, once))
	return r.lines[len(r.lines)-1]
}

func (r *run) operate(command string) string {
	what := r.did("%s", command)
	r.ask(sample(r, r.ctls), uspmsg.Header_OPERATE, &uspmsg.Request{ReqType: &uspmsg.Request_Operate{
		Operate: &uspmsg.Operate{Command: command, CommandKey: "k" + strconv.Itoa(r.next), SendResp: true},
	}})
	r.wait(30 * time.Second)
	return what
}

func (r *run) reboot() string { return r.operate("Device.Reboot()") }

func (r *run) reset() string {
	r.changes++
	return r.operate("Device.FactoryReset()")
}

func (r *run) powerCut() string {
	what := r.did("power cut")
	r.mu.Lock()
	r.off = true
	r.mu.Unlock()
	r.cpe.Off()
	r.wait(time.Duration(r.rng.IntN(600)) * time.Second)
	r.change()
	r.mu.Lock()
	r.off = false
	r.mu.Unlock()
	r.cpe.On()
	return what
}

func (r *run) restartGateway() string {
	what := r.did("the gateway restarts")
	r.restart(false)
	r.oracle.forget(func(s *sub) bool { return !s.persistent })
	return what
}

func (r *run) killGateway() string {
	what := r.did("the gateway is killed")
	r.restart(true)
	r.oracle.forget(func(s *sub) bool { return !s.persistent })
	return what
}

// leave has a Controller go, or come back.
func (r *run) leave() string {
	id := sample(r, r.ctls)
	r.mu.Lock()
	r.away[id] = !r.away[id]
	away := r.away[id]
	r.mu.Unlock()
	return r.did("%s away: %t", id, away)
}

func (r *run) idle() string {
	d := time.Duration(r.rng.IntN(1200)) * time.Second
	what := r.did("%s later", d)
	r.wait(d)
	return what
}
