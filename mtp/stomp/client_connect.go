// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"fmt"

	"github.com/uspgate/uspgate/usp"
)

// connect sends the STOMP frame and takes CONNECTED: the heart-beats agreed on,
// and the own destination.
func (l *clientLink) connect() (rhythm, error) {
	if err := l.conn.send(l.stompFrame(), nil); err != nil {
		return rhythm{}, err
	}
	f, err := l.reader.next()
	if err != nil {
		return rhythm{}, err
	}
	switch {
	case f.command == cmdError:
		return rhythm{}, errorOf(f)
	case f.command != cmdConnected:
		return rhythm{}, violation("the first frame of the broker is not CONNECTED")
	case !f.is(hdrVersion, "1.2"):
		return rhythm{}, fmt.Errorf("the broker chooses version %.16q", f.literal(hdrVersion))
	}
	assigned, err := f.kept(hdrSubscribeDest)
	if err != nil {
		return rhythm{}, err
	}
	o := &l.client.opts
	switch {
	case l.client.subscribes():
		l.assigned = assigned
	case assigned != "":
		l.own = assigned // [R-STOMP.6, R-STOMP.14]
	case o.OwnDestination != "":
		l.own = o.OwnDestination // [R-STOMP.15]
	case o.Assigned:
		return rhythm{}, errNoDestination // [R-STOMP.16]
	default:
		l.own = o.Destinations.of(usp.Address{ID: o.Endpoint, Role: o.Role})
	}
	return negotiate(f, o.HeartBeat, o.HeartBeat)
}

// stompFrame is the first frame [R-STOMP.2]. Its values are not escaped but for
// endpoint-id, where USP wants it [R-STOMP.4].
func (l *clientLink) stompFrame() []byte {
	o, u := &l.client.opts, l.client.url
	b := []byte("STOMP\naccept-version:1.2\n")
	host := o.VirtualHost // [R-STOMP.5]
	if host == "" {
		host = u.Hostname()
	}
	b = appendLiteral(b, "host", host)
	if o.Endpoint != "" {
		b = appendHeader(b, "endpoint-id", string(o.Endpoint))
	}
	username, password := o.Username, o.Password
	if username == "" && u.User != nil {
		username = u.User.Username()
		password, _ = u.User.Password()
	}
	if username != "" { // [R-STOMP.3]
		b = appendLiteral(b, "login", username)
		b = appendLiteral(b, "passcode", password)
	}
	return appendEnd(appendHeartBeat(b, o.HeartBeat, o.HeartBeat))
}

// subscribe asks for the own destination [R-STOMP.12, R-STOMP.13, R-STOMP.17],
// or for those of all Endpoints that are represented, and one that the broker
// has named. Records are sent when the broker has confirmed the own one.
func (l *clientLink) subscribe() error {
	frames := l.client.attach(l)
	destination := l.own
	if destination == "" {
		destination = l.assigned
	}
	receipt := receiptReady
	if l.client.opts.NoReceipts || destination == "" {
		receipt = ""
	}
	if destination != "" {
		frames = appendSubscribe(frames, "0", destination, receipt)
	}
	l.flow.tell(frames)
	if receipt == "" {
		return l.ready()
	}
	return nil
}
