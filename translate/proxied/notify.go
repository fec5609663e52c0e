// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// maxNotes is how many Notifies of Virtual Agents wait to be passed on; the Virtual Agents
// send again what is beyond it.
const maxNotes = 4096

// note is a Notify of a Virtual Agent.
type note struct {
	from    usp.EndpointID
	version string
	msgID   string
	notify  *uspmsg.Notify
}

// notes are the Notifies in hand. What a command has come to waits until the Request that
// has begun it is answered.
type notes struct {
	mu       sync.Mutex
	queue    []note
	begun    map[usp.EndpointID]int // Operates in hand
	deferred map[usp.EndpointID][]note
	waiting  int           // in all of deferred
	wake     chan struct{} // capacity 1
}

func (n *notes) init() {
	n.begun = make(map[usp.EndpointID]int)
	n.deferred = make(map[usp.EndpointID][]note)
	n.wake = make(chan struct{}, 1)
}

// Notified takes a Record of a Virtual Agent to the gateway Agent as its Controller. It
// never blocks. Anything but a Notify is ignored.
func (g *Gateway) Notified(rec usp.Record) {
	h := rec.Header()
	msg := &uspmsg.Msg{}
	if h.Type != usp.RecordNoSession || proto.Unmarshal(h.Payload, msg) != nil ||
		msg.GetBody().GetRequest().GetNotify() == nil {
		return
	}
	one := note{
		from: usp.EndpointID(strings.Clone(string(h.From))), version: strings.Clone(h.Version),
		msgID: msg.GetHeader().GetMsgId(), notify: msg.GetBody().GetRequest().GetNotify(),
	}
	n := &g.notes
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case len(n.queue)+n.waiting >= maxNotes:
		g.metrics.notifies.WithLabelValues("dropped").Inc()
		return
	case one.notify.GetOperComplete() != nil && n.begun[one.from] > 0:
		n.deferred[one.from] = append(n.deferred[one.from], one)
		n.waiting++
		return
	}
	n.queue = append(n.queue, one)
	signal(n.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// begin notes that an Operate is on its way to a Virtual Agent; end that it is answered.
func (n *notes) begin(id usp.EndpointID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.begun[id]++
}

func (n *notes) end(id usp.EndpointID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.begun[id]--; n.begun[id] > 0 {
		return
	}
	delete(n.begun, id)
	n.waiting -= len(n.deferred[id])
	n.queue = append(n.queue, n.deferred[id]...)
	delete(n.deferred, id)
	signal(n.wake)
}

func (n *notes) take() []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.queue
	n.queue = nil
	return list
}

// pass passes the Notifies in hand on. The Virtual Agents are answered once what was
// passed is kept.
func (g *Gateway) pass() {
	list := g.notes.take()
	if len(list) == 0 {
		return
	}
	for i := range list {
		g.passOne(&list[i])
	}
	if err := g.tree.Commit(); err != nil {
		g.log.Warn("Notifies are not kept; the Virtual Agents send them again", zap.Error(err))
		return
	}
	for i := range list {
		g.acknowledge(&list[i])
	}
}

func (g *Gateway) passOne(n *note) {
	result := "not_wanted"
	defer func() { g.metrics.notifies.WithLabelValues(result).Inc() }()
	m, ok := g.of(n.from)
	key, mine := strings.CutPrefix(n.notify.GetSubscriptionId(), mirrorID)
	if !ok || !mine || isHidden(subject(n.notify)) {
		return
	}
	inside := n.notify
	outside, _ := proto.Clone(inside).(*uspmsg.Notify)
	m.outMessage(outside)
	if key == commandsKey {
		if o := outside.GetOperComplete(); o != nil {
			g.tree.CloseRequest(n.from, o.GetObjPath()+o.GetCommandName(), o.GetCommandKey())
		}
		return
	}
	result = "passed"
	g.tree.Notify(subscriptionTable+key+".", outside, inside)
}

// subject is the path that a Notify is about.
func subject(n *uspmsg.Notify) string {
	switch {
	case n.GetValueChange() != nil:
		return n.GetValueChange().GetParamPath()
	case n.GetObjCreation() != nil:
		return n.GetObjCreation().GetObjPath()
	case n.GetObjDeletion() != nil:
		return n.GetObjDeletion().GetObjPath()
	case n.GetOperComplete() != nil:
		return n.GetOperComplete().GetObjPath()
	default:
		return n.GetEvent().GetObjPath()
	}
}

func (g *Gateway) acknowledge(n *note) {
	if !n.notify.GetSendResp() {
		return
	}
	taken := &uspmsg.NotifyResp{SubscriptionId: n.notify.GetSubscriptionId()}
	msg := &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: n.msgID, MsgType: uspmsg.Header_NOTIFY_RESP},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Response{
			Response: &uspmsg.Response{RespType: &uspmsg.Response_NotifyResp{NotifyResp: taken}},
		}},
	}
	raw, err := proto.Marshal(msg)
	if err == nil { // the Virtual Agent sends it again where this is refused
		err = g.opts.Agents.Deliver(usp.NewNoSession(g.opts.EndpointID, n.from, n.version, raw), nil)
	}
	if err != nil {
		g.log.Debug("a Virtual Agent does not take a NotifyResp", zap.Error(err))
	}
}

// lookEvery is how often it is looked who was not heard of for too long; keepEvery is how
// often it is kept when CPE were heard of.
const (
	lookEvery = time.Minute
	keepEvery = 10 * time.Minute
)

// Run serves until ctx ends; at return no goroutine of the Gateway is alive. It returns
// nil.
func (g *Gateway) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	front, stop := context.WithCancel(context.WithoutCancel(ctx))
	all.Go(func() {
		if err := g.front.Run(front); err != nil {
			g.log.Error("the gateway Agent has ended", zap.Error(err))
		}
	})
	all.Go(func() { g.mirror.run(ctx, g) })
	defer stop()
	g.tree.Booted()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	kept := time.Now()
	for {
		select {
		case <-ctx.Done():
			g.keepContacts()
			return nil
		case <-g.notes.wake:
			g.pass()
		case <-look.C:
			g.look()
			if time.Since(kept) >= keepEvery {
				g.keepContacts()
				kept = time.Now()
			}
		}
	}
}
