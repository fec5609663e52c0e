// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/sim/agent"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/pipe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	me usp.EndpointID = "self::controller"
	it usp.EndpointID = "os::ACDE48-1"
)

// env is what a test in the bubble has.
type env struct {
	*testing.T
	ctx context.Context
	c   *controller.Controller
	a   *agent.Agent
}

// test runs an Agent and a Controller at the two ends of a pipe, in a bubble.
func test(t *testing.T, body func(t *env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		x, y := pipe.New(pipe.Side{}, pipe.Side{Peer: mtp.Peer{Endpoint: me}})
		c, err := controller.New(controller.Options{Endpoint: me, Transport: x})
		if err != nil {
			t.Fatal(err)
		}
		a, err := agent.New(agent.Options{Endpoint: it, Transport: y})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Run(ctx) })
		wg.Go(func() { _ = a.Run(ctx) })
		defer wg.Wait()
		defer stop()
		if err := c.Await(ctx, it); err != nil { // its Connect Record
			t.Fatal(err)
		}
		body(&env{t, ctx, c, a})
	})
}

func TestGet(t *testing.T) {
	t.Parallel()
	test(t, func(t *env) {
		ctx, c := t.ctx, t.c
		for _, tt := range []struct {
			path  string
			depth uint32
			want  string // names, or the error code
		}{
			{"Device.DeviceInfo.SerialNumber", 0, "Device.DeviceInfo.SerialNumber"},
			{"Device.WiFi.SSID.*.SSID", 0, "Device.WiFi.SSID.1.SSID Device.WiFi.SSID.2.SSID"},
			{`Device.WiFi.SSID.[SSID=="guest"].SSID`, 0, "Device.WiFi.SSID.2.SSID"},
			{"Device.WiFi.SSID.[Enable==true].LowerLayers+.Channel", 0, "Device.WiFi.Radio.1.Channel"},
			{
				"Device.WiFi.Radio.", 0,
				"Device.WiFi.Radio.1.Alias Device.WiFi.Radio.1.Channel Device.WiFi.Radio.1.Enable",
			},
			{"Device.LocalAgent.MTP.1.Protocol", 1, "Device.LocalAgent.MTP.1.Protocol"},
			{"Device.LocalAgent.Subscription.", 0, ""},
			{"Device.", 1, ""},
			{"Device.WiFi.SSID.9.SSID", 0, "7026"},
			{"Device.Nope", 0, "7026"},
			{"Device.WiFi.SSID.x", 0, "7026"},
			{"Device.WiFi.SSID.[].x", 0, "7008"},
			{"Device.Reboot()", 0, "7026"},
		} {
			r, err := c.Get(ctx, it, tt.depth, tt.path)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(slices.Sorted(maps.Keys(controller.Params(r))), " ")
			if code := r.GetReqPathResults()[0].GetErrCode(); code != 0 {
				got = usp.Code(code).String()
				tt.want = strings.NewReplacer("7026", "Invalid path", "7008", "Invalid path syntax").Replace(tt.want)
			}
			if got != tt.want {
				t.Errorf("Get %s: got %q, want %q", tt.path, got, tt.want)
			}
		}
	})
}

