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
	switch hdr.Type {
	case usp.RecordNoSession:
		return a.receiveMessage(hdr, from, done)
	case usp.RecordSession:
		a.refuseSession(from, hdr.Version)
	default: // Connect and Disconnect Records are never answered.
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

// refuseSession answers a session-context Record with a DisconnectRecord
// [R-E2E.6a].
func (a *Agent) refuseSession(from usp.EndpointID, version string) {
	a.lock()
	defer a.unlock()
	a.noteVersion(from, commonVersion(version))
	a.post(usp.NewDisconnect(a.id, from, "session contexts are not supported", usp.CodeSessionContextNotAllowed))
}

// receiveMessage takes the Message out of a Record. What cannot be answered
// because it has no msg_id is ignored [R-MTP.5].
//
// Deviation: a mac_signature is not verified yet, although R-E2E.30 wants it
// wherever there is one: the gateway has no certificates of Controllers to verify
// it with. What counts is what the MTP has proved of the peer, and over an MTP
// without TLS that is little. Signed Records are taken all the same, because to
// drop them would cut off Controllers that sign everything, also where the MTP
// protects it. In Records for other Agents the signature is carried through
// unchanged, and they verify it.
func (a *Agent) receiveMessage(hdr *usp.Header, from usp.EndpointID, done func(error)) error {
	msg := &uspmsg.Msg{}
	parsed := proto.Unmarshal(hdr.Payload, msg) == nil
	if !parsed || msg.GetHeader().GetMsgId() == "" {
		a.log.Debug("a Message that does not parse or has no msg_id was ignored", zap.String("from", string(from)))
		done(nil)
		return nil
	}
	r := &request{
		agent: a, from: from, id: msg.GetHeader().GetMsgId(),
		version: commonVersion(hdr.Version), digest: digest(hdr.Payload), done: done,
	}
	switch body := msg.GetBody().GetMsgBody().(type) {
	case *uspmsg.Body_Request:
		r.req = body.Request
	case *uspmsg.Body_Response:
		a.receiveResponse(from, r.id)
		done(nil)
		return nil
	case *uspmsg.Body_Error:
		done(nil)
		return nil
	default: // no body [R-MSG.7]: answered below
	}
	if hdr.PayloadSecurity != 0 { // no TLS outside a session context [R-E2E.41]
		r.bad = &usp.Error{Code: usp.CodeSecureSessionNotSupported, Text: "secure message exchange is not supported"}
	} else if r.req == nil || !wellMade(hdr.Payload) { // [R-ENC.5]
		r.bad = &usp.Error{Code: usp.CodeInvalidArguments, Text: "the Message does not have exactly one header and one body"}
	}
	return a.accept(r)
}

// digest tells Messages apart that have the same msg_id.
func digest(msg []byte) uint64 {
	sum := sha256.Sum256(msg)
	return binary.BigEndian.Uint64(sum[:])
}

// receiveResponse matches a NotifyResp with its Notify.
func (a *Agent) receiveResponse(from usp.EndpointID, msgID string) {
	a.lock()
	defer a.unlock()
	a.notifyAnswered(from, msgID)
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

// postPayload posts an encoded Message in a Record without session context
// [R-MSG.0a]. The lock is held.
func (a *Agent) postPayload(to usp.EndpointID, payload []byte) {
	a.post(usp.NewNoSession(a.id, to, a.versionFor(to), payload))
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
