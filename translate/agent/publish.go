// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"slices"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// publish tells the subscribers what changed on the side of the CPE, and returns how
// many Notifies of values that was. The lock is held.
func (a *Agent) publish(d model.Delta) (values int) {
	if len(d.Created)+len(d.Deleted) > 0 {
		a.attrs.watch.rows++
	}
	if a.lanes.writing || len(d.Created)+len(d.Deleted) > 0 {
		a.tellOnce() // what a Controller has done and what rows there are is not to be as before
	}
	if a.disc.quiet || d.Empty() {
		return 0
	}
	changes := make([]change, 0, len(d.Changed)+len(d.Created)+len(d.Deleted))
	for _, row := range d.Created {
		if !a.making.appeared(row) {
			changes = append(changes, change{kind: createdRow, path: row, keys: a.keys(row)})
		}
	}
	for _, row := range d.Deleted {
		if !a.making.vanished(row) {
			changes = append(changes, change{kind: deletedRow, path: row})
		}
	}
	for i := range d.Changed {
		changes = append(changes, change{kind: changedValue, path: d.Changed[i].Path, value: d.Changed[i].Value})
	}
	values = a.emit(changes)
	if len(d.Created)+len(d.Deleted) > 0 {
		a.reconcileAttributes()
		a.changed()
	}
	return values
}

// unmade tells the subscribers what is left of a row that was made and removed again, whose
// removal d is: of what changed back nothing, unless they have heard of the change. The lock
// is held.
func (a *Agent) unmade(d model.Delta) {
	times := make(map[string]int, len(d.Changed))
	for i := range d.Changed {
		times[d.Changed[i].Path]++
	}
	d.Changed = slices.DeleteFunc(d.Changed, func(p model.Param) bool { return times[p.Path] > 1 })
	a.publish(d)
}

// publishFound is publish for what a read or an Inform has shown.
//
// Deviation coalesced_value: CWMP tells what a value is when the CPE informs or is read,
// not each change of it. What it was in between nobody hears of, and a ValueChange may
// stand for several.
func (a *Agent) publishFound(d model.Delta) {
	a.host.metrics.deviateBy(deviationCoalesced, a.publish(d))
}

// emit sends a Notify for each change to each subscriber [R-NOT.0], and returns how many
// of them are about values. The lock is held.
func (a *Agent) emit(changes []change) (values int) {
	told := false
	for i := range changes {
		c := &changes[i]
		for _, s := range a.subs.list {
			if s.typ == c.notifType() && a.hears(s) && s.wants(a, c.path) {
				a.notify(s, c.notify())
				told = told || !isLocal(c.path)
				if c.kind == changedValue {
					values++
				}
			}
		}
	}
	if told {
		a.tellOnce()
	}
	a.crossThresholds(changes)
	if len(changes) > 0 {
		a.subs.remember(a)
	}
	return values
}

// hears reports whether a Subscription is still there, or goes with its Controller, which
// is told so.
func (a *Agent) hears(s *subscription) bool {
	return a.local.isTrue(s.row+"Enable") || a.local.parting[s.recipient] != nil
}

func (c *change) notifType() string {
	switch c.kind {
	case createdRow:
		return notifObjectCreation
	case deletedRow:
		return notifObjectDeletion
	default:
		return notifValueChange
	}
}

func (c *change) notify() *uspmsg.Notify {
	switch c.kind {
	case createdRow:
		return &uspmsg.Notify{Notification: &uspmsg.Notify_ObjCreation{
			ObjCreation: &uspmsg.Notify_ObjectCreation{ObjPath: c.path, UniqueKeys: c.keys},
		}}
	case deletedRow:
		return &uspmsg.Notify{Notification: &uspmsg.Notify_ObjDeletion{
			ObjDeletion: &uspmsg.Notify_ObjectDeletion{ObjPath: c.path},
		}}
	default:
		return &uspmsg.Notify{Notification: &uspmsg.Notify_ValueChange_{
			ValueChange: &uspmsg.Notify_ValueChange{ParamPath: c.path, ParamValue: c.value},
		}}
	}
}

// emitEvent sends an event of the data model to its subscribers; only, unless
// empty, names the one Controller it is for. More, unless nil, returns what the
// event says to one recipient alone. The lock is held.
func (a *Agent) emitEvent(object, name string, params map[string]string, only usp.EndpointID,
	more func(to usp.EndpointID) map[string]string,
) {
	for _, s := range a.subs.list {
		if s.typ != notifEvent || only != "" && s.recipient != only || !s.wants(a, object+name) {
			continue
		}
		args := maps.Clone(params)
		if more != nil {
			maps.Copy(args, more(s.recipient))
		}
		a.notify(s, &uspmsg.Notify{Notification: &uspmsg.Notify_Event_{
			Event: &uspmsg.Notify_Event{ObjPath: object, EventName: name, Params: args},
		}})
	}
}

// emitComplete sends the OperationComplete of a command to its subscribers. The
// lock is held.
func (a *Agent) emitComplete(object, name, key string, output map[string]string, fail *usp.Error) {
	for _, s := range a.subs.list {
		if s.typ != notifOperationComplete || !s.wants(a, object+name) {
			continue
		}
		oc := &uspmsg.Notify_OperationComplete{ObjPath: object, CommandName: name, CommandKey: key}
		if fail != nil {
			oc.OperationResp = &uspmsg.Notify_OperationComplete_CmdFailure{
				CmdFailure: &uspmsg.Notify_OperationComplete_CommandFailure{ErrCode: uint32(fail.Code), ErrMsg: fail.Text},
			}
		} else {
			oc.OperationResp = &uspmsg.Notify_OperationComplete_ReqOutputArgs{
				ReqOutputArgs: &uspmsg.Notify_OperationComplete_OutputArgs{OutputArgs: output},
			}
		}
		a.notify(s, &uspmsg.Notify{Notification: &uspmsg.Notify_OperComplete{OperComplete: oc}})
	}
}
