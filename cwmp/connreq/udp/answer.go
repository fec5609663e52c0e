// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/uspgate/uspgate/cwmp/connreq/stun"
)

// Results of a message, labels of uspgate_stun_messages_total.
const (
	resultAnswered     = "answered"
	resultIndication   = "indication"
	resultUnauthorized = "unauthorized"
	resultUnknown      = "unknown_attribute"
	resultMalformed    = "malformed"
	resultUnsupported  = "unsupported"
	resultReflection   = "reflection"
	resultRate         = "rate"
)

// request is one STUN message in hand.
type request struct {
	*stun.Message
	from     netip.AddrPort
	socket   int
	username string // once it has been proved
	key      []byte // with which the answer is signed
}

// answer appends to dst what is to be sent for the datagram b, and says to whom.
// Nothing is appended if nothing is to be sent.
func (s *Server) answer(
	dst, b []byte, from netip.AddrPort, socket int, now time.Time,
) (out []byte, to netip.AddrPort, result string) {
	if a := from.Addr(); from.Port() == 0 || a.IsUnspecified() || a.IsMulticast() {
		return dst, from, resultMalformed
	}
	if !s.limiter.allow(from.Addr(), now) {
		return dst, from, resultRate
	}
	m, err := stun.Parse(b)
	if err != nil {
		return dst, from, resultMalformed
	}
	r := &request{Message: m, from: from, socket: socket}
	switch m.Type {
	case stun.BindingRequest:
	case stun.BindingIndication: // of RFC 5389: keeps the binding, without an answer
		if s.opts.Credentials == nil || s.opts.AllowAnonymous {
			s.note(r, now)
		}
		return dst, from, resultIndication
	default: // never an answer to an answer; a Shared Secret Request is for TLS
		return dst, from, resultUnsupported
	}
	if code := s.authenticate(r); code > 0 {
		return r.refuse(dst, code), from, resultUnauthorized
	}
	if unknown := r.unknown(); len(unknown) > 0 {
		return r.refuse(dst, 420, stun.Attribute{Type: stun.UnknownAttributes, Value: unknown}), from, resultUnknown
	}
	return s.bind(dst, r, now)
}

// bind answers a Binding Request that is in order.
func (s *Server) bind(dst []byte, r *request, now time.Time) (out []byte, to netip.AddrPort, result string) {
	if v, ok := r.Get(stun.ChangeRequest); ok && (len(v) != 4 || v[3]&6 != 0) {
		return dst, r.from, resultUnsupported // there is no other address to answer from
	}
	to = r.from
	if v, ok := r.Get(stun.ResponseAddress); ok {
		// A CPE finds out how long its NAT keeps a binding by a request from another
		// port, whose answer goes to the first [TR-069 G.2.1.2].
		// Deviation: RFC 3489 answers to any address, which lets anybody have us send
		// to anybody; we do to the address that asks only.
		if to, ok = stun.ParseAddress(v); !ok || to.Addr() != r.from.Addr() || to.Port() == 0 {
			return dst, r.from, resultReflection
		}
	} else {
		s.note(r, now)
	}
	m := &stun.Message{Type: stun.BindingResponse, ID: r.ID}
	m.Add(stun.MappedAddress, stun.AppendAddress(nil, r.from))
	if !r.Classic() {
		m.Add(stun.XORMappedAddress, stun.AppendXORAddress(nil, r.from, r.ID))
	} else if self, ok := s.self(r); ok {
		// Deviation: CHANGED-ADDRESS of RFC 3489 is another address and port of the
		// server. Annex G has no use for it, but some CPE want to see one.
		m.Add(stun.SourceAddress, stun.AppendAddress(nil, self))
		m.Add(stun.ChangedAddress, stun.AppendAddress(nil, self))
	}
	return m.Append(dst, r.key), to, resultAnswered
}

// self is the address for SOURCE-ADDRESS; false where it is not known, or of IPv6,
// where there is no NAT to find out about and the answer would be long.
func (s *Server) self(r *request) (netip.AddrPort, bool) {
	a := s.opts.Public
	if !a.IsValid() && r.socket < len(s.sockets) {
		a = s.sockets[r.socket].LocalAddr().(*net.UDPAddr).AddrPort()
	}
	return a, a.Addr().Unmap().Is4() && !a.Addr().IsUnspecified() && r.from.Addr().Is4()
}

// note remembers from where r came.
func (s *Server) note(r *request, now time.Time) {
	_, marked := r.Get(stun.ConnectionRequestBinding)
	s.bindings.note(binding{addr: r.from, socket: r.socket, at: now, marked: marked}, r.username)
}

// authenticate returns the error code for r, 0 if there is none
// [RFC 3489 8.1, RFC 5389 10.1.2].
func (s *Server) authenticate(r *request) int {
	if s.opts.Credentials == nil {
		return 0
	}
	if !r.Signed() {
		if s.opts.AllowAnonymous {
			return 0
		}
		return 401
	}
	name, ok := r.Get(stun.Username)
	if !ok {
		if r.Classic() {
			return 432
		}
		return 400
	}
	username := string(name)
	password, ok := s.opts.Credentials(username)
	key := []byte(password)
	if realm, has := r.Get(stun.Realm); has {
		key = stun.LongTermKey(username, string(realm), password)
	}
	if !ok || !r.Verify(key) { // one code for both, so that nobody learns who exists
		if r.Classic() {
			return 431
		}
		return 401
	}
	r.username, r.key = username, key
	return 0
}

// unknown lists the attributes that must be understood and are not, at most 8.
func (r *request) unknown() (list []byte) {
	for _, a := range r.Attributes {
		if a.Type < 0x8000 && !known(a.Type) && len(list) < 16 {
			list = binary.BigEndian.AppendUint16(list, a.Type)
		}
	}
	if len(list)%4 != 0 && r.Classic() {
		list = append(list, list[len(list)-2:]...) // [RFC 3489 11.2.10]
	}
	return list
}

func known(t uint16) bool {
	return t >= stun.MappedAddress && t <= 0x000b || t == stun.Realm || t == stun.Nonce || t == stun.XORMappedAddress
}

// refuse appends a Binding Error Response.
func (r *request) refuse(dst []byte, code int, more ...stun.Attribute) []byte {
	reason := map[int]string{
		400: "Bad Request", 401: "Unauthorized", 420: "Unknown Attribute", 431: "Integrity Check Failure",
		432: "Missing Username",
	}[code]
	if r.Classic() {
		for len(reason)%4 != 0 {
			reason += " " // [RFC 3489 11.2.9]
		}
	}
	m := &stun.Message{Type: stun.BindingError, ID: r.ID}
	m.Add(stun.ErrorCode, stun.AppendError(nil, code, reason))
	m.Attributes = append(m.Attributes, more...)
	return m.Append(dst, nil)
}
