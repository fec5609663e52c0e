// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

// device is the CPE as its Client sees it.
type device CPE

var _ cpe.Device = (*device)(nil)

// Settings reads ManagementServer.
func (d *device) Settings() cpe.Settings {
	c := (*CPE)(d)
	root := c.tree()
	get := func(name string) string { return c.text(root, c.model.Root()+"ManagementServer."+name) }
	s := cpe.Settings{
		URL: get("URL"), Username: get("Username"), Password: get("Password"), Namespace: c.opts.Namespace,
		Retry: cpe.Retry{
			MinWait:    seconds(get("CWMPRetryMinimumWaitInterval")),
			Multiplier: uint32(seconds(get("CWMPRetryIntervalMultiplier")) / time.Second),
		},
	}
	if on := get("PeriodicInformEnable"); on == "1" || on == "true" {
		s.PeriodicInterval = seconds(get("PeriodicInformInterval"))
		s.PeriodicTime, _ = time.Parse(time.RFC3339, get("PeriodicInformTime")) // the zero time has no phase
	}
	return s
}

// Inform gives the forced parameters and those that changed.
func (d *device) Inform([]cwmp.Event) (cwmp.DeviceID, []cwmp.ParameterValue) {
	c := (*CPE)(d)
	c.mu.Lock()
	root, names := c.root, c.changedNames()
	c.reported = c.change
	c.busy = true
	c.mu.Unlock()
	forced := c.forced(root)
	var params []cwmp.ParameterValue
	for _, name := range append(forced, slices.DeleteFunc(names, func(n string) bool {
		return slices.Contains(forced, n)
	})...) {
		if n := root.find(name); n != nil && !n.object {
			params = append(params, c.read(name, n))
		}
	}
	return c.Identity(), params
}