func TestSet(t *testing.T) {
	t.Parallel()
	test(t, func(t *env) {
		ctx, c, a := t.ctx, t.c, t.a
		r, err := c.Set(ctx, it, false, controller.Update("Device.WiFi.SSID.*.", map[string]string{"SSID": "x"}))
		if err != nil {
			t.Fatal(err)
		}
		insts := r.GetUpdatedObjResults()[0].GetOperStatus().GetOperSuccess().GetUpdatedInstResults()
		if len(insts) != 2 || insts[1].GetUpdatedParams()["SSID"] != "x" {
			t.Errorf("got %v, want two rows", r)
		}
		for _, p := range []string{"Device.WiFi.SSID.1.SSID", "Device.WiFi.SSID.2.SSID"} {
			if v, _ := a.Value(p); v != "x" {
				t.Errorf("%s: got %s, want x", p, v)
			}
		}
		// A required parameter fails: nothing changes, in either way.
		bad := controller.Update("Device.WiFi.SSID.1.", map[string]string{"Enable": "perhaps", "SSID": "y", "Nope": ""})
		_, err = c.Set(ctx, it, false, bad)
		var e *controller.Error
		if !errors.As(err, &e) || e.Err.Code != usp.CodeInvalidType || len(e.Params) != 2 {
			t.Errorf("got %v, want 7011 with two parameters", err)
		}
		r, err = c.Set(ctx, it, true, bad)
		if f := r.GetUpdatedObjResults()[0].GetOperStatus().GetOperFailure(); err != nil ||
			f.GetErrCode() != uint32(usp.CodeInvalidType) || len(f.GetUpdatedInstFailures()) != 1 {
			t.Errorf("got %v, %v, want oper_failure 7011", r, err)
		}
		if v, _ := a.Value("Device.WiFi.SSID.1.SSID"); v != "x" {
			t.Errorf("after a failed Set: got %s, want x", v)
		}
		// One that is not required does not keep the others from changing.
		part := &uspmsg.Set_UpdateObject{ObjPath: "Device.WiFi.SSID.1.", ParamSettings: []*uspmsg.Set_UpdateParamSetting{
			{Param: "LowerLayers", Value: ""}, {Param: "SSID", Value: "z"},
		}}
		r, err = c.Set(ctx, it, false, part)
		inst := r.GetUpdatedObjResults()[0].GetOperStatus().GetOperSuccess().GetUpdatedInstResults()[0]
		if err != nil || inst.GetParamErrs()[0].GetErrCode() != uint32(usp.CodeNonWriteable) {
			t.Errorf("got %v, %v, want param_errs with 7013", r, err)
		}
		if v, _ := a.Value("Device.WiFi.SSID.1.SSID"); v != "z" {
			t.Errorf("got %s, want z", v)
		}
		if _, err := c.Set(ctx, it, false, controller.Update("Device.WiFi.SSID.7.", nil)); !errors.As(err, &e) ||
			e.Params[0].GetErrCode() != uint32(usp.CodeObjectDoesNotExist) {
			t.Errorf("got %v, want 7016", err)
		}
	})
}

