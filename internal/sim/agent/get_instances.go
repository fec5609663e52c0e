// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// getInstances answers GetInstances.
func (a *Agent) getInstances(g *uspmsg.GetInstances) *uspmsg.Msg {
	resp := &uspmsg.GetInstancesResp{}
	for _, requested := range g.GetObjPaths() {
		res := &uspmsg.GetInstancesResp_RequestedPathResult{RequestedPath: requested}
		resp.ReqPathResults = append(resp.ReqPathResults, res)
		p, found, err := a.tree.resolve(requested)
		if err == nil && !a.tree.isTable(p) {
			err = protocolErr(usp.CodeNotATable, "not a table")
		}
		if err != nil {
			res.ErrCode, res.ErrMsg = uint32(err.Code), err.Text
			continue
		}
		for _, table := range found {
			res.CurrInsts = append(res.CurrInsts, a.tree.instances(table, g.GetFirstLevelOnly())...)
		}
	}
	return response(uspmsg.Header_GET_INSTANCES_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_GetInstancesResp{GetInstancesResp: resp},
	})
}

// instances returns the rows of a table and, unless only those are wanted, of the
// tables in them.
func (t *tree) instances(table string, firstLevelOnly bool) []*uspmsg.GetInstancesResp_CurrInstance {
	var rows []string
	for in, numbers := range t.rows {
		if in != table && (firstLevelOnly || !strings.HasPrefix(in, table)) {
			continue
		}
		for _, n := range numbers {
			rows = append(rows, rowPath(in, n))
		}
	}
	slices.SortFunc(rows, comparePaths)
	out := make([]*uspmsg.GetInstancesResp_CurrInstance, 0, len(rows))
	for _, row := range rows {
		out = append(out, &uspmsg.GetInstancesResp_CurrInstance{
			InstantiatedObjPath: row, UniqueKeys: t.keys(row), // [R-GIN.1]
		})
	}
	return out
}
