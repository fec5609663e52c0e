// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// shapes are the models of the tests: each CPE has a new random one.
func shapes(t *testing.T) map[string]func(*rapid.T) *shape {
	t.Helper()
	one, other := tr098(t), tr181(t)
	return map[string]func(*rapid.T) *shape{
		"tr098": func(*rapid.T) *shape { return one }, "tr181": func(*rapid.T) *shape { return other },
		"random": drawShape,
	}
}

// everywhere runs a property with every model, on an Agent that answers from
// memory and on one that always asks.
func everywhere(t *testing.T, linger string, property func(*rapid.T, *box)) {
	t.Helper()
	have := shapes(t)
	for name, yaml := range map[string]string{"live": live, "cached": cached} {
		w := newWorld(t, fmt.Sprintf(yaml, linger))
		for model, draw := range have {
			t.Run(name+"/"+model, func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(rt *rapid.T) {
					b := newBox(rt, w.ACS(), w.ctl, draw(rt))
					defer b.stop()
					if err := b.equal(); err != nil {
						rt.Fatalf("at first: %v", err)
					}
					property(rt, b)
				})
			})
		}
	}
}

// Whatever is added, set and deleted: an answer says what was done, all of it and
// nothing else; what the Agent shows is what the CPE has, and it supports what it did.
func TestAnyWrites(t *testing.T) {
	t.Parallel()
	everywhere(t, "1s", func(rt *rapid.T, b *box) {
		unique, supported := 0, map[string]bool{}
		b.grows(rt, supported)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			before := b.has()
			r := drawRequest(rt, b.shape, before, &unique)
			rt.Logf("%s", r)
			out, err := r.read(before, b.ask(rt, r.message()))
			if err != nil {
				rt.Fatalf("%s: %v", r, err)
			}
			b.pair(out.tree)
			if d := differences(b.has(), out.tree); d != "" {
				rt.Fatalf("%s: the CPE has not what was answered (%s):\n%s", r, out.text, d)
			}
			r.refusals(rt, before, out)
			if err := b.equal(); err != nil {
				rt.Fatalf("%s: %v", r, err)
			}
		}
		b.grows(rt, supported)
	})
}

// refusals wants that exactly that fails which has to [R-SET.1, R-ADD.1, R-DEL.1].
func (r *request) refusals(rt *rapid.T, before tree, out *outcome) {
	rt.Helper()
	some := false
	for i := range r.objects {
		want := r.fails(&r.objects[i], before)
		some = some || want
		if r.partial && out.failed[i] != want {
			rt.Fatalf("%s: got failure of %s %t, want %t (%s)", r, r.objects[i].path, out.failed[i], want, out.text)
		}
	}
	if want := some && !r.partial; out.whole != want {
		rt.Fatalf("%s: got an Error %t, want %t (%d %s)", r, out.whole, want, out.code, out.text)
	}
	if out.code == outcomeUnknown || len(out.doubtful) > 0 {
		rt.Fatalf("%s: got 7800 though nothing was lost: %s", r, out.text)
	}
}

// grows wants that all is supported that was before, and adds what is now.
func (b *box) grows(rt *rapid.T, before map[string]bool) {
	rt.Helper()
	msg := b.ask(rt, &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedDm{GetSupportedDm: &uspmsg.GetSupportedDM{
		ObjPaths: []string{"Device."}, ReturnParams: true,
	}}})
	now := make(map[string]bool)
	for _, res := range msg.GetBody().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range res.GetSupportedObjs() {
			now[o.GetSupportedObjPath()] = true
			for _, p := range o.GetSupportedParams() {
				now[o.GetSupportedObjPath()+p.GetParamName()] = true
			}
		}
	}
	for path := range before {
		if !now[path] {
			rt.Fatalf("%s is not supported any more", path)
		}
	}
	maps.Copy(before, now)
}
