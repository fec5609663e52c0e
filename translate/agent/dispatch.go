// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// handler is how one Message type is served. Write handlers are journalled and
// run one at a time. Serve returns nil, nil where no answer is wanted.
type handler struct {
	name   string
	write  bool
	answer uspmsg.Header_MsgType
	serve  func(a *Agent, ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error)
}

// label is the value for msg_type in the metrics.
func (h *handler) label() string {
	if h.name == "" {
		return "other"
	}
	return h.name
}

// handlerFor is the dispatch table: a new Message is one row here and one file.
// The body decides, not msg_type [R-MSG.10]. What has no row gets Error 7001
// [R-MSG.1].
func handlerFor(req *uspmsg.Request) handler {
	switch req.GetReqType().(type) {
	case *uspmsg.Request_Get:
		return handler{"get", false, uspmsg.Header_GET_RESP, (*Agent).get}
	case *uspmsg.Request_GetInstances:
		return handler{"get_instances", false, uspmsg.Header_GET_INSTANCES_RESP, (*Agent).getInstances}
	case *uspmsg.Request_GetSupportedDm:
		return handler{"get_supported_dm", false, uspmsg.Header_GET_SUPPORTED_DM_RESP, (*Agent).getSupportedDM}
	case *uspmsg.Request_GetSupportedProtocol:
		return handler{"get_supported_protocol", false, uspmsg.Header_GET_SUPPORTED_PROTO_RESP, (*Agent).getSupportedProtocol}
	case *uspmsg.Request_Set:
		return handler{"set", true, uspmsg.Header_SET_RESP, (*Agent).set}
	case *uspmsg.Request_Add:
		return handler{"add", true, uspmsg.Header_ADD_RESP, (*Agent).add}
	case *uspmsg.Request_Delete:
		return handler{"delete", true, uspmsg.Header_DELETE_RESP, (*Agent).delete}
	case *uspmsg.Request_Operate:
		return handler{"operate", true, uspmsg.Header_OPERATE_RESP, (*Agent).operate}
	default:
		return handler{}
	}
}
