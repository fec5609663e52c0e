// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// newerFields are the fields that each version has added to the schema of what an Agent
// sends.
func newerFields() map[string][]protoreflect.FullName {
	const of = "usp.GetSupportedDMResp."
	return map[string][]protoreflect.FullName{
		"1.2": {
			of + "SupportedParamResult.value_type", of + "SupportedParamResult.value_change",
			of + "SupportedCommandResult.command_type",
		},
		"1.4": {of + "SupportedObjectResult.unique_key_sets"},
	}
}

// used returns the names of the fields that a message and those in it have.
func used(m protoreflect.Message, into map[protoreflect.FullName]bool) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		into[f.FullName()] = true
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				used(v.List().Get(i).Message(), into)
			}
		default:
			used(v.Message(), into)
		}
		return true
	})
}

// A Controller gets no field that its version of USP does not have, in whichever Message.
func TestPeersOfOlderVersions(t *testing.T) {
	t.Parallel()
	versions := []string{"1.0", "1.1", "1.2", "1.3", "1.4"}
	for at, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "freshness=1h")
				defer r.stop()
				r.inform(events("1_BOOT"))
				synctest.Wait()
				flags := "params commands events"
				if version == "1.4" {
					flags += " keys"
				}
				got := make(map[protoreflect.FullName]bool)
				for i, words := range []string{
					"GetSupportedDM Device. " + flags, "GetSupportedDM Device.WiFi.SSID.{i}.SSID Device.Reboot() Device.Boot!",
					"Get Device.", "GetInstances Device.", "GetSupportedProtocol",
					"Add whole Device.LocalAgent.Subscription. ID!=v NotifType!=ValueChange Enable!=true " +
						"ReferenceList!=Device.LocalAgent.Controller.1.ProvisioningCode",
					"Set whole Device.LocalAgent.Controller.1. ProvisioningCode!=x", "Operate Device.Reboot()",
					"Delete whole Device.LocalAgent.Subscription.1.", "Get Device..",
				} {
					msg := &uspmsg.Msg{
						Header: &uspmsg.Header{MsgId: string(rune('a' + i))}, Body: parseRequest(t, split(words)),
					}
					payload, err := proto.Marshal(msg)
					if err != nil {
						t.Fatal(err)
					}
					rec := usp.NewNoSession("self::ctl", r.agent.EndpointID(), version, payload)
					if err := r.host.Deliver(rec, nil); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				if n := r.sentCount(); n < 11 { // and the ValueChange
					t.Fatalf("got %d Messages, want an answer to each", n)
				}
				for _, m := range r.sent {
					used(m.ProtoReflect(), got)
				}
				for since, names := range newerFields() {
					for _, name := range names {
						want := slices.Index(versions, since) <= at
						if got[name] != want {
							t.Errorf("got %s %t, want %t: it is of %s", name, got[name], want, since)
						}
					}
				}
			})
		})
	}
}

// Each Controller has its own deadline.
func TestDeadlineOfController(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "deadline=30s")
		r.stop()
		r.opts.Controllers = []agent.Controller{
			{EndpointID: "self::hasty", Deadline: 5 * time.Second},
			{EndpointID: "self::ctl"},
			{EndpointID: "self::patient", Deadline: time.Minute},
		}
		r.start()
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		r.cpe.turn(true)
		began := time.Now()
		asked := map[string]time.Duration{"hasty": 5 * time.Second, "ctl": 30 * time.Second, "patient": time.Minute}
		for name := range asked {
			r.send(usp.EndpointID("self::"+name), name, split("Get Device.WiFi.SSID.1.SSID"))
		}
		answered := make(map[string]time.Duration)
		for len(answered) < len(asked) && time.Since(began) < 2*time.Minute {
			<-time.After(time.Second)
			synctest.Wait()
			r.mu.Lock()
			for _, m := range r.sent {
				id := m.GetHeader().GetMsgId()
				if _, known := answered[id]; !known && m.GetHeader().GetMsgType() == uspmsg.Header_GET_RESP {
					answered[id] = time.Since(began)
				}
			}
			r.mu.Unlock()
		}
		for name, want := range asked {
			if got := answered[name]; got < want || got > want+time.Second {
				t.Errorf("%s: got the answer after %v, want its deadline, %v", name, got, want)
			}
		}
	})
}
