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
	answered := make(chan int, 16)
	r.opts.Send = func(rec usp.Record) { answered <- len(rec.Bytes()) }
	r.start()
	r.inform(events("2_PERIODIC"))
	rec := usp.NewNoSession("self::ctl", r.agent.EndpointID(), "1.3", payload)
	for len(answered) > 0 { // what the Inform has set off
		<-answered
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.host.Deliver(rec, nil); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}

// BenchmarkGetSupportedDM5000 answers a GetSupportedDM of a whole data model with 5,000
// parameters, from Record to Record.
func BenchmarkGetSupportedDM5000(b *testing.B) {
	r := newRig(b, "tr181", "maxresponse=4194304")
	defer r.stop()
	r.cpe.trace = nil
	r.cpe.grow(500, 10)
	r.answers = make(chan *uspmsg.Msg, 16)
	r.inform(events("1_BOOT"))
	request := &uspmsg.GetSupportedDM{
		ObjPaths: []string{"Device."}, ReturnCommands: true, ReturnEvents: true, ReturnParams: true,
		ReturnUniqueKeySets: true,
	}
	body := &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
		ReqType: &uspmsg.Request_GetSupportedDm{GetSupportedDm: request},
	}}}
	r.ask(get("", "Device.NAT.").GetBody())
	params := 0
	for _, o := range supportedIn(r.ask(body)).GetReqObjResults()[0].GetSupportedObjs() {
		params += len(o.GetSupportedParams())
	}
	if params < 5000 {
		b.Fatalf("got %d parameters, want 5,000", params)
	}
	payload, err := proto.Marshal(&uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: "m", MsgType: uspmsg.Header_GET_SUPPORTED_DM}, Body: body,
	})
	if err != nil {
		b.Fatal(err)
	}
	r.stop()
	answered := make(chan int, 1)
	r.opts.Send = func(rec usp.Record) { answered <- len(rec.Bytes()) }
	r.start()
	r.inform(events("2_PERIODIC"))
	rec := usp.NewNoSession("self::ctl", r.agent.EndpointID(), "1.3", payload)
	size := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := r.host.Deliver(rec, func(error) {}); err != nil {
			b.Fatal(err)
		}
		size = <-answered // the Agent settles a request that only reads before it answers
	}
	b.ReportMetric(float64(size), "B/answer")
	if size < 100_000 {
		b.Fatalf("got an answer of %d bytes, want the whole data model", size)
	}
}
