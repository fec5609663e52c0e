// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// request is a POST whose Record has been taken and that waits for its
// outcome, and then, if that comes separately, for the ACK of its answer.
type request struct {
	n       *node
	way     way
	mid     uint16
	token   [tokenSize]byte
	tokenN  uint8
	con     bool
	waiting bool // an empty ACK was sent, the answer is to come separately
	blocked bool // it had a Block1 option
	block   block
	seen    *seen
	timer   timer // of the empty ACK
	ex      exchange
	code    codes.Code // the answer

	rec     usp.Record
	held    int    // bytes counted in node.held
	replyTo string // where the sender wants its answers, as a URI and parsed
	target  *target
	rebind  bool // the Link's default destination has changed
	ticket  mtp.Token
}

// onRequest deals with a request, or a repetition of one.
func (n *node) onRequest(fx *effects, w way, m *message.Message, data []byte) {
	key := midKey{w, uint16(m.MessageID)}
	e, again := n.memory.find(key, maphash.Bytes(n.transfers.seed, data), time.Now())
	if again {
		if len(e.answer) > 0 {
			fx.raw(w, e.answer)
		}
		return
	}
	r := &request{n: n, way: w, mid: key.mid, con: m.Type == typeConfirmable, seen: e}
	r.tokenN = uint8(copy(r.token[:], m.Token))
	code, body := n.take(r, m)
	if code != 0 {
		if code != codes.Continue && code != codes.Content {
			n.metrics.Received(outcomeOf(code))
		}
		r.code = code
		r.answer(fx, body)
	}
}

// take checks a request and takes its Record. A code that is not 0 is the
// answer, with a body.
func (n *node) take(r *request, m *message.Message) (codes.Code, string) {
	place, segment := n.placeOf(m.Options)
	switch {
	case place == placeNone:
		return refusePath, ""
	case place == placeCore && m.Code == codes.GET:
		return codes.Content, n.listing(m.Options)
	case place == placeCore, m.Code != codes.POST:
		return refuseMethod, "" // [R-COAP.11]
	}
	if code := checkOptions(m.Options); code != 0 {
		return code, ""
	}
	if err := n.readReplyTo(r, m.Options); err != nil {
		return refuseReplyTo, "reply-to" // [R-COAP.2]
	}
	body, code := n.body(r, m)
	if code != 0 {
		return code, ""
	}
	r.held = cap(body)
	err := n.deliver(r, body, segment)
	if err == nil {
		return 0, ""
	}
	n.held -= r.held
	return codeOf(err), ""
}

// checkOptions refuses what cannot be understood [RFC 7252 5.4.1], and what is
// not an octet stream [R-COAP.12].
func checkOptions(opts message.Options) codes.Code {
	for i := range opts {
		switch id := opts[i].ID; id {
		case message.URIHost, message.URIPort, message.URIPath, message.URIQuery, message.Accept,
			message.Block1, message.Block2:
		case message.ProxyURI, message.ProxyScheme:
			return refuseProxy
		default:
			if id&1 == 1 {
				return refuseOption
			}
		}
	}
	if v, ok := uintValue(opts, message.ContentFormat); !ok || v != uint32(message.AppOctets) {
		return refuseFormat
	}
	return 0
}

// body is the Record of a request, or of the last of its blocks.
func (n *node) body(r *request, m *message.Message) ([]byte, codes.Code) {
	v, ok := uintValue(m.Options, message.Block1)
	if !ok {
		return n.whole(m.Payload)
	}
	r.blocked, r.block = true, blockOf(v)
	body, code := n.assemble(r.way, m, r.block)
	if limit, _ := szxOf(n.opts.BlockSize); r.block.szx > limit {
		r.block.szx = limit // the peer is to go on with smaller ones [RFC 7959 2.3]
	}
	return body, code
}

// deliver gives a Record to its Link.
func (n *node) deliver(r *request, body []byte, segment string) error {
	rec, err := usp.NewRecord(body)
	if err != nil {
		return mtp.ErrMalformed // [R-COAP.13]
	}
	r.rec = rec
	h := r.rec.Header()
	if segment != "" && segment != resourceOf(h.To) {
		return mtp.ErrUnroutable // the resource is another Endpoint's
	}
	if h.From == "" {
		return mtp.ErrMalformed
	}
	if n.draining {
		return mtp.ErrBusy
	}
	l, err := n.role.link(r)
	if err != nil {
		return err
	}
	return l.push(r)
}

var errReplyTo = errors.New("coap: reply-to")

