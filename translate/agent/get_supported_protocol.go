// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// getSupportedProtocol answers GetSupportedProtocol; it never wakes the CPE.
func (a *Agent) getSupportedProtocol(context.Context, *request) (*uspmsg.Response, *uspmsg.Error) {
	return &uspmsg.Response{RespType: &uspmsg.Response_GetSupportedProtocolResp{
		GetSupportedProtocolResp: &uspmsg.GetSupportedProtocolResp{AgentSupportedProtocolVersions: supportedVersions},
	}}, nil
}
