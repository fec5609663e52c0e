// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"errors"
	"fmt"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

// errBusyClientID is the outcome of a takeover that did not come to an end.
var errBusyClientID = errors.New("the connection before with this ClientID does not end")

// register makes l the client of its ClientID. The one before ends first, and
// entirely: its Down comes before the LinkUp of the newer one [MQTT-3.1.4-3].
func (s *Server) register(l *link) error {
	id := l.clientID
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return mtp.ErrDraining
	}
	before := s.links[id]
	if before != nil && !before.mayBeReplacedBy(l) {
		s.mu.Unlock()
		return fmt.Errorf("the ClientID belongs to %s: %w", before.peer.Endpoint, mtp.ErrForbidden)
	}
	s.links[id] = l
	l.conn.established = l
	s.mu.Unlock()
	if before == nil {
		s.plain.wills.cancel(id)
		return nil
	}
	before.replaced()
	timeout := time.NewTimer(s.opts.HandshakeTimeout)
	defer timeout.Stop()
	select {
	case <-before.gone:
		s.plain.wills.cancel(id)
		return nil
	case <-timeout.C:
		return errBusyClientID
	}
}

// mayBeReplacedBy reports whether newer may take the ClientID over: nobody takes
// it from an Endpoint that has proved who it is but that Endpoint.
func (l *link) mayBeReplacedBy(newer *link) bool {
	if l.peer.Identity.Method == methodNone {
		return true
	}
	return newer.peer.Identity.Method != methodNone && newer.peer.Endpoint == l.peer.Endpoint
}

// replaced ends the link for a newer one of the same ClientID. It does not wait
// for PUBACKs: the connection is in all likelihood dead.
func (l *link) replaced() {
	if l.v5 {
		l.conn.try(disconnect(true, closeCode(mtp.ErrReplaced).Code))
	}
	l.flow.fail(mtp.ErrReplaced)
}
