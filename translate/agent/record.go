// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// supportedVersions is what GetSupportedProtocol answers; the last one is
// usp.Version.
const supportedVersions = "1.0,1.1,1.2,1.3,1.4"

// receive takes one Record for this Agent. See Host.Deliver.
func (a *Agent) receive(rec usp.Record, done func(error)) error {
	if a.isAsleep() {
		return errAsleep
	}
	hdr := rec.Header()
	from := usp.EndpointID(strings.Clone(string(hdr.From)))
	if !isEndpoint(from) || from == a.id {
		done(nil) // [R-MTP.5, R-ARC.2] not an Endpoint that may be answered
		return nil
	}
	if !a.genuine(rec, from) {
		done(nil) // [R-E2E.23]
		return nil
	}
	switch hdr.Type {
	case usp.RecordNoSession:
		return a.receiveMessage(&message{
			from: from, version: hdr.Version, payload: hdr.Payload, security: hdr.PayloadSecurity, done: done,
		})
	case usp.RecordSession:
		return a.receiveSession(rec, from, done)
	case usp.RecordDisconnect:
		a.disconnected(from)
	default: // Connect Records are never answered, nor are those.
	}
	done(nil)
	return nil
}

// isAsleep reports whether the Agent has left the memory.
func (a *Agent) isAsleep() bool {
	a.lock()
	defer a.unlock()
	return a.asleep
}

func isEndpoint(id usp.EndpointID) bool {
	_, err := usp.ParseEndpointID(string(id))
	return err == nil
}

// maxVersions bounds what is remembered of who speaks which version: strangers
// are answered too.
const maxVersions = 1024

// noteVersion remembers the Record version of an Endpoint. The lock is held.
func (a *Agent) noteVersion(from usp.EndpointID, version string) {
	if len(a.versions) >= maxVersions {
		clear(a.versions)
	}
	if a.versions[from] != version {
		a.versions[from] = version
		if a.controllerRow(from) != "" {
			a.changed()
		}
	}
}

// message is a Message on its way in. Security is the payload_security of its Record.
type message struct {
	from     usp.EndpointID
	version  string
	payload  []byte
	security uint8
	session  bool // it came in a Session Context
	done     func(error)
}

// receiveMessage takes the Message of a Record without session context.
func (a *Agent) receiveMessage(m *message) error {
	r, answered := a.parse(m)
	if r != nil {
		return a.accept(r)
	}
	if answered != "" {
		a.receiveResponse(m.from, answered)
	}
	m.done(nil)
	return nil
}

// parse reads a Message: r is the request that it is, answered the msg_id of the
// request that it responds to. Neither is for what cannot be answered because it has no
// msg_id: that is ignored [R-MTP.5].
func (a *Agent) parse(m *message) (r *request, answered string) {
	msg := &uspmsg.Msg{}
	parsed := proto.Unmarshal(m.payload, msg) == nil
	if !parsed || msg.GetHeader().GetMsgId() == "" {
		a.log.Debug("a Message that does not parse or has no msg_id was ignored", zap.String("from", string(m.from)))
		return nil, ""
	}
	r = &request{
		agent: a, from: m.from, id: msg.GetHeader().GetMsgId(), session: m.session,
		version: commonVersion(m.version), digest: digest(m.payload), done: m.done,
	}
	switch body := msg.GetBody().GetMsgBody().(type) {
	case *uspmsg.Body_Request:
		r.req = body.Request
	case *uspmsg.Body_Response:
		return nil, r.id
	case *uspmsg.Body_Error:
		return nil, ""
	default: // no body [R-MSG.7]: answered below
	}
	if m.security != 0 { // no TLS outside a session context [R-E2E.41]
		r.bad = &usp.Error{Code: usp.CodeSecureSessionNotSupported, Text: "secure message exchange is not supported"}
	} else if r.req == nil || !wellMade(m.payload) { // [R-ENC.5]
		r.bad = &usp.Error{Code: usp.CodeInvalidArguments, Text: "the Message does not have exactly one header and one body"}
	}
	return r, ""
}

// digest tells Messages apart that have the same msg_id.
func digest(msg []byte) uint64 {
	sum := sha256.Sum256(msg)
	return binary.BigEndian.Uint64(sum[:])
}

// receiveResponse matches a NotifyResp with its Notify. One that came outside a Session
// Context where there has to be one is ignored, as no response can be answered.
func (a *Agent) receiveResponse(from usp.EndpointID, msgID string) {
	a.lock()
	defer a.unlock()
	if a.sessionMode(from) != SessionRequire {
		a.notifyAnswered(from, msgID)
	}
}

// postMsg posts a Message to a Controller. The lock is held.
func (a *Agent) postMsg(to usp.EndpointID, m *uspmsg.Msg) []byte {
	payload, err := marshal.Marshal(m)
	if err != nil { // only for strings that are not UTF-8
		a.log.Error("a Message could not be encoded", zap.Error(err))
		return nil
	}
	a.postPayload(to, payload)
	return payload
}

var marshal = proto.MarshalOptions{Deterministic: true}

// versionFor returns the Record version for a Controller: the highest that both
// sides speak, as far as it has shown its own.
func (a *Agent) versionFor(to usp.EndpointID) string {
	if v := a.versions[to]; v != "" {
		return v
	}
	return usp.Version
}

// commonVersion returns the lower of peer and usp.Version; a version that is no
// number is informative at best [R-MTP.4b], and ignored.
func commonVersion(peer string) string {
	major, minor, ok := strings.Cut(peer, ".")
	if n, err := strconv.ParseUint(minor, 10, 8); ok && major == "1" && err == nil && n < 4 {
		return "1." + strconv.FormatUint(n, 10)
	}
	return usp.Version
}

// wellMade reports whether a Message has exactly one header and one body, and
// that one exactly one request: the decoder merges several headers, and lets the
// last of several bodies win [R-MSG.6, R-ENC.5].
func wellMade(msg []byte) bool {
	headers := fields(msg, func(n protowire.Number) bool { return n == 1 })
	bodies := fields(msg, func(n protowire.Number) bool { return n == 2 })
	if len(headers) != 1 || len(bodies) != 1 {
		return false
	}
	kinds := fields(bodies[0], func(n protowire.Number) bool { return n <= 3 })
	if len(kinds) != 1 {
		return false
	}
	return len(fields(kinds[0], func(protowire.Number) bool { return true })) == 1
}

// fields returns the length-delimited fields of a message that want wants.
func fields(b []byte, want func(protowire.Number) bool) [][]byte {
	var found [][]byte
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return found
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(num, typ, b)
		if size < 0 {
			return found
		}
		if typ == protowire.BytesType && want(num) {
			v, _ := protowire.ConsumeBytes(b)
			found = append(found, v)
		}
		b = b[size:]
	}
	return found
}
