// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"strings"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// remove deletes what can be deleted and returns the affected paths of each object.
func (b *bench) remove(partial bool, paths ...string) [][]string {
	b.Helper()
	resp, err := b.with.Delete(b.ctx(), b.cpe.Agent, partial, paths...)
	if err != nil {
		b.Fatal(err)
	}
	if len(resp.GetDeletedObjResults()) != len(paths) {
		b.Fatalf("got %v, want a result for each of %v", resp, paths)
	}
	var affected [][]string
	for _, r := range resp.GetDeletedObjResults() {
		affected = append(affected, r.GetOperStatus().GetOperSuccess().GetAffectedPaths())
		if len(r.GetOperStatus().GetOperSuccess().GetUnaffectedPathErrs()) > 0 {
			b.Errorf("got %v, want no unaffected_path_errs", r)
		}
	}
	return affected
}

// mix checks one success and one failure.
func (b *bench) mix(paths ...string) []*uspmsg.DeleteResp_DeletedObjectResult {
	b.Helper()
	resp, err := b.with.Delete(b.ctx(), b.cpe.Agent, true, paths...)
	if err != nil {
		b.Fatal(err)
	}
	r := resp.GetDeletedObjResults()
	if len(r) != len(paths) || r[len(r)-1].GetOperStatus().GetOperFailure().GetErrCode() == 0 {
		b.Fatalf("got %v, want a failure for the last of %v", resp, paths)
	}
	return r
}

const (
	noRow    = subscriptions + "9999."
	noObject = agentRoot + "InvalidObject."
)

func case1_24(b *bench) {
	row := b.add(false, plain("del24"))[0]
	b.equal("affected", b.remove(false, row)[0], row)
	b.exist(false, row)
}

func case1_25(b *bench) { b.equal("affected", b.remove(false, noRow)[0]) }

func case1_26(b *bench) {
	_, err := b.with.Delete(b.ctx(), b.cpe.Agent, false, noObject)
	b.blames(b.refused(err), noObject)
}

func case1_27(b *bench) {
	made := b.add(false, plain("del271"), plain("del272"))
	affected := b.remove(false, made...)
	b.equal("first", affected[0], made[0])
	b.equal("second", affected[1], made[1])
	b.exist(false, made...)
}

func case1_28(b *bench) {
	row := b.add(false, plain("del28"))[0]
	_, err := b.with.Delete(b.ctx(), b.cpe.Agent, false, row, noObject)
	b.blames(b.refused(err), noObject)
	b.exist(true, row)
}

func case1_29(b *bench) { b.equal("affected", b.remove(true, noRow)[0]) }

func case1_30(b *bench) { b.mix(noObject) }

func case1_31(b *bench) {
	row := b.add(false, plain("del31"))[0]
	b.equal("affected", b.mix(row, noObject)[0].GetOperStatus().GetOperSuccess().GetAffectedPaths(), row)
	b.exist(false, row)
}

func case1_32(b *bench) {
	row := b.add(false, plain("del32"))[0]
	affected := b.remove(true, row, noRow)
	b.equal("first", affected[0], row)
	b.equal("second", affected[1])
}

func case1_33(b *bench) {
	row := b.add(false, plain("del33"))[0]
	key := subscriptions + `[Recipient=="` + strings.TrimSuffix(self, ".") + `"&&ID=="del33"].`
	b.equal("affected", b.remove(false, key)[0], row)
	b.exist(false, row)
}

func case1_34(b *bench) {
	made := b.add(false, plain("del341"), plain("del342"))
	b.equal("affected", b.remove(false, subscriptions+"*.")[0], made...)
	b.exist(false, made...)
}

func case1_35(b *bench) {
	made := b.add(false, plain("del351"), off("del352"))
	b.equal("affected", b.remove(false, subscriptions+"[Enable==false].")[0], made[1])
	b.exist(false, made[1])
	b.exist(true, made[0])
}

func case1_90(b *bench) { b.equal("affected", b.remove(false, subscriptions+`[ID=="nobody"].`)[0]) }
