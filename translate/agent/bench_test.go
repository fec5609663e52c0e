// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// BenchmarkGet10 answers a Get of ten parameters from the cache, from Record to
// Record.
func BenchmarkGet10(b *testing.B) {
	r := newRig(b, "tr181", "freshness=1h")
	defer r.stop()
	r.cpe.trace = nil
	r.answers = make(chan *uspmsg.Msg, 16)
	r.inform(events("1_BOOT"))
	r.ask(get("", "Device.NAT.").GetBody())
	payload, err := proto.Marshal(get("m",
		"Device.DeviceInfo.ModelName", "Device.DeviceInfo.SerialNumber", "Device.DeviceInfo.SoftwareVersion",
		"Device.DeviceInfo.UpTime", "Device.WiFi.SSID.1.SSID", "Device.WiFi.SSID.1.Enable", "Device.WiFi.SSID.2.SSID",
		"Device.WiFi.Radio.1.Channel", "Device.NAT.PortMapping.1.Description", "Device.LocalAgent.EndpointID"))
	if err != nil {
		b.Fatal(err)
	}
	r.stop()
	answered := make(chan struct{}, 1)
	r.opts.Send = func(usp.Record) {}
	r.start()
	r.inform(events("1_BOOT"))
	rec := usp.NewNoSession("self::ctl", r.agent.EndpointID(), "1.3", payload)
	done := func(error) { answered <- struct{}{} }
	b.ReportAllocs()
	for b.Loop() {
		if err := r.host.Deliver(rec, done); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}
