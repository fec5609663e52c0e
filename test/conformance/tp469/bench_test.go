// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// The Controllers of the cases: both have the full role.
const (
	first  = usp.EndpointID("self::tp469")
	second = usp.EndpointID("self::tp469-second")
)

// configuration is that of the gateway.
const configuration = `controllers:
  - {endpoint_id: "self::tp469"}
  - {endpoint_id: "self::tp469-second"}
  - {endpoint_id: "self::tp469-third"}
translate: {freshness: 1m, unknown_controllers: untrusted, signatures: {ca: %q}}
cwmp: {files: {listen: "127.0.0.1:0", root: %q}}
`

// Where the cases work.
const (
	agentRoot     = "Device.LocalAgent."
	subscriptions = agentRoot + "Subscription."
	controllers   = agentRoot + "Controller."
)

// everyController is the row of each.
//
//nolint:gochecknoglobals // a constant
var everyController = []string{self, controllers + "2.", controllers + "3."}

// lab is a Virtual Agent with what the cases need to speak to it.
type lab struct {
	model   string
	gateway *harness.Gateway
	cpe     harness.CPE
	first   *controller.Controller
	second  *controller.Controller
	files   string             // what the gateway serves
	ca      *pkitest.Authority // of signatures
}

func newLab(t *testing.T, model string) *lab {
	t.Helper()
	l := &lab{model: model, files: t.TempDir(), ca: pkitest.NewAuthority(t, "ca")}
	l.gateway = harness.Start(t, fmt.Sprintf(configuration, pkitest.WriteCA(t, t.TempDir(), "ca", l.ca), l.files))
	l.cpe = l.gateway.CPE(model, nil)
	l.first, l.second = l.gateway.Controller(l.gateway.WS(), first), l.gateway.Controller(l.gateway.MQTT(), second)
	return l
}

// bench is one case under way. What it makes by add is deleted after it.
type bench struct {
	*testing.T
	*lab

	// with is who speaks; by default the first Controller.
	with *controller.Controller
	made []string
}

func newBench(t *testing.T, l *lab) *bench {
	t.Helper()
	b := &bench{T: t, lab: l, with: l.first}
	t.Cleanup(func() {
		ctx, cancel := contextFor()
		defer cancel()
		if len(b.made) > 0 {
			if _, err := l.first.Delete(ctx, l.cpe.Agent, true, b.made...); err != nil {
				t.Errorf("cleaning up: %v", err)
			}
		}
		b.drain()
	})
	return b
}

// drain forgets the notifications of before.
func (b *bench) drain() {
	for _, c := range []*controller.Controller{b.first, b.second} {
		for len(c.Notifies()) > 0 {
			<-c.Notifies()
		}
	}
}

// contextFor is for what is done after a case.
func contextFor() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), harness.Timeout)
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), harness.Timeout)
	b.Cleanup(cancel)
	return ctx
}

// refused returns the Error of a request that has to get one.
func (b *bench) refused(err error) *controller.Error {
	b.Helper()
	var e *controller.Error
	if !errors.As(err, &e) {
		b.Fatalf("got %v, want an Error Message", err)
	}
	return e
}

// blames checks that an Error has exactly one param_errs, with that path; {i} stands
// for a row that was not made.
func (b *bench) blames(e *controller.Error, path string) {
	b.Helper()
	object, leaf, _ := strings.Cut(path, "{i}")
	if len(e.Params) != 1 || e.Params[0].GetErrCode() == 0 ||
		!strings.HasPrefix(e.Params[0].GetParamPath(), object) || !strings.HasSuffix(e.Params[0].GetParamPath(), leaf) {
		b.Errorf("got param_errs %v, want one with a code, for %s", e.Params, path)
	}
}

// add makes rows, all of which have to succeed, and returns their paths.
func (b *bench) add(partial bool, objects ...*uspmsg.Add_CreateObject) []string {
	b.Helper()
	resp, err := b.with.Add(b.ctx(), b.cpe.Agent, partial, objects...)
	if err != nil {
		b.Fatal(err)
	}
	var paths []string
	for _, r := range resp.GetCreatedObjResults() {
		s := r.GetOperStatus().GetOperSuccess()
		if s == nil {
			b.Fatalf("%s: got %v, want success", r.GetRequestedPath(), r.GetOperStatus())
		}
		if s.GetInstantiatedPath() == "" || len(s.GetUniqueKeys()) == 0 || len(s.GetParamErrs()) > 0 {
			b.Errorf("got %v, want a path, unique keys and no errors", s)
		}
		paths = append(paths, s.GetInstantiatedPath())
	}
	b.made = append(b.made, paths...)
	return paths
}

// subscribe makes a Subscription and returns its path.
func (b *bench) subscribe(id, typ, reference string, more ...string) string {
	b.Helper()
	return b.add(false, subscription(id, typ, reference, more...))[0]
}

