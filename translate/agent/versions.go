// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/uspgate/uspgate/usp/uspmsg"

// inVersion leaves out of an answer what the schema of the version that its Record names
// does not have: of GetSupportedDMResp, what 1.2 has added. What else is newer (max_depth,
// unique_key_sets) is only in the answer to who has asked for it.
func inVersion(version string, resp *uspmsg.Response) *uspmsg.Response {
	if version != "1.0" && version != "1.1" {
		return resp
	}
	for _, result := range resp.GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range result.GetSupportedObjs() {
			o.DivergentPaths = nil
			for _, p := range o.GetSupportedParams() {
				p.ValueType, p.ValueChange = 0, 0
			}
			for _, c := range o.GetSupportedCommands() {
				c.CommandType = 0
			}
		}
	}
	return resp
}
