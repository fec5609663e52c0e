// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// outbound is the Notifies of one Agent that wait for their NotifyResp.
type outbound struct {
	pending map[requestKey]*pending
}

// pending is one Notify with send_resp. It is sent again, the same bytes with
// the same msg_id, until it is answered or expires [R-NOT.1].
type pending struct {
	key     requestKey
	row     string // of the Subscription; empty for an OnBoardRequest
	payload []byte
	tries   int
	expires time.Time // zero is never
	timer   *timer
}

func (o *outbound) init() { o.pending = make(map[requestKey]*pending) }

// notify sends a Notify for a subscription, in order, without waiting for
// earlier ones to be answered. The lock is held.
func (a *Agent) notify(s *subscription, n *uspmsg.Notify) {
	if !a.mayHear(s.recipient, n) {
		return
	}
	if s.action != triggerNotify {
		a.configure(s)
	}
	if s.action == triggerConfig {
		return
	}
	n.SubscriptionId, n.SendResp = s.id, s.retry // [R-NOT.7]
	p := a.sendNotify(s.recipient, n)
	if p == nil || !s.retry {
		return
	}
	p.row = s.row
	if s.expire > 0 {
		p.expires = time.Now().Add(s.expire)
	}
	a.await(p)
}

// sendNotify posts a Notify and counts it. The lock is held.
func (a *Agent) sendNotify(to usp.EndpointID, n *uspmsg.Notify) *pending {
	id := "n" + strconv.FormatInt(a.host.started.UnixMilli(), 36) + "-" + strconv.FormatUint(a.host.notifies.Add(1), 10)
	payload := a.postMsg(to, &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_NOTIFY},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{
			Request: &uspmsg.Request{ReqType: &uspmsg.Request_Notify{Notify: n}},
		}},
	})
	if payload == nil {
		return nil
	}
	a.host.metrics.notifies.WithLabelValues(notifyLabel(n)).Inc()
	return &pending{key: requestKey{to, id}, payload: payload}
}

func notifyLabel(n *uspmsg.Notify) string {
	switch n.GetNotification().(type) {
	case *uspmsg.Notify_Event_:
		return "event"
	case *uspmsg.Notify_ValueChange_:
		return "value_change"
	case *uspmsg.Notify_ObjCreation:
		return "object_creation"
	case *uspmsg.Notify_ObjDeletion:
		return "object_deletion"
	case *uspmsg.Notify_OperComplete:
		return "operation_complete"
	default:
		return "on_board_request"
	}
}

// await keeps a Notify until it is answered. Past the bound it was sent once
// and is forgotten.
func (a *Agent) await(p *pending) {
	if len(a.notes.pending) >= a.host.opts.Pending || a.notes.size()+len(p.payload) > a.host.opts.PendingBytes {
		a.host.metrics.dropped.Inc()
		a.log.Warn("too many Notifies wait for their response; one more will not be repeated",
			zap.String("to", string(p.key.from)))
		return
	}
	a.notes.pending[p.key] = p
	a.changed()
	a.armRetry(p)
}

// size is how many bytes the Notifies have.
func (o *outbound) size() int {
	n := 0
	for _, p := range o.pending {
		n += len(p.payload)
	}
	return n
}

// armRetry waits for the time that USP-retry wants [R-NOT.2, R-NOT.3].
func (a *Agent) armRetry(p *pending) {
	p.tries++
	a.saving.dirty = true // worth saving with the next thing that is
	a.retryIn(p, a.retryWait(p.key.from, p.tries))
}

// retryIn sends the Notify again after wait, or gives it up when it expires.
func (a *Agent) retryIn(p *pending, wait time.Duration) {
	if !p.expires.IsZero() {
		wait = min(wait, time.Until(p.expires))
	}
	p.timer = a.after(wait, func() {
		if a.notes.pending[p.key] != p {
			return
		}
		if !p.expires.IsZero() && !time.Now().Before(p.expires) {
			a.host.metrics.dropped.Inc()
			delete(a.notes.pending, p.key)
			a.changed()
			return
		}
		a.postPayload(p.key.from, p.payload)
		a.armRetry(p)
	})
}

// retryWait returns how long to wait after try n, at random between
// m·(k/1000)^(n-1) and m·(k/1000)^n seconds, n at most 10.
func (a *Agent) retryWait(to usp.EndpointID, n int) time.Duration {
	m, k := 5.0, 2.0
	if row := a.controllerRow(to); row != "" {
		m = a.local.seconds(row + "USPNotifRetryMinimumWaitInterval").Seconds()
		k = a.local.seconds(row+"USPNotifRetryIntervalMultiplier").Seconds() / 1000
	}
	low := m * math.Pow(k, float64(min(n, 10)-1))
	wait := low + rand.Float64()*(low*k-low) // spreads load
	return time.Duration(min(wait, 1e6) * float64(time.Second))
}

// notifyAnswered ends the retries of a Notify [R-NOT.9]. The lock is held.
func (a *Agent) notifyAnswered(from usp.EndpointID, msgID string) {
	p := a.notes.pending[requestKey{from, msgID}]
	if p == nil {
		return
	}
	delete(a.notes.pending, p.key)
	a.changed()
	a.stop(p.timer)
	if p.row == "" {
		a.onBoardAnswered(from)
	}
}

// dropOrphans forgets the Notifies of Subscriptions that are gone, disabled, or
// do not want them repeated any more [R-NOT.1].
func (a *Agent) dropOrphans() {
	for key, p := range a.notes.pending {
		if p.row != "" && (!a.local.isTrue(p.row+"Enable") || !a.local.isTrue(p.row+"NotifRetry")) {
			delete(a.notes.pending, key)
			a.stop(p.timer)
			a.changed()
		}
	}
}

// kept returns what is to be stored of the Notifies, in no order.
func (o *outbound) kept() []PendingNotify {
	var all []PendingNotify
	for key, p := range o.pending {
		k := PendingNotify{
			To: key.from, MsgID: key.id, Row: p.row, Payload: p.payload, Tries: p.tries, Due: p.timer.at.Unix(),
		}
		if !p.expires.IsZero() {
			k.Expires = p.expires.Unix()
		}
		all = append(all, k)
	}
	return all
}

// resumeNotifies goes on with the Notifies of before; a restart of the gateway
// counts the tries anew [R-NOT.4].
func (a *Agent) resumeNotifies(list []PendingNotify, restarted bool) {
	for i := range list {
		k := &list[i]
		if a.controllerRow(k.To) == "" {
			continue // the configuration has it no more
		}
		p := &pending{key: requestKey{k.To, k.MsgID}, row: k.Row, payload: k.Payload, tries: k.Tries}
		if k.Expires != 0 {
			p.expires = time.Unix(k.Expires, 0)
		}
		a.notes.pending[p.key] = p
		if restarted {
			p.tries = 0
			a.armRetry(p)
		} else {
			a.retryIn(p, time.Until(time.Unix(k.Due, 0)))
		}
	}
}