// subscription is one for Add. More are names and values in turn.
func subscription(id, typ, reference string, more ...string) *uspmsg.Add_CreateObject {
	params := map[string]string{"Enable": "true", "ID": id, "NotifType": typ, "ReferenceList": reference}
	for i := 0; i+1 < len(more); i += 2 {
		params[more[i]] = more[i+1]
	}
	return controller.Create(subscriptions, params)
}

// plain is a Subscription of no further interest.
func plain(id string) *uspmsg.Add_CreateObject {
	return subscription(id, "ValueChange", self+"ProvisioningCode")
}

// off is one that is not enabled.
func off(id string) *uspmsg.Add_CreateObject {
	return subscription(id, "ValueChange", self+"ProvisioningCode", "Enable", "false")
}

// self is the row of the first Controller, which is configured first.
const self = controllers + "1."

// set has to succeed for all its objects.
func (b *bench) set(partial bool, objects ...*uspmsg.Set_UpdateObject) *uspmsg.SetResp {
	b.Helper()
	resp, err := b.with.Set(b.ctx(), b.cpe.Agent, partial, objects...)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range resp.GetUpdatedObjResults() {
		if r.GetOperStatus().GetOperSuccess() == nil {
			b.Fatalf("%s: got %v, want success", r.GetRequestedPath(), r.GetOperStatus())
		}
	}
	return resp
}

// values reads parameters.
func (b *bench) values(paths ...string) map[string]string {
	b.Helper()
	return controller.Params(b.get(0, paths...))
}

// value reads one parameter, which has to be there.
func (b *bench) value(path string) string {
	b.Helper()
	v, ok := b.values(path)[path]
	if !ok {
		b.Fatalf("got no %s", path)
	}
	return v
}

func (b *bench) get(depth uint32, paths ...string) *uspmsg.GetResp {
	b.Helper()
	resp, err := b.with.Get(b.ctx(), b.cpe.Agent, depth, paths...)
	if err != nil {
		b.Fatal(err)
	}
	if got := len(resp.GetReqPathResults()); got != len(paths) {
		b.Fatalf("got %d results, want one for each of %v", got, paths)
	}
	for i, r := range resp.GetReqPathResults() {
		if r.GetRequestedPath() != paths[i] {
			b.Errorf("got requested_path %q, want %q", r.GetRequestedPath(), paths[i])
		}
	}
	return resp
}

// rows are the resolved paths of a GetResp, sorted.
func rows(resp *uspmsg.GetResp) []string {
	set := make(map[string]bool)
	for _, req := range resp.GetReqPathResults() {
		for _, res := range req.GetResolvedPathResults() {
			set[res.GetResolvedPath()] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// equal compares two lists without regard to order.
func (b *bench) equal(what string, got []string, want ...string) {
	b.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		b.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// exist checks that each row is there, or is not.
func (b *bench) exist(want bool, paths ...string) {
	b.Helper()
	for _, p := range paths {
		code := b.get(0, p).GetReqPathResults()[0].GetErrCode()
		if got := code == 0; got != want {
			b.Errorf("%s: got there %t (code %d), want %t", p, got, code, want)
		}
	}
}

// notified waits for a notification of that Subscription.
func (b *bench) notified(c *controller.Controller, id string) controller.Notify {
	b.Helper()
	return b.next(c, func(s string) bool { return s == id })
}

// next waits for a notification of a Subscription that is wanted.
func (b *bench) next(c *controller.Controller, wanted func(id string) bool) controller.Notify {
	b.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case n := <-c.Notifies():
			if wanted(n.GetSubscriptionId()) {
				return n
			}
		case <-after:
			b.Fatalf("%s got no such Notify", c.Endpoint())
		}
	}
}

// silent checks that no notification of a Subscription comes before the one of
// another, which the same change sets off.
func (b *bench) silent(c *controller.Controller, id, until string) {
	b.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case n := <-c.Notifies():
			switch n.GetSubscriptionId() {
			case id:
				b.Errorf("got %v, want no Notify", n.Notify)
				return
			case until:
				return
			}
		case <-after:
			b.Fatalf("%s got no Notify with subscription_id %q", c.Endpoint(), until)
		}
	}
}

// operate runs a command of one object and returns its result.
func (b *bench) operate(command, key string, args map[string]string) *uspmsg.OperateResp_OperationResult {
	b.Helper()
	resp, err := b.with.Operate(b.ctx(), b.cpe.Agent, command, key, args)
	if err != nil {
		b.Fatal(err)
	}
	if len(resp.GetOperationResults()) != 1 {
		b.Fatalf("got %v, want one result", resp)
	}
	return resp.GetOperationResults()[0]
}

// numbered checks that a path is one with instance numbers.
func (b *bench) numbered(path string) {
	b.Helper()
	if strings.ContainsAny(path, "[]*{}+") {
		b.Errorf("got path %s, want one with instance numbers", path)
	}
}
