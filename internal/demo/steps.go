// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/trace"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// step is one thing that is shown.
type step struct {
	name string
	run  func(context.Context) error
}

// indices of the devices, sorted as cpe.Builtin.
const (
	dsl = iota
	gpon
	wifi
)

func (d *demo) steps() []step {
	return []step{
		{"three CPE open their first session; each becomes a Virtual Agent", d.boot},
		{"GetSupportedProtocol and GetSupportedDM never wake a CPE", d.supported},
		{"Get over WebSocket: a TR-098 router answers Device.WiFi.SSID.*.SSID", d.get(dsl, overWS)},
		{"the same from a TR-098 GPON ONT", d.get(gpon, overWS)},
		{"the same from a TR-181 router, over MQTT", d.get(wifi, overMQTT)},
		{"Set over MQTT changes the SSID of the TR-098 router", d.set},
		{"a Set of a parameter that is read-only, and of one that does not exist", d.refused},
		{"Add a port mapping on the TR-098 router", d.add(dsl)},
		{"Add a port mapping on the TR-181 router", d.add(wifi)},
		{"Delete both again", d.remove},
		{"Subscribe to ValueChange; then somebody renames the Wi-Fi at the router itself", d.subscribe},
		{"Operate Device.Reboot(): OperationComplete and Boot! when the CPE is back", d.reboot},
	}
}

// over picks a Controller.
type over func(*demo) *controller.Controller

func overWS(d *demo) *controller.Controller   { return d.ws }
func overMQTT(d *demo) *controller.Controller { return d.mqtt }

// do sends a request, prints the exchange and returns the response.
func (d *demo) do(
	ctx context.Context, c *controller.Controller, to usp.EndpointID, req *uspmsg.Request,
) (*uspmsg.Response, error) {
	shown := &uspmsg.Msg{Header: &uspmsg.Header{}, Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: req}}}
	msg, err := c.Do(ctx, to, req)
	if err != nil {
		d.print.exchange(trace.Msg(shown), err.Error())
		return nil, err
	}
	answer, _ := proto.Clone(msg).(*uspmsg.Msg)
	answer.Header.MsgId = ""
	d.print.exchange(trace.Msg(shown), trace.Msg(answer))
	return controller.Result(msg)
}

func (d *demo) boot(ctx context.Context) error {
	for _, dev := range d.devices {
		select {
		case s := <-dev.Sessions():
			if s.Err != nil {
				return s.Err
			}
			var events []string
			for _, e := range s.Events {
				events = append(events, e.Code)
			}
			d.print.say("%-12s %-40s Inform %s, then %d RPCs of ours in that session", dev.model, dev.agent,
				strings.Join(events, " + "), len(s.Methods))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (d *demo) supported(ctx context.Context) error {
	to := d.devices[dsl].agent
	_, err := d.do(ctx, d.ws, to, &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedProtocol{
		GetSupportedProtocol: &uspmsg.GetSupportedProtocol{ControllerSupportedProtocolVersions: "1.3,1.4"},
	}})
	if err != nil {
		return err
	}
	r, err := d.do(ctx, d.ws, to, &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedDm{
		GetSupportedDm: &uspmsg.GetSupportedDM{ObjPaths: []string{"Device.WiFi.SSID."}, ReturnParams: true},
	}})
	if err != nil {
		return err
	}
	for _, res := range r.GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range res.GetSupportedObjs() {
			if o.GetSupportedObjPath() == "Device.WiFi.SSID.{i}." && o.GetIsMultiInstance() {
				return nil
			}
		}
	}
	return errors.New("Device.WiFi.SSID.{i}. is not among the supported objects")
}

func (d *demo) get(i int, by over) func(context.Context) error {
	return func(ctx context.Context) error {
		dev := d.devices[i]
		r, err := d.do(ctx, by(d), dev.agent, &uspmsg.Request{ReqType: &uspmsg.Request_Get{
			Get: &uspmsg.Get{ParamPaths: []string{"Device.DeviceInfo.SoftwareVersion", "Device.WiFi.SSID.*.SSID"}},
		}})
		if err != nil {
			return err
		}
		params := controller.Params(r.GetGetResp())
		if params["Device.DeviceInfo.SoftwareVersion"] == "" || params["Device.WiFi.SSID.1.SSID"] == "" {
			return fmt.Errorf("got %d parameters, want a version and an SSID", len(params))
		}
		return nil
	}
}

// ssid is where the TR-098 router keeps its first SSID.
const ssid = "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID"

func (d *demo) set(ctx context.Context) error {
	const name = "hello from USP"
	_, err := d.do(ctx, d.mqtt, d.devices[dsl].agent, &uspmsg.Request{ReqType: &uspmsg.Request_Set{
		Set: &uspmsg.Set{UpdateObjs: []*uspmsg.Set_UpdateObject{
			controller.Update("Device.WiFi.SSID.1.", map[string]string{"SSID": name}),
		}},
	}})
	if err != nil {
		return err
	}
	got, _ := d.devices[dsl].Value(ssid)
	d.print.say("%s in the CPE: %q", ssid, got)
	if got != name {
		return fmt.Errorf("got %q in the CPE, want %q", got, name)
	}
	return nil
}

