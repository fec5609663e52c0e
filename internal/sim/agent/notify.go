// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// post sends a notification of every one of the Subscriptions, with the answer to what
// is in hand before it.
func (a *Agent) post(subs []string, n func() *uspmsg.Notify) {
	if a.muted {
		return
	}
	for _, sub := range subs {
		if !a.tree.isTrue(a.tree.get(sub+"Recipient") + ".Enable") {
			continue
		}
		to := a.controllerOf(a.tree.get(sub + "Recipient"))
		m := n()
		m.SubscriptionId, m.SendResp = a.tree.get(sub+"ID"), a.tree.isTrue(sub+"NotifRetry") // [R-NOT.7]
		expires, _ := strconv.Atoi(a.tree.get(sub + "NotifExpiration"))                      // 0 is never
		a.outbox = append(a.outbox, func() { a.notify(to, m, time.Duration(expires)*time.Second) })
	}
}

func (a *Agent) valueChanged(param, value string) {
	if row, name := split(param); name == periodicInterval && strings.HasPrefix(row, controllerTable) {
		a.outbox = append(a.outbox, func() { a.schedule(row) })
	}
	if c := a.tree.schema.column(path.Generic(param)); c != nil && c.still {
		return
	}
	a.post(a.subscribers("ValueChange", param, false), func() *uspmsg.Notify {
		return &uspmsg.Notify{Notification: &uspmsg.Notify_ValueChange_{
			ValueChange: &uspmsg.Notify_ValueChange{ParamPath: param, ParamValue: value},
		}}
	})
}

func (a *Agent) rowCreated(row string) {
	keys := a.tree.keys(row)
	a.post(a.subscribers("ObjectCreation", row, true), func() *uspmsg.Notify {
		return &uspmsg.Notify{Notification: &uspmsg.Notify_ObjCreation{
			ObjCreation: &uspmsg.Notify_ObjectCreation{ObjPath: row, UniqueKeys: keys},
		}}
	})
}

func (a *Agent) rowDeleted(row string) {
	a.post(a.subscribers("ObjectDeletion", row, true), func() *uspmsg.Notify {
		return &uspmsg.Notify{Notification: &uspmsg.Notify_ObjDeletion{
			ObjDeletion: &uspmsg.Notify_ObjectDeletion{ObjPath: row},
		}}
	})
}

func (a *Agent) event(object, name string, params map[string]string) {
	a.eventTo(a.subscribers("Event", object+name, false), object, name, params)
}

func (a *Agent) eventTo(subs []string, object, name string, params map[string]string) {
	a.post(subs, func() *uspmsg.Notify {
		return &uspmsg.Notify{Notification: &uspmsg.Notify_Event_{
			Event: &uspmsg.Notify_Event{ObjPath: object, EventName: name, Params: params},
		}}
	})
}

func (a *Agent) completed(object, name, key string, output map[string]string, err *usp.Error) {
	a.post(a.subscribers("OperationComplete", object+name, false), func() *uspmsg.Notify {
		c := &uspmsg.Notify_OperationComplete{ObjPath: object, CommandName: name, CommandKey: key}
		if err != nil {
			c.OperationResp = &uspmsg.Notify_OperationComplete_CmdFailure{
				CmdFailure: &uspmsg.Notify_OperationComplete_CommandFailure{ErrCode: uint32(err.Code), ErrMsg: err.Text},
			}
		} else {
			c.OperationResp = &uspmsg.Notify_OperationComplete_ReqOutputArgs{
				ReqOutputArgs: &uspmsg.Notify_OperationComplete_OutputArgs{OutputArgs: output},
			}
		}
		return &uspmsg.Notify{Notification: &uspmsg.Notify_OperComplete{OperComplete: c}}
	})
}

// retry is a notification that waits for its NotifyResp.
type retry struct {
	to      usp.EndpointID
	msg     *uspmsg.Msg
	expires time.Time // zero: never
	times   int
	timer   *time.Timer
}

// maxWaiting bounds the notifications that wait for their NotifyResp.
const maxWaiting = 1024

// notify sends a notification, again and again if it wants to be answered.
func (a *Agent) notify(to usp.EndpointID, n *uspmsg.Notify, expires time.Duration) {
	id := "n" + strconv.FormatUint(a.counter.Add(1), 10)
	r := &retry{to: to, msg: &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_NOTIFY},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{
			Request: &uspmsg.Request{ReqType: &uspmsg.Request_Notify{Notify: n}},
		}},
	}}
	if expires > 0 {
		r.expires = time.Now().Add(expires)
	}
	if n.GetSendResp() && len(a.waiting) < maxWaiting {
		a.waiting[id] = r
	}
	a.try(r)
}

// try sends a notification once, and sets the time of the next [R-NOT.1].
func (a *Agent) try(r *retry) {
	if l, hint, _ := a.node.Route(r.to); l != nil {
		a.send(l, r.to, hint, r.msg)
	} else {
		a.log.Warn("no link for a notification", zap.String("endpoint_id", string(r.to)))
	}
	if a.waiting[r.msg.GetHeader().GetMsgId()] != r {
		return
	}
	r.times++
	r.timer = a.after(a.pause(r), func() {
		if !r.expires.IsZero() && time.Now().After(r.expires) {
			delete(a.waiting, r.msg.GetHeader().GetMsgId())
			return
		}
		a.try(r)
	})
}

// maxRetryStep is the step from which the pauses do not grow any more [R-NOT.2].
const maxRetryStep = 10

// pause is how long to wait for the answer: after the n-th time between m·kⁿ⁻¹ and m·kⁿ.
func (a *Agent) pause(r *retry) time.Duration {
	row := a.controllerRow(r.to)
	least, _ := strconv.ParseFloat(a.tree.get(row+"USPNotifRetryMinimumWaitInterval"), 64)
	factor, _ := strconv.ParseFloat(a.tree.get(row+"USPNotifRetryIntervalMultiplier"), 64)
	low := least * math.Pow(factor/1000, float64(min(r.times, maxRetryStep)-1))
	s := low + rand.Float64()*low*(factor/1000-1)
	return time.Duration(s * float64(time.Second))
}

// answered takes a NotifyResp, and reports whether one was awaited [R-NOT.9].
func (a *Agent) answered(from usp.EndpointID, msgID string) bool {
	r := a.waiting[msgID]
	if r == nil || r.to != from {
		return false
	}
	a.stop(r.timer)
	delete(a.waiting, msgID)
	return true
}
