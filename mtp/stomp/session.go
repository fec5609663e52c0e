// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// refusedError ends a connection with an ERROR that says why.
type refusedError struct {
	text  string
	cause error
}

func (e *refusedError) Error() string { return "stomp: refused: " + e.cause.Error() }
func (e *refusedError) Unwrap() error { return e.cause }

// run takes the STOMP frame and then all others. It returns nil if the client
// has said good-bye, and errRest to be called again.
func (l *link) run() (err error) {
	defer l.rescue(&err)
	if !l.established.Load() {
		if err := l.open(); err != nil {
			return err
		}
	}
	for {
		f, err := l.reader.next()
		if err != nil {
			return err
		}
		if l.flow.over() {
			continue // until the client closes the connection
		}
		// What is needed for a frame is not on the stack of an idle client.
		if over, err := l.handle(f); over || err != nil {
			return err
		}
	}
}

// open takes the STOMP frame and answers it.
func (l *link) open() error {
	f, err := l.reader.next()
	l.remote = l.conn.RemoteAddr().String() // waits for a PROXY header: not before
	if err == nil && f.command != cmdStomp && f.command != cmdConnect {
		err = violation("the first frame is neither STOMP nor CONNECT")
	}
	if err != nil {
		l.server.incomplete(l, err)
		return err
	}
	version, beats, err := l.connected(f)
	if err != nil {
		text, reason := refusal(err)
		l.metrics.Rejected(reason)
		l.logRefused(err)
		if _, ok := errors.AsType[*violationError](err); ok {
			return err
		}
		return &refusedError{text, err}
	}
	return l.welcome(version, beats)
}

// connected looks at the STOMP frame.
func (l *link) connected(f *frame) (version string, beats rhythm, err error) {
	if version = chooseVersion(f.literal(hdrAcceptVersion)); version == "" {
		err = &violationError{text: "supported protocol versions are 1.1 and 1.2", version: "1.1,1.2"}
		return version, beats, err
	}
	if beats, err = negotiate(f, minHeartBeat, l.opts.HeartBeat); err != nil {
		return version, beats, err
	}
	return version, beats, l.identify(f)
}

// chooseVersion returns the best common version, "" if there is none [STOMP 1.2,
// Protocol Negotiation]. A client of STOMP 1.0 sends no accept-version.
func chooseVersion(accepted string) string {
	best := ""
	for v := range strings.SplitSeq(accepted, ",") {
		if v = strings.TrimSpace(v); v == "1.2" || v == "1.1" {
			best = max(best, v)
		}
	}
	return best
}

// welcome sends CONNECTED, with the destination to subscribe to [R-STOMP.6].
// Its values are not escaped.
func (l *link) welcome(version string, beats rhythm) error {
	o := &l.server.opts
	l.flow.init(l, flowOptions{
		maxRecords: o.QueueRecords, maxBytes: o.QueueBytes, closeTimeout: o.CloseTimeout, metrics: l.metrics,
	})
	b := appendLiteral([]byte("CONNECTED\n"), "version", version)
	b = appendLiteral(b, "session", rand.Text())
	b = append(b, "server:uspgate\n"...)
	b = appendHeartBeat(b, minHeartBeat, o.HeartBeat)
	if l.peer.Endpoint != "" {
		b = appendLiteral(b, "subscribe-dest", o.Destinations.of(usp.Address{ID: l.peer.Endpoint, Role: l.role}))
	}
	if err := l.conn.send(appendEnd(b), nil); err != nil {
		return err
	}
	if err := l.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	l.reader.timeout, l.reader.rest, l.reader.maxBody = o.FrameTimeout, l.server.rest, o.MaxRecord
	l.pulse = newPulse(beats)
	if !l.establish() {
		return mtp.ErrDraining
	}
	return nil
}

// establish makes it known to drain and to the keeper.
func (l *link) establish() bool {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.server.draining {
		return false
	}
	l.established.Store(true)
	l.server.keeper.add(&l.core)
	return true
}

// handle deals with a frame; over says that the client has said good-bye.
func (l *link) handle(f *frame) (over bool, err error) {
	receipt, err := f.kept(hdrReceipt)
	if err != nil {
		return false, err
	}
	switch f.command {
	case cmdSend:
		return false, l.receive(f, receipt)
	case cmdSubscribe:
		return false, l.subscribe(f, receipt)
	case cmdUnsubscribe:
		return false, l.unsubscribe(f, receipt)
	case cmdDisconnect:
		if !f.has(hdrReceipt) {
			return true, nil
		}
		l.flow.depart(receipt)
		return false, nil
	case cmdBegin, cmdCommit, cmdAbort, cmdAck, cmdNack:
		return false, violation("a frame that USP does not use") // [R-STOMP.26]
	default:
		return false, violation("a frame that a client does not send after the first")
	}
}

// receive takes a SEND: a Record, which goes to its to_id, whatever its
// destination and content-type, of which Agents in the field have all kinds.
func (l *link) receive(f *frame, receipt string) error {
	if f.has(hdrTransaction) {
		return violation("a transaction that was not begun")
	}
	if err := l.learnReplyTo(f); err != nil {
		return err
	}
	t := l.flow.received(receipt, f.has(hdrReceipt))
	rec, err := usp.NewRecord(f.body)
	if err != nil {
		l.opts.Log.Debug("SEND dropped", zap.Error(err), zap.String("remote", l.remote))
		l.Ack(t, err)
		return nil
	}
	l.learn(f, &rec)
	if err := l.introduce(); err != nil {
		return err
	}
	l.take(&rec, l.elsewhere(), t)
	return nil
}

// elsewhere is the last reply-to-dest, or nothing if that is the only
// destination that the client is subscribed to: the router need not keep it for
// each request then.
func (l *link) elsewhere() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.subs) == 1 && l.subs[0].destination == l.replyTo {
		return ""
	}
	return l.replyTo
}

// learn notes what a SEND tells of its sender's role.
func (l *link) learn(f *frame, rec *usp.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.roleRank == roleConnected {
		return
	}
	if rec.Header().Type == usp.RecordSTOMPConnect {
		l.learnRole(usp.RoleAgent, roleConnected)
	} else if l.roleRank < roleSent {
		if a, ok := l.opts.Destinations.parse(f.text(hdrDestination)); ok {
			l.learnRole(a.Role.Opposite(), roleSent)
		}
	}
}

// roleRank orders what may tell the client's role.
type roleRank uint8

const (
	roleUnknown    roleRank = iota
	roleSubscribed          // to the destination of the template
	roleSent                // to the destination of a counterpart
	roleConnected           // a Connect Record, or by configuration
)

// learnRole keeps what is known best; l.mu is held.
func (l *link) learnRole(r usp.Role, rank roleRank) {
	if r != usp.RoleUnknown && rank > l.roleRank {
		l.role, l.roleRank, l.way.head = r, rank, l.way.head[:0]
	}
}

// words are the ERROR for the error that ends a connection; nil: none.
func (l *link) words(err error) []byte {
	if v, ok := errors.AsType[*violationError](err); ok {
		return errorFrame(v.text, v.version, "")
	}
	if r, ok := errors.AsType[*refusedError](err); ok {
		return errorFrame(r.text, "", "")
	}
	return nil
}