func (d *demo) refused(ctx context.Context) error {
	for param, want := range map[string]usp.Code{"BSSID": usp.CodeNonWriteable, "Color": usp.CodeUnsupportedParameter} {
		_, err := d.do(ctx, d.ws, d.devices[dsl].agent, &uspmsg.Request{ReqType: &uspmsg.Request_Set{
			Set: &uspmsg.Set{UpdateObjs: []*uspmsg.Set_UpdateObject{
				controller.Update("Device.WiFi.SSID.1.", map[string]string{param: "x"}),
			}},
		}})
		var refusal *controller.Error
		if !errors.As(err, &refusal) {
			return fmt.Errorf("set of %s: got %w, want an Error", param, err)
		}
		if len(refusal.Params) != 1 || usp.Code(refusal.Params[0].GetErrCode()) != want {
			return fmt.Errorf("set of %s: got %w, want %d", param, err, want)
		}
	}
	return nil
}

func (d *demo) add(i int) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := d.do(ctx, d.ws, d.devices[i].agent, &uspmsg.Request{ReqType: &uspmsg.Request_Add{
			Add: &uspmsg.Add{CreateObjs: []*uspmsg.Add_CreateObject{
				controller.Create("Device.NAT.PortMapping.", map[string]string{
					"Enable": "true", "ExternalPort": "9443", "InternalPort": "443",
					"InternalClient": "192.168.1.20", "Protocol": "TCP", "Description": "camera",
				}),
			}},
		}})
		if err != nil {
			return err
		}
		for _, c := range r.GetAddResp().GetCreatedObjResults() {
			if path := c.GetOperStatus().GetOperSuccess().GetInstantiatedPath(); path != "" {
				d.mappings = append(d.mappings, mapping{i, path})
				return nil
			}
		}
		return errors.New("no row was created")
	}
}

// mapping is a row that add has created.
type mapping struct {
	device int
	path   string
}

func (d *demo) remove(ctx context.Context) error {
	for _, m := range d.mappings {
		r, err := d.do(ctx, d.mqtt, d.devices[m.device].agent, &uspmsg.Request{ReqType: &uspmsg.Request_Delete{
			Delete: &uspmsg.Delete{ObjPaths: []string{m.path}},
		}})
		if err != nil {
			return err
		}
		var gone []string
		for _, o := range r.GetDeleteResp().GetDeletedObjResults() {
			gone = append(gone, o.GetOperStatus().GetOperSuccess().GetAffectedPaths()...)
		}
		if !slices.Contains(gone, m.path) {
			return fmt.Errorf("got %v deleted, want %s", gone, m.path)
		}
	}
	return nil
}

func (d *demo) subscribe(ctx context.Context) error {
	dev := d.devices[dsl]
	if err := d.subscription(ctx, "demo-ssid", "ValueChange", "Device.WiFi.SSID.1.SSID"); err != nil {
		return err
	}
	if err := d.watched(ctx); err != nil {
		return err
	}
	d.print.say("at the router: %s = %q", ssid, "renamed at home")
	if err := dev.SetValue(ssid, "renamed at home"); err != nil {
		return err
	}
	n, err := d.notify(ctx, func(n *uspmsg.Notify) bool { return n.GetValueChange() != nil })
	if err != nil {
		return err
	}
	if got := n.GetValueChange().GetParamValue(); got != "renamed at home" {
		return fmt.Errorf("got %q, want the new name", got)
	}
	return nil
}

// watched waits until the CPE has been asked to report changes at once.
func (d *demo) watched(ctx context.Context) error {
	for {
		select {
		case s := <-d.devices[dsl].Sessions():
			if slices.Contains(s.Methods, "SetParameterAttributes") {
				return nil
			}
		case <-ctx.Done():
			return errors.New("the CPE was not asked to report changes")
		}
	}
}

func (d *demo) subscription(ctx context.Context, id, typ, path string) error {
	_, err := d.do(ctx, d.ws, d.devices[dsl].agent, &uspmsg.Request{ReqType: &uspmsg.Request_Add{
		Add: &uspmsg.Add{CreateObjs: []*uspmsg.Add_CreateObject{
			controller.Create("Device.LocalAgent.Subscription.", map[string]string{
				"Enable": "true", "ID": id, "NotifType": typ, "ReferenceList": path,
			}),
		}},
	}})
	return err
}

// notify waits for a notification and prints it.
func (d *demo) notify(ctx context.Context, want func(*uspmsg.Notify) bool) (*uspmsg.Notify, error) {
	for {
		select {
		case n := <-d.ws.Notifies():
			msg := &uspmsg.Msg{Header: &uspmsg.Header{}, Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{
				Request: &uspmsg.Request{ReqType: &uspmsg.Request_Notify{Notify: n.Notify}},
			}}}
			d.print.exchange("(nothing asked)", trace.Msg(msg))
			if want(n.Notify) {
				return n.Notify, nil
			}
		case <-ctx.Done():
			return nil, errors.New("no notification came")
		}
	}
}

func (d *demo) reboot(ctx context.Context) error {
	if err := d.subscription(ctx, "demo-done", "OperationComplete", "Device.Reboot()"); err != nil {
		return err
	}
	if err := d.subscription(ctx, "demo-boot", "Event", "Device.Boot!"); err != nil {
		return err
	}
	_, err := d.do(ctx, d.ws, d.devices[dsl].agent, &uspmsg.Request{ReqType: &uspmsg.Request_Operate{
		Operate: &uspmsg.Operate{Command: "Device.Reboot()", CommandKey: "demo-1", SendResp: true},
	}})
	if err != nil {
		return err
	}
	done, booted := false, false
	_, err = d.notify(ctx, func(n *uspmsg.Notify) bool {
		done = done || n.GetOperComplete().GetCommandKey() == "demo-1"
		booted = booted || n.GetEvent().GetEventName() == "Boot!"
		return done && booted
	})
	return err
}