// readReplyTo finds out where the sender of a Record wants its answers.
func (n *node) readReplyTo(r *request, opts message.Options) error {
	source := r.way.addr
	for i := range opts {
		if opts[i].ID != message.URIQuery {
			continue
		}
		if uri, ok := strings.CutPrefix(string(opts[i].Value), replyToQuery); ok {
			return n.useReplyTo(r, uri, source)
		}
	}
	if !n.opts.ReplyToOptional {
		return errReplyTo
	}
	r.target = &target{
		secure: n.secure != nil, host: source.Addr().String(), port: source.Port(),
		path: strings.Split(n.opts.Path, "/"),
	}
	r.replyTo = r.target.String()
	return nil
}

// useReplyTo checks a reply-to: its host must be the one that the Record came
// from, or lie in a network that is allowed. Otherwise anybody could direct our
// Records at anybody.
func (n *node) useReplyTo(r *request, uri string, source netip.AddrPort) error {
	t, err := parseTarget(uri)
	if err != nil {
		return err
	}
	if t.secure != (n.secure != nil) {
		return errReplyTo // our socket speaks one of the two
	}
	addr, ok := t.address()
	switch {
	case n.opts.ReplyToSource:
		addr = source
	case !ok:
		return errReplyTo // a name: it would be resolved by us
	case addr.Addr().WithZone("") == source.Addr().WithZone(""):
		addr = netip.AddrPortFrom(source.Addr(), addr.Port()) // with the zone as we know it
	case !slices.ContainsFunc(n.opts.ReplyTo, func(p netip.Prefix) bool { return p.Contains(addr.Addr()) }):
		return errReplyTo
	}
	t.host, t.port = addr.Addr().String(), addr.Port()
	r.target, r.replyTo = &t, t.String()
	return nil
}

// settled sends the answer to a Record: piggybacked if that is still possible.
func (r *request) settled(fx *effects, err error) {
	r.n.clock.disarm(&r.timer)
	r.code = codeOf(err)
	r.answer(fx, "")
	r.rec = usp.Record{}
}

// answer sends the answer and remembers it for repetitions of the request.
func (r *request) answer(fx *effects, body string) {
	m := message.Message{Type: typeAck, MessageID: int32(r.mid)}
	switch {
	case r.con && r.waiting && len(r.n.byMID) < r.n.opts.MaxExchanges:
		r.n.launch(fx, &r.ex, r, r.way, nil)
		return
	case !r.con, r.waiting: // once, without ACK: too many wait for theirs
		r.n.lastMID++
		m.Type, m.MessageID = typeNonConfirmable, int32(r.n.lastMID)
	}
	r.fill(fx, &m)
	if body != "" {
		m.Payload = []byte(body)
		if r.code == codes.Content {
			m.Options = append(m.Options, fx.uintOption(message.ContentFormat, uint32(message.AppLinkFormat)))
		}
	}
	r.seen.answer = slices.Clone(fx.put(r.way, &m))
}

// fill implements exchanger: the response [R-COAP.7].
func (r *request) fill(fx *effects, m *message.Message) {
	m.Code, m.Token = r.code, r.token[:r.tokenN]
	opts := fx.opts[:0]
	if r.code == codes.ServiceUnavailable {
		opts = append(opts, fx.uintOption(message.MaxAge, busyMaxAge))
	}
	if r.blocked {
		opts = append(opts, fx.uintOption(message.Block1, r.block.value()))
	}
	if r.code == codes.RequestEntityTooLarge {
		opts = append(opts, fx.uintOption(message.Size1, uint32(r.n.opts.MaxRecord)))
	}
	m.Options = opts
}

// Nothing follows the ACK of a separate answer, nor its loss: a peer that did
// not hear it will send the Record again.

// acked implements exchanger.
func (r *request) acked(*effects) {}

// reset implements exchanger.
func (r *request) reset(*effects) {}

// lost implements exchanger.
func (r *request) lost(*effects) {}

// expire implements expirer: the outcome takes its time, so that the peer is
// told to wait for it [RFC 7252 5.2.2].
func (r *request) expire(fx *effects) {
	r.waiting = true
	if r.con {
		r.seen.answer = slices.Clone(fx.empty(r.way, typeAck, r.mid))
	}
}

// oversized answers a datagram that was cut off.
func (n *node) oversized(fx *effects, w way, data []byte, d *decoder) {
	n.metrics.Received(mtp.ErrTooLarge)
	m, err := d.decode(data)
	if err != nil || m.Code>>5 != 0 || m.Code == codes.Empty || m.Type != typeConfirmable {
		return
	}
	r := &request{n: n, way: w, mid: uint16(m.MessageID), con: true, seen: new(seen), code: codes.RequestEntityTooLarge}
	r.tokenN = uint8(copy(r.token[:], m.Token))
	r.answer(fx, "")
}
