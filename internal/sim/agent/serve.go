// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"errors"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// supportedVersions is what GetSupportedProtocol answers.
const supportedVersions = "1.0,1.1,1.2,1.3,1.4"

// serve answers one Request; nil where no answer is wanted.
func (a *Agent) serve(from usp.EndpointID, req *uspmsg.Request) *uspmsg.Msg {
	switch t := req.GetReqType().(type) {
	case *uspmsg.Request_Get:
		return a.get(t.Get)
	case *uspmsg.Request_GetInstances:
		return a.getInstances(t.GetInstances)
	case *uspmsg.Request_GetSupportedDm:
		return a.getSupportedDM(t.GetSupportedDm)
	case *uspmsg.Request_GetSupportedProtocol:
		return response(uspmsg.Header_GET_SUPPORTED_PROTO_RESP, &uspmsg.Response{
			RespType: &uspmsg.Response_GetSupportedProtocolResp{
				GetSupportedProtocolResp: &uspmsg.GetSupportedProtocolResp{AgentSupportedProtocolVersions: supportedVersions},
			},
		})
	case *uspmsg.Request_Set:
		return a.set(t.Set)
	case *uspmsg.Request_Add:
		return a.add(from, t.Add)
	case *uspmsg.Request_Delete:
		return a.remove(t.Delete)
	case *uspmsg.Request_Operate:
		return a.operate(from, t.Operate)
	default:
		return failure(usp.CodeMessageNotSupported, "not understood by an Agent", nil) // [R-MSG.1]
	}
}

// writes reports a Request that may change something.
func writes(req *uspmsg.Request) bool {
	switch req.GetReqType().(type) {
	case *uspmsg.Request_Set, *uspmsg.Request_Add, *uspmsg.Request_Delete, *uspmsg.Request_Operate:
		return true
	default:
		return false
	}
}

// maxJournal is how many answers the journal has.
const maxJournal = 64

// journal keeps the last answers to Requests that have changed something.
type journal struct {
	keys    []journalKey
	answers []*uspmsg.Msg
}

type journalKey struct {
	from   usp.EndpointID
	msgID  string
	digest [sha256.Size]byte
}

func (j *journal) get(key journalKey) (answer *uspmsg.Msg, ok bool) {
	for i, k := range j.keys {
		if k == key {
			return j.answers[i], true
		}
	}
	return nil, false
}

func (j *journal) put(key journalKey, answer *uspmsg.Msg) {
	if len(j.keys) >= maxJournal {
		j.keys, j.answers = j.keys[1:], j.answers[1:]
	}
	j.keys, j.answers = append(j.keys, key), append(j.answers, answer)
}

func response(t uspmsg.Header_MsgType, r *uspmsg.Response) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgType: t},
		Body:   &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: r}},
	}
}

func failure(code usp.Code, text string, params []*uspmsg.Error_ParamError) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgType: uspmsg.Header_ERROR},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Error{Error: &uspmsg.Error{
			ErrCode: uint32(code), ErrMsg: text, ParamErrs: params,
		}}},
	}
}

// failureOf is the Error of a Message that was done not at all: the first of what
// failed, and all of it in param_errs.
func failureOf(errs []*uspmsg.Error_ParamError) *uspmsg.Msg {
	return failure(usp.Code(errs[0].GetErrCode()), errs[0].GetParamPath()+": "+errs[0].GetErrMsg(), errs)
}

func paramError(p string, err *usp.Error) *uspmsg.Error_ParamError {
	return &uspmsg.Error_ParamError{ParamPath: p, ErrCode: uint32(err.Code), ErrMsg: err.Text}
}

func protocolErr(code usp.Code, text string) *usp.Error { return &usp.Error{Code: code, Text: text} }

// protocolError is an error of package path; nil is none.
func protocolError(err error) *usp.Error {
	var e *usp.Error
	if err != nil && !errors.As(err, &e) {
		e = protocolErr(usp.CodeInternalError, "internal error")
	}
	return e
}