func TestInstancesAndSupported(t *testing.T) {
	t.Parallel()
	test(t, func(t *env) {
		ctx, c := t.ctx, t.c
		r, err := c.GetInstances(ctx, it, true, "Device.WiFi.SSID.", "Device.LocalAgent.Subscription.", "Device.WiFi.")
		if err != nil {
			t.Fatal(err)
		}
		rows := r.GetReqPathResults()[0].GetCurrInsts()
		if len(rows) != 2 || rows[0].GetInstantiatedObjPath() != "Device.WiFi.SSID.1." ||
			rows[1].GetUniqueKeys()["Alias"] != "cpe-ssid-2" {
			t.Errorf("got %v, want two rows", rows)
		}
		if res := r.GetReqPathResults()[1]; len(res.GetCurrInsts()) != 0 || res.GetErrCode() != 0 {
			t.Errorf("empty table: got %v", res)
		}
		if res := r.GetReqPathResults()[2]; res.GetErrCode() != uint32(usp.CodeNotATable) {
			t.Errorf("no table: got %v, want 7018", res)
		}
		dm, err := c.GetSupportedDM(ctx, it, &uspmsg.GetSupportedDM{
			ObjPaths: []string{"Device."}, ReturnParams: true, ReturnCommands: true, ReturnEvents: true,
			ReturnUniqueKeySets: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		objects := map[string]*uspmsg.GetSupportedDMResp_SupportedObjectResult{}
		for _, o := range dm.GetReqObjResults()[0].GetSupportedObjs() {
			objects[o.GetSupportedObjPath()] = o
		}
		want := []string{
			"Device.", "Device.DeviceInfo.", "Device.DeviceInfo.FirmwareImage.{i}.", "Device.LocalAgent.",
			"Device.LocalAgent.Controller.{i}.", "Device.LocalAgent.Controller.{i}.BootParameter.{i}.",
			"Device.LocalAgent.Controller.{i}.MTP.{i}.", "Device.LocalAgent.Controller.{i}.TransferCompletePolicy.",
			"Device.LocalAgent.MTP.{i}.", "Device.LocalAgent.Request.{i}.",
			"Device.LocalAgent.Subscription.{i}.",
			"Device.WiFi.", "Device.WiFi.Radio.{i}.", "Device.WiFi.SSID.{i}.",
		}
		if got := slices.Sorted(maps.Keys(objects)); !slices.Equal(got, want) {
			t.Errorf("objects: got %v, want %v", got, want)
		}
		ssid := objects["Device.WiFi.SSID.{i}."]
		if !ssid.GetIsMultiInstance() || len(ssid.GetSupportedParams()) != 4 || len(ssid.GetUniqueKeySets()) != 1 {
			t.Errorf("got %v", ssid)
		}
		if objects["Device."].GetSupportedCommands()[0].GetCommandName() != "Reboot()" {
			t.Errorf("got %v, want Reboot()", objects["Device."])
		}
		if v, err := c.GetSupportedProtocol(ctx, it); err != nil || v != "1.0,1.1,1.2,1.3,1.4" {
			t.Errorf("got %s, %v, want all versions", v, err)
		}
	})
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	test(t, func(t *env) {
		ctx, c, a := t.ctx, t.c, t.a
		row, err := c.Subscribe(ctx, it, controller.Subscription{
			ID: "ssid", Type: "ValueChange", References: []string{"Device.WiFi.SSID.*.SSID", "Device.WiFi.Radio."}, Retry: true,
		})
		if err != nil || row != "Device.LocalAgent.Subscription.1." {
			t.Fatalf("got %s, %v, want row 1", row, err)
		}
		if _, err := c.Subscribe(ctx, it, controller.Subscription{ID: "ssid"}); err == nil {
			t.Error("a second Subscription with the ID: got no error, want 7025")
		}
		a.SetValue("Device.WiFi.SSID.2.Enable", "true") // nobody's business
		a.SetValue("Device.WiFi.SSID.2.SSID", "new")
		a.SetValue("Device.WiFi.SSID.2.SSID", "new") // is not a change
		if n := <-c.Notifies(); n.GetSubscriptionId() != "ssid" || n.From != it || !n.GetSendResp() ||
			n.GetValueChange().GetParamPath() != "Device.WiFi.SSID.2.SSID" || n.GetValueChange().GetParamValue() != "new" {
			t.Errorf("got %v", n)
		}
		channel := controller.Update("Device.WiFi.Radio.1.", map[string]string{"Channel": "40"})
		if _, err := c.Set(ctx, it, false, channel); err != nil {
			t.Error(err)
		}
		if n := <-c.Notifies(); n.GetValueChange().GetParamValue() != "40" { // of its own Set, too
			t.Errorf("got %v", n)
		}
		r, err := c.Delete(ctx, it, false, row)
		if got := r.GetDeletedObjResults()[0].GetOperStatus().GetOperSuccess().GetAffectedPaths(); err != nil ||
			!slices.Equal(got, []string{row}) {
			t.Errorf("got %v, %v, want %s", got, err, row)
		}
		if r, err = c.Delete(ctx, it, false, row); err != nil || // [R-DEL.2a]
			len(r.GetDeletedObjResults()[0].GetOperStatus().GetOperSuccess().GetAffectedPaths()) != 0 {
			t.Errorf("got %v, %v, want success without paths", r, err)
		}
		if _, err = c.Delete(ctx, it, false, "Device.WiFi.SSID.1."); err == nil {
			t.Error("Delete of an SSID: got no error")
		}
		a.SetValue("Device.WiFi.SSID.2.SSID", "silent")
		synctest.Wait()
		if len(c.Notifies()) != 0 {
			t.Errorf("got %v without a Subscription", <-c.Notifies())
		}
		if got := a.Ignored() + c.Ignored(); got != 0 {
			t.Errorf("ignored: got %d, want 0", got)
		}
	})
}

func TestReboot(t *testing.T) {
	t.Parallel()
	test(t, func(t *env) {
		ctx, c := t.ctx, t.c
		for id, persistent := range map[string]bool{"stays": true, "goes": false} {
			if _, err := c.Subscribe(ctx, it, controller.Subscription{
				ID: id, Type: "Event", References: []string{"Device.Boot!"}, Persistent: persistent,
			}); err != nil {
				t.Fatal(err)
			}
		}
		r, err := c.Operate(ctx, it, "Device.Reboot()", "key", nil)
		if err != nil || r.GetOperationResults()[0].GetReqOutputArgs() == nil {
			t.Fatalf("got %v, %v", r, err)
		}
		n := <-c.Notifies()
		if n.GetSubscriptionId() != "stays" || n.GetEvent().GetEventName() != "Boot!" ||
			n.GetEvent().GetParams()["CommandKey"] != "key" || n.GetEvent().GetParams()["Cause"] != "RemoteReboot" {
			t.Errorf("got %v", n)
		}
		if n = <-c.Notifies(); n.GetOnBoardReq().GetOui() != "ACDE48" { // [R-NOT.6]
			t.Errorf("got %v, want an OnBoardRequest", n)
		}
		synctest.Wait()
		if len(c.Notifies()) != 0 {
			t.Errorf("got %v of a Subscription that is not persistent", <-c.Notifies())
		}
		r, err = c.Operate(ctx, it, "Device.Explode()", "", nil)
		if err != nil || r.GetOperationResults()[0].GetCmdFailure().GetErrCode() != uint32(usp.CodeInvalidPath) {
			t.Errorf("got %v, %v, want cmd_failure 7026", r, err)
		}
	})
}

func TestRequestsItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	test(t, func(t *env) {
		ctx, c := t.ctx, t.c
		for code, req := range map[usp.Code]*uspmsg.Request{
			usp.CodeMessageNotSupported: {ReqType: &uspmsg.Request_Register{Register: &uspmsg.Register{}}},
			usp.CodeInvalidArguments:    {},
		} {
			m, err := c.Do(ctx, it, req)
			if err != nil || m.GetBody().GetError().GetErrCode() != uint32(code) {
				t.Errorf("got %v, %v, want %d", m, err, uint32(code))
			}
		}
	})
}

func TestLoadModel(t *testing.T) {
	t.Parallel()
	m, err := agent.LoadModel(strings.NewReader("path,writable,value,type,rule\n"+
		"Device.,0,,object,\n"+
		"Device.DeviceInfo.SerialNumber,0,SN-{serial},xsd:string,\n"+
		"Device.ManagementServer.URL,1,http://acs/,string,\n"+
		"Device.NAT.PortMapping.,1,,object,\n"+
		"Device.NAT.PortMapping.3.,1,,object,\n"+
		"Device.NAT.PortMapping.3.Protocol,1,TCP,string,TCP|UDP\n"), "7")
	if err != nil {
		t.Fatal(err)
	}
	x, _ := pipe.New(pipe.Side{}, pipe.Side{})
	a, err := agent.New(agent.Options{Endpoint: it, Transport: x, Model: m})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"Device.DeviceInfo.SerialNumber":                 "SN-7",
		"Device.NAT.PortMapping.3.Alias":                 "cpe-3",
		"Device.ManagementServer.URL":                    "", // not in the USP variant
		"Device.LocalAgent.EndpointID":                   string(it),
		"Device.DeviceInfo.FirmwareImageNumberOfEntries": "1",
	} {
		if got, _ := a.Value(p); got != want {
			t.Errorf("%s: got %q, want %q", p, got, want)
		}
	}
	for in, text := range map[string]string{
		"":                                     "EOF",
		"h\nDevice.A,1\n":                      "line 2",
		"h\nDevice.A,maybe,x,int\n":            `writable is "maybe"`,
		"h\nDevice.A,1,x,integer\n":            `type "integer"`,
		"h\n\"Device.A,1,x,string\n":           "line 2",
		"h\nDevice.A,1,x,object\n":             "neither an object nor",
		"h\nInternetGatewayDevice.A,1,x,int\n": "neither an object nor",
		"h\nDevice.A,1,x,int,1:b\n":            "rule",
	} {
		if _, err := agent.LoadModel(strings.NewReader(in), ""); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("LoadModel(%q): got %v, want an error with %s", in, err, text)
		}
	}
}
