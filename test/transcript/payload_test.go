// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// silences are the Messages that no answer is expected to.
func silences() []string { return []string{"Garbage", "WithoutID", "Response"} }

// payload makes the Message of a usp> line with its msg_id: a Request, or what malformed
// makes.
func (s *speaker) payload(words []string) (payload []byte, id string, err error) {
	if words[0] == "Again" {
		return s.last, s.lastID, nil
	}
	id = s.nextID()
	m, ok := malformed(words[0], id)
	if !ok {
		req, err := request(words)
		if err != nil {
			return nil, "", err
		}
		m = message(id, typeOf(req), req)
	}
	if payload, err = proto.Marshal(m); err != nil {
		return nil, "", err
	}
	switch words[0] {
	case "Garbage":
		payload = []byte{0xff, 0xff, 0xff}
	case "TwoBodies": // the decoder takes the last of them
		payload = slices.Concat(payload, payload)
	}
	return payload, id, nil
}

// malformed makes a Message that is no Request of a Controller to an Agent:
//
//	Again        the Message before, once more
//	Garbage      no protobuf
//	WithoutID    no msg_id
//	WithoutBody  a header and no more
//	Empty        a Request of nothing
//	TwoBodies    a Message twice
//	Register     of an Agent to a Broker
//	Unknown      a Request of a later version of USP
//	WrongType    a GetSupportedProtocol that says Get in its header [R-MSG.10]
//	Response     of nothing, which nobody has asked for
func malformed(kind, id string) (m *uspmsg.Msg, ok bool) {
	req := &uspmsg.Request{}
	switch kind {
	case "Garbage", "Empty":
	case "WithoutID":
		id = ""
	case "WithoutBody":
		return &uspmsg.Msg{Header: &uspmsg.Header{MsgId: id}}, true
	case "TwoBodies":
		req.ReqType = &uspmsg.Request_Get{Get: &uspmsg.Get{ParamPaths: []string{"Device.DeviceInfo.Manufacturer"}}}
	case "Register":
		req.ReqType = &uspmsg.Request_Register{Register: &uspmsg.Register{
			RegPaths: []*uspmsg.Register_RegistrationPath{{Path: "Device.X."}},
		}}
	case "Unknown":
		req.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 99, protowire.BytesType), nil))
	case "WrongType":
		req.ReqType = &uspmsg.Request_GetSupportedProtocol{GetSupportedProtocol: &uspmsg.GetSupportedProtocol{}}
	case "Response":
		m = message(id, uspmsg.Header_GET_RESP, nil)
		m.Body.MsgBody = &uspmsg.Body_Response{Response: &uspmsg.Response{}}
		return m, true
	default:
		return nil, false
	}
	return message(id, uspmsg.Header_GET, req), true
}

func message(id string, t uspmsg.Header_MsgType, req *uspmsg.Request) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: t},
		Body:   &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: req}},
	}
}

// typeOf is the msg_type of a Request that a conversation can say.
func typeOf(req *uspmsg.Request) uspmsg.Header_MsgType {
	switch req.GetReqType().(type) {
	case *uspmsg.Request_GetInstances:
		return uspmsg.Header_GET_INSTANCES
	case *uspmsg.Request_GetSupportedDm:
		return uspmsg.Header_GET_SUPPORTED_DM
	case *uspmsg.Request_GetSupportedProtocol:
		return uspmsg.Header_GET_SUPPORTED_PROTO
	case *uspmsg.Request_Set:
		return uspmsg.Header_SET
	case *uspmsg.Request_Add:
		return uspmsg.Header_ADD
	case *uspmsg.Request_Delete:
		return uspmsg.Header_DELETE
	case *uspmsg.Request_Operate:
		return uspmsg.Header_OPERATE
	default:
		return uspmsg.Header_GET
	}
}