// changedNames are the parameters to report, sorted. The caller has the lock.
func (c *CPE) changedNames() []string {
	names := make([]string, 0, len(c.changed))
	for name := range c.changed {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// forced are the parameters of every Inform [TR-098 2.4.1, TR-181 forced
// Inform parameters].
func (c *CPE) forced(root *node) []string {
	r := c.model.Root()
	if r == rootTR181 {
		return []string{
			r + "RootDataModelVersion", r + "DeviceInfo.HardwareVersion", r + "DeviceInfo.SoftwareVersion",
			r + "DeviceInfo.ProvisioningCode", r + "ManagementServer.ParameterKey",
			r + "ManagementServer.ConnectionRequestURL", r + "ManagementServer.AliasBasedAddressing",
		}
	}
	names := []string{
		r + "DeviceSummary", r + "DeviceInfo.SpecVersion", r + "DeviceInfo.HardwareVersion",
		r + "DeviceInfo.SoftwareVersion", r + "DeviceInfo.ProvisioningCode",
		r + "ManagementServer.ConnectionRequestURL", r + "ManagementServer.ParameterKey",
	}
	if conn := c.defaultConnection(root); conn != "" {
		names = append(names, conn+"ExternalIPAddress")
	}
	return names
}

// defaultConnection is the WAN connection that ExternalIPAddress is reported
// of: the default one, otherwise the first that is enabled; "" for none.
func (c *CPE) defaultConnection(root *node) string {
	def := c.text(root, rootTR098+"Layer3Forwarding.DefaultConnectionService")
	if def != "" {
		if def = strings.TrimSuffix(def, ".") + "."; root.find(def+"ExternalIPAddress") != nil {
			return def
		}
	}
	wan := root.find(rootTR098 + "WANDevice.")
	if wan == nil {
		return ""
	}
	found := ""
	wan.walk(rootTR098+"WANDevice.", func(path string, n *node) {
		conn, ok := strings.CutSuffix(path, "ExternalIPAddress")
		if on := c.text(root, conn+"Enable"); ok && found == "" && (on == "1" || on == "true") {
			found = conn
		}
	})
	return found
}

// Informed forgets the changes that have been reported.
func (d *device) Informed(in *cwmp.Inform) {
	c := (*CPE)(d)
	c.mu.Lock()
	for name, at := range c.changed {
		if at <= c.reported {
			delete(c.changed, name)
		}
	}
	c.mu.Unlock()
	push(c.informs, in)
	if c.opts.OnInform != nil {
		c.opts.OnInform(in)
	}
}

// errCut is the loss of the connection that a test asked for.
var errCut = errors.New("connection cut")

// Handle answers one RPC.
func (d *device) Handle(ctx context.Context, req cwmp.Request) (cwmp.Response, error) {
	c := (*CPE)(d)
	h := c.hook(req.Method())
	if h.delay > 0 && !sleep(ctx, h.delay) {
		return nil, context.Cause(ctx)
	}
	if h.cutBefore || c.opts.Quirks.FewNamesCut && tooManyNames(req) {
		return nil, errCut
	}
	var resp cwmp.Response = h.fault
	if h.fault == nil {
		resp = c.dispatch(req)
	}
	if h.cutAfter || c.opts.Quirks.RebootsAtOnce && reboots(req) {
		return nil, errCut
	}
	return resp, nil
}

// dispatch is the table of the methods.
func (c *CPE) dispatch(req cwmp.Request) cwmp.Response {
	switch m := req.(type) {
	case *cwmp.GetRPCMethods:
		return &cwmp.GetRPCMethodsResponse{Methods: []string{
			"GetRPCMethods", "SetParameterValues", "GetParameterValues", "GetParameterNames",
			"SetParameterAttributes", "GetParameterAttributes", "AddObject", "DeleteObject", "Reboot", "Download",
			"FactoryReset", "ScheduleInform", "Upload", "ScheduleDownload", "CancelTransfer", "GetQueuedTransfers",
			"GetAllQueuedTransfers", "SetVouchers", "GetOptions", "ChangeDUState",
		}}
	case *cwmp.SetParameterValues:
		return c.setParameterValues(m)
	case *cwmp.GetParameterValues:
		return c.getParameterValues(m)
	case *cwmp.GetParameterNames:
		return c.getParameterNames(m)
	case *cwmp.SetParameterAttributes:
		return c.setParameterAttributes(m)
	case *cwmp.GetParameterAttributes:
		return c.getParameterAttributes(m)
	case *cwmp.AddObject:
		return c.addObject(m)
	case *cwmp.DeleteObject:
		return c.deleteObject(m)
	case *cwmp.Reboot:
		return c.reboot(m)
	case *cwmp.FactoryReset:
		return c.factoryReset()
	case *cwmp.Download:
		return c.download(m)
	default:
		return c.dispatchOptional(req)
	}
}

// dispatchOptional is dispatch for the methods that not every CPE has.
func (c *CPE) dispatchOptional(req cwmp.Request) cwmp.Response {
	switch m := req.(type) {
	case *cwmp.Upload:
		return c.upload(m)
	case *cwmp.ScheduleDownload:
		return c.scheduleDownload(m)
	case *cwmp.CancelTransfer:
		return c.cancelTransfer(m)
	case *cwmp.GetQueuedTransfers:
		return &cwmp.GetQueuedTransfersResponse{Transfers: c.queued()}
	case *cwmp.GetAllQueuedTransfers:
		return &cwmp.GetAllQueuedTransfersResponse{Transfers: c.queued()}
	case *cwmp.ScheduleInform:
		return c.scheduleInform(m)
	case *cwmp.SetVouchers:
		return c.setVouchers(m)
	case *cwmp.GetOptions:
		return c.getOptions(m)
	case *cwmp.ChangeDUState:
		return c.changeDUState(m)
	default:
		return fault(cwmp.FaultMethodNotSupported)
	}
}

// SessionEnded does what the RPCs of the session left to do.
func (d *device) SessionEnded(s cpe.Session) {
	c := (*CPE)(d)
	c.finish()
	push(c.sessions, s)
	if c.opts.OnSession != nil {
		c.opts.OnSession(s)
	}
}

// push puts v in ch; the oldest entry gives way if ch is full. There is one
// sender.
func push[T any](ch chan T, v T) {
	for {
		select {
		case ch <- v:
			return
		default:
		}
		select {
		case <-ch:
		default:
		}
	}
}
