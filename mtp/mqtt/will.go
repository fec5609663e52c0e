// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"bytes"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// will is what a client wants to be said when it goes without a good-bye
// [MQTT-3.1.2-8].
type will struct {
	*message
	record *usp.Record // nil: plain MQTT
	reply  string      // where the answer to record is wanted
	expiry uint32      // seconds
	delay  time.Duration
}

// willOf returns the will of a CONNECT, nil if there is none that is of use.
func (s *Server) willOf(pk *packets.Packet) *will {
	c, p := &pk.Connect, &pk.Connect.WillProperties
	if !c.WillFlag {
		return nil
	}
	w := &will{expiry: p.MessageExpiryInterval}
	payload := bytes.Clone(c.WillPayload)
	if s.opts.carriesRecord(c.WillTopic, p.ContentType) {
		rec, err := usp.NewRecord(payload)
		if err != nil {
			s.opts.Log.Debug("the will is no Record", zap.Error(err), zap.String("client_id", pk.Connect.ClientIdentifier))
			return nil
		}
		w.record = &rec
		w.reply = replyTopic(c.WillTopic, p.ResponseTopic)
		return w
	}
	w.message = newMessage(c.WillTopic, payload, p, c.WillQos, c.WillRetain)
	seconds := min(p.WillDelayInterval, pk.Properties.SessionExpiryInterval)
	w.delay = min(time.Duration(seconds)*time.Second, s.opts.MaxWillDelay)
	return w
}

// testament has the will done after a connection that ended with err; nil: the
// client has taken it back. It runs on the goroutine that read. A Record goes
// before Port.Down, and nobody hears of its outcome. When the server stops,
// nothing is said: the clients are not gone, we are.
func (l *link) testament(err error) {
	w := l.will
	if w == nil || err == nil || l.server.stopping() {
		return
	}
	if w.record == nil {
		l.server.plain.bequeath(l, w)
		return
	}
	if l.port == nil {
		return // it never was a Link
	}
	t, _ := l.flow.received(0, 0)
	l.port.Accept(*w.record, mtp.Hint{ReplyTo: w.reply}, t)
}

// wills are plain wills that wait, by ClientID.
type wills struct {
	mu      sync.Mutex
	waiting map[string]*time.Timer
	closed  bool
	wg      sync.WaitGroup
}

// bequeath publishes a will, after its delay unless the client comes back before
// [MQTT-3.1.3-9].
//
// Deviation: the delay is kept although the session has ended with its
// connection, as long as the client wanted the session to last: that it comes
// back within is what it says.
func (p *plain) bequeath(l *link, w *will) {
	do := func() {
		if !p.allows(l, w.topic, true) || p.opts.deep(w.topic) {
			return
		}
		w.expireIn(w.expiry)
		_ = p.publish(l, w.message) // nobody is there to be told
	}
	if w.delay == 0 || !p.wills.wait(l.clientID, w.delay, p.opts.MaxWills, do) {
		do()
	}
}

// wait calls do after d, unless cancel comes before. It is false if too many
// wait.
func (w *wills) wait(id string, d time.Duration, limit int, do func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.waiting) >= limit || w.waiting[id] != nil {
		return false
	}
	if w.waiting == nil {
		w.waiting = make(map[string]*time.Timer)
	}
	w.wg.Add(1)
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		defer w.wg.Done()
		w.mu.Lock()
		due := w.waiting[id] == timer
		if due {
			delete(w.waiting, id)
		}
		w.mu.Unlock()
		if due {
			do()
		}
	})
	w.waiting[id] = timer
	return true
}

// cancel forgets the will of a client that has come back.
func (w *wills) cancel(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if timer := w.waiting[id]; timer != nil {
		delete(w.waiting, id)
		if timer.Stop() {
			w.wg.Done()
		}
	}
}

// close forgets them all.
func (w *wills) close() {
	w.mu.Lock()
	w.closed = true
	for id, timer := range w.waiting {
		delete(w.waiting, id)
		if timer.Stop() {
			w.wg.Done()
		}
	}
	w.mu.Unlock()
	w.wg.Wait()
}
