// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import "slices"

// instances are the instantiated paths of each requested one.
func (b *bench) instances(firstLevel bool, paths ...string) [][]string {
	b.Helper()
	resp, err := b.with.GetInstances(b.ctx(), b.cpe.Agent, firstLevel, paths...)
	if err != nil {
		b.Fatal(err)
	}
	var out [][]string
	for _, r := range resp.GetReqPathResults() {
		if r.GetErrCode() != 0 {
			b.Errorf("%s: got err_code %d, want 0", r.GetRequestedPath(), r.GetErrCode())
		}
		var found []string
		for _, i := range r.GetCurrInsts() {
			if len(i.GetUniqueKeys()) == 0 {
				b.Errorf("got no unique keys of %s", i.GetInstantiatedObjPath())
			}
			found = append(found, i.GetInstantiatedObjPath())
		}
		out = append(out, found)
	}
	if len(out) != len(paths) {
		b.Fatalf("got %d results, want one for each of %v", len(out), paths)
	}
	return out
}

func case1_66(b *bench) {
	b.equal("rows", b.instances(true, controllers)[0], everyController...)
}

func case1_67(b *bench) {
	row := b.add(false, boot(self, "Device.LocalAgent.EndpointID"))[0]
	got := b.instances(false, controllers)[0]
	for _, want := range []string{self, row} {
		if !slices.Contains(got, want) {
			b.Errorf("got %v, want %s among them", got, want)
		}
	}
}

func case1_68(b *bench) {
	row := b.add(false, plain("ins68"))[0]
	got := b.instances(true, controllers, subscriptions)
	b.equal("Controllers", got[0], everyController...)
	b.equal("Subscriptions", got[1], row)
}

func case1_70(b *bench) {
	made := b.add(false, boot(self, "Device.LocalAgent.EndpointID"), boot(controllers+"2.", "Device.LocalAgent.UpTime"))
	b.equal("rows", b.instances(true, controllers+"*.BootParameter.")[0], made...)
}

func case1_71(b *bench) {
	made := b.add(false, boot(self, "Device.LocalAgent.EndpointID"), boot(controllers+"2.", "Device.LocalAgent.UpTime"))
	key := controllers + `[EndpointID=="` + string(second) + `"].BootParameter.`
	b.equal("rows", b.instances(true, key)[0], made[1])
}

func case1_83(b *bench) {
	b.equal("rows", b.instances(true, controllers+`[EndpointID=="nobody"].BootParameter.`)[0])
}
