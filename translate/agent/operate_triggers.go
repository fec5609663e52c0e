// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// trigger is a command that CWMP has as a parameter: writing it does what the command
// does. It is true, unless arg says which argument it is.
type trigger struct {
	object, param string // below Device.
	name          string // of the command; empty: that of the parameter with ()
	async         bool
	arg           string
	// inputs are arguments that are parameters beside it.
	inputs, required []string
	// tr098 is the parameter of a TR-098 CPE, with {i}. Its object is the one that Enable
	// of the command's object comes from.
	tr098 string
}

// triggerCommands are the commands that CWMP has as parameters [TR-181].
func triggerCommands() []*command {
	const wan = "WANDevice.{i}.WANConnectionDevice.{i}."
	list := []trigger{
		{object: "DHCPv4.Client.{i}.", param: "Renew"},
		{object: "DHCPv6.Client.{i}.", param: "Renew"},
		{object: "DeviceInfo.TemperatureStatus.TemperatureSensor.{i}.", param: "Reset"},
		{
			object: "Ethernet.WoL.", param: "SendMagicPacket", inputs: []string{"MACAddress", "Password"},
			required: []string{"MACAddress"},
		},
		{object: "FAP.GPS.", param: "GPSReset"},
		{object: "IEEE8021x.Supplicant.{i}.", param: "Disconnect"},
		{object: "IEEE8021x.Supplicant.{i}.", param: "Reset"},
		{object: "IP.Interface.{i}.", param: "Reset", tr098: wan + "WANIPConnection.{i}.Reset"},
		{object: "PPP.Interface.{i}.", param: "Reset", tr098: wan + "WANPPPConnection.{i}.Reset"},
		{object: "PeriodicStatistics.SampleSet.{i}.", param: "ForceSample"},
		{object: "Routing.Babel.", param: "StatsReset"},
		{object: "SmartCardReaders.SmartCardReader.{i}.", param: "Reset"},
		{object: "SoftwareModules.ExecEnv.{i}.", param: "Reset", async: true},
		{
			object: "SoftwareModules.ExecEnv.{i}.", param: "RequestedRunLevel", name: "SetRunLevel()",
			arg: "RequestedRunLevel",
		},
		{
			object: "SoftwareModules.ExecutionUnit.{i}.", param: "RequestedState", name: "SetRequestedState()",
			arg: "RequestedState",
		},
		{object: "USB.USBHosts.Host.{i}.", param: "Reset"},
		{object: "UserInterface.", param: "PasswordReset"},
		{object: "WiFi.AccessPoint.{i}.Security.", param: "Reset"},
		{object: "WiFi.", param: "Reset"},
	}
	for _, object := range statsObjects() {
		list = append(list, trigger{object: object + ".Stats.", param: "Reset"})
	}
	commands := make([]*command, len(list))
	for i := range list {
		commands[i] = list[i].command()
	}
	return commands
}

// statsObjects are those whose Stats. can be reset.
func statsObjects() []string {
	return []string{
		"ATM.Link.{i}", "Bridging.Bridge.{i}.Port.{i}", "Cellular.Interface.{i}", "DHCPv4.Client.{i}",
		"DHCPv4.Server", "DHCPv6.Client.{i}", "DHCPv6.Server", "DOCSIS.Downstream.{i}", "DOCSIS.Interface.{i}",
		"DOCSIS.Upstream.{i}", "DSL.BondingGroup.{i}", "DSL.Channel.{i}", "DSL.Line.{i}",
		"Ethernet.Interface.{i}", "Ethernet.LAG.{i}", "Ethernet.Link.{i}", "Ethernet.VLANTermination.{i}",
		"FAST.Line.{i}", "FWE.Link.{i}", "GRE.Tunnel.{i}.Interface.{i}", "Ghn.Interface.{i}",
		"HPNA.Interface.{i}", "HomePlug.Interface.{i}", "IEEE8021x.Supplicant.{i}", "IP.Interface.{i}",
		"L2TPv3.Tunnel.{i}.Interface.{i}", "Logical.Interface.{i}", "MAP.Domain.{i}.Interface",
		"MoCA.Interface.{i}", "Optical.Interface.{i}", "PPP.Interface.{i}", "PTM.Link.{i}", "Thread.MLE.{i}",
		"Thread.Radio.{i}", "UPA.Interface.{i}", "USB.Interface.{i}", "VXLAN.Tunnel.{i}.Interface.{i}",
		"WiFi.Radio.{i}", "WiFi.SSID.{i}", "XPON.ONU.{i}.EthernetUNI.{i}", "ZigBee.Interface.{i}",
	}
}

func (t *trigger) command() *command {
	c := &command{
		name: t.name, async: t.async, object: "Device." + t.object, in: t.inputs, required: t.required, run: t.run,
		needs: needs{tr181: t.object + t.param, tr098: t.tr098},
	}
	if c.name == "" {
		c.name = t.param + "()"
	}
	if t.arg != "" {
		c.in, c.required = []string{t.arg}, []string{t.arg}
	}
	return c
}

// run writes the parameter. An asynchronous command is complete when the CPE has
// accepted that.
func (t *trigger) run(a *Agent, c *call) {
	a.lock()
	vals, err := t.values(a, c)
	a.unlock()
	if err != nil {
		c.err = err
		return
	}
	if _, err := c.send(&cwmp.SetParameterValues{Params: vals, ParameterKey: parameterKey}); err != nil {
		c.err = commandError(err)
		return
	}
	a.lock()
	defer a.unlock()
	a.fresh.forget() // whatever has been reset is another one now
	if c.row != "" {
		row := c.row
		c.r.then = append(c.r.then, func() {
			if a.local.exists(row) {
				a.closeRequest(row, map[string]string{}, nil)
			}
		})
	}
}

// values makes what is to be written. The lock is held.
func (t *trigger) values(a *Agent, c *call) ([]cwmp.ParameterValue, *usp.Error) {
	object := c.object
	if a.view.Root() == model.TR098 {
		object = a.sourceOf(c.object, "Enable")
	}
	have, ok := a.view.CPEValue(object + t.param)
	if object == "" || !ok {
		return nil, invalid(usp.CodeCommandFailure, "", "the CPE has no "+t.param+" of this object")
	}
	var vals []cwmp.ParameterValue
	for _, name := range t.inputs {
		value, given := c.args[name]
		if _, ok := a.view.CPEValue(object + name); !given || !ok {
			continue
		}
		vals = append(vals, cwmp.ParameterValue{Name: object + name, Value: value, Type: cwmp.TypeString})
	}
	p := cwmp.ParameterValue{Name: object + t.param, Value: "true", Type: cwmp.TypeBoolean}
	switch {
	case t.arg != "":
		p.Value, p.Type = c.args[t.arg], cwmp.TypeString
	case have.Value == "0" || have.Value == "1": // as the CPE writes booleans
		p.Value = "1"
	}
	if have.Type != cwmp.TypeUnknown {
		p.Type = have.Type
	}
	if strings.HasSuffix(t.arg, "Level") {
		if _, err := strconv.ParseInt(p.Value, 10, 32); err != nil {
			return nil, invalid(usp.CodeInvalidCommandArgs, "", t.arg+" is no int")
		}
	}
	for _, v := range append(vals, p) {
		if !model.IsText(v.Value) {
			return nil, invalid(usp.CodeInvalidCommandArgs, "", "an argument "+model.NotText)
		}
	}
	return append(vals, p), nil
}
