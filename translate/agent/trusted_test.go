// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// asker sends requests of scripts and returns what came of them.
func asker(r *rig) func(from usp.EndpointID, words ...string) string {
	return func(from usp.EndpointID, words ...string) string {
		r.takeTranscript()
		r.send(from, "", words)
		synctest.Wait()
		return r.takeTranscript()
	}
}

// Whose certificate an Agent wants to see is heard over Links that show it, also while the
// Agent sleeps, and after a restart.
func TestDemandsOfAnAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl+self::other")
		defer func() { r.stop() }()
		ask := asker(r)
		id := r.agent.EndpointID()
		leaf, ca := parsedCertificate(t, "leaf"), parsedCertificate(t, "ca")
		check := func(when string, want error, c usp.EndpointID, chain ...*x509.Certificate) {
			t.Helper()
			if err := r.host.Check(id, c, chain); !errors.Is(err, want) {
				t.Errorf("%s: got %v for %s with %d certificates, want %v", when, err, c, len(chain), want)
			}
		}
		check("before", nil, "self::other")
		const table = "Device.LocalAgent.Certificate."
		ask("self::ctl", "Operate", "Device.LocalAgent.AddCertificate()", "Certificate="+certificateText(t, "ca"))
		ask("self::ctl", "Set", "whole", "Device.LocalAgent.Controller.2.", "Credential!="+table+"1")
		check("pinned", agent.ErrUnproven, "self::other")
		check("pinned", agent.ErrUnproven, "self::other", leaf)
		check("pinned", nil, "self::other", leaf, ca)
		check("pinned", nil, "self::ctl")
		r.host.PutToSleep()
		check("asleep", agent.ErrUnproven, "self::other", leaf)
		r.restart()
		check("restarted", agent.ErrUnproven, "self::other", leaf)
		check("restarted", nil, "self::other", leaf, ca)
		ask = asker(r)
		ask("self::ctl", "Set", "whole", table+"1.", "Enable!=false")
		check("disabled", agent.ErrUnproven, "self::other", leaf, ca)
		ask("self::ctl", "Set", "whole", "Device.LocalAgent.Controller.2.", "Credential!=")
		check("no longer pinned", nil, "self::other")

		ask("self::ctl", "Add", "whole", "Device.LocalAgent.ControllerTrust.Credential.", "Enable!=true",
			"Credential!="+table+"1")
		check("never shown", nil, "self::other")
		r.host.Meet("self::other", agent.FingerprintsOf([]*x509.Certificate{leaf, ca}), true)
		check("shown", agent.ErrUnproven, "self::other")
		r.host.Meet("self::other", nil, false)
		check("shown, and then not", agent.ErrUnproven, "self::other")
		check("shown", nil, "self::other", leaf, ca)
	})
}

// Controllers fill none of the tables of trust without end.
func TestTablesOfTrustAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl", "protocols=WebSocket+MQTT")
		defer r.stop()
		ask := asker(r)
		const trust = "Device.LocalAgent.ControllerTrust."
		for _, c := range []struct {
			table string
			most  int
		}{
			{"Device.LocalAgent.Controller.", 16},
			{"Device.LocalAgent.Controller.2.MTP.", 8},
			{trust + "Challenge.", 16},
			{trust + "Credential.", 16},
			{"Device.LocalAgent.Threshold.", 32},
		} {
			for i := range c.most {
				if got := ask("self::ctl", "Add", "whole", c.table); !strings.Contains(got, "AddResp") {
					t.Fatalf("%s row %d: got %s, want AddResp", c.table, i, got)
				}
			}
			if got := ask("self::ctl", "Add", "whole", c.table); !strings.Contains(got, "7005") {
				t.Errorf("%s: got %s for one more, want Error 7005", c.table, got)
			}
		}
	})
}

// Who has been added to an Agent, and where it is reached, is known while the Agent sleeps,
// and after a restart.
func TestAddedControllersAreKnownWhileTheAgentSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl", "protocols=WebSocket+MQTT")
		defer func() { r.stop() }()
		ask := asker(r)
		id := r.agent.EndpointID()
		const table = "Device.LocalAgent.Controller."
		ask("self::ctl", "Add", "whole", table, "EndpointID!=self::new", "Enable!=true")
		ask("self::ctl", "Add", "whole", table+"2.MTP.", "Protocol!=MQTT", "MQTT.Topic!=to/new", "Enable!=true")
		r.host.PutToSleep()
		r.restart()
		want := agent.Grant{Controller: "self::new", Protocol: "MQTT", Destination: "to/new"}
		if got := r.host.Grants(id); len(got) != 1 || got[0] != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, ok := r.host.GrantOf("self::new"); !ok || got != want {
			t.Errorf("got %v, %t, want %v", got, ok, want)
		}
		if !r.host.Granted(id, "self::new") || r.host.Granted(id, "self::ctl") || r.host.Granted("self::x", "self::new") {
			t.Error("got other Controllers granted than the one that was added")
		}
		r.restart("fixed")
		if _, ok := r.host.GrantOf("self::new"); ok {
			t.Error("got a Grant although the configuration wants none")
		}
	})
}

// A certificate is taken as PEM and as base64, and nothing else is.
func TestParseCertificate(t *testing.T) {
	t.Parallel()
	ca, b64 := parsedCertificate(t, "ca"), certificateText(t, "ca")
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))
	for name, good := range map[string]string{
		"PEM": text, "base64": b64, "base64 in lines": b64[:64] + "\n" + b64[64:],
	} {
		if got, err := agent.ParseCertificate(good); err != nil || !got.Equal(ca) {
			t.Errorf("%s: got %v, want the certificate", name, err)
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "other PEM": strings.ReplaceAll(text, "CERTIFICATE", "PUBLIC KEY"), "no DER": "bm9uZQ==",
		"too long": strings.Repeat("A", 1<<15),
	} {
		if _, err := agent.ParseCertificate(bad); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func FuzzParseCertificate(f *testing.F) {
	f.Add("bm9uZQ==")
	f.Add("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		cert, err := agent.ParseCertificate(text)
		if err != nil {
			return
		}
		again, err := agent.ParseCertificate(base64.StdEncoding.EncodeToString(cert.Raw))
		if err != nil || !again.Equal(cert) {
			t.Errorf("got %v, want the same certificate from its DER", err)
		}
	})
}

// What another process says of its Agents is known, and not what it says of those here.
func TestAccessIsToldAndLearned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl")
		defer func() { r.stop() }()
		var told []agent.Access
		r.opts.AccessChanged = func(x agent.Access) { told = append(told, x) }
		r.restart()
		ask := asker(r)
		const table = "Device.LocalAgent.Controller."
		ask("self::ctl", "Add", "whole", table, "EndpointID!=self::new")
		ask("self::ctl", "Set", "whole", table+"1.", "ProvisioningCode!=x")
		if len(told) != 0 {
			t.Errorf("got %v told of a Controller that is disabled, want nothing", told)
		}
		ask("self::ctl", "Set", "whole", table+"2.", "Enable!=true")
		id := r.agent.EndpointID()
		if len(told) != 1 || told[0].Agent != id || len(told[0].Grants) != 1 || told[0].Demands != nil {
			t.Fatalf("got %+v told, want the Grant", told)
		}
		elsewhere := told[0]
		elsewhere.Agent = "os::elsewhere-1"
		r.host.Learn(elsewhere)
		if !r.host.Granted("os::elsewhere-1", "self::new") {
			t.Error("got nothing of an Agent elsewhere, want its Grant")
		}
		r.host.Learn(agent.Access{Agent: id})
		if !r.host.Granted(id, "self::new") {
			t.Error("got the Grant of an Agent here taken away by another process")
		}
		ask("self::ctl", "Operate", "Device.LocalAgent.AddCertificate()", "Certificate="+certificateText(t, "ca"))
		ask("self::ctl", "Set", "whole", table+"2.", "Credential!=Device.LocalAgent.Certificate.1")
		if last := told[len(told)-1]; last.Demands == nil || len(last.Demands.Pins["self::new"]) != 1 {
			t.Errorf("got %+v told last, want the pin", last)
		}
	})
}

// What another Agent asks in the name of a Controller shows no certificate, and is refused
// where the Agent wants one.
func TestAskedWithoutCertificate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl+self::other")
		defer func() { r.stop() }()
		ask := asker(r)
		ask("self::ctl", "Operate", "Device.LocalAgent.AddCertificate()", "Certificate="+certificateText(t, "ca"))
		ask("self::ctl", "Set", "whole", "Device.LocalAgent.Controller.2.", "Credential!=Device.LocalAgent.Certificate.1")
		for c, want := range map[usp.EndpointID]usp.Code{"self::ctl": 0, "self::other": usp.CodePermissionDenied} {
			var got *uspmsg.Body
			err := r.host.Ask(agent.Asked{
				To: r.agent.EndpointID(), From: c, MsgID: "1",
				Request: parseRequest(t, []string{"Get", "Device.LocalAgent.EndpointID"}).GetRequest(),
				Answer:  func(body *uspmsg.Body, _ error) { got = body },
			})
			synctest.Wait()
			if code := got.GetError().GetErrCode(); err != nil || code != uint32(want) {
				t.Errorf("%s: got %v, %v, want Error %d", c, got, err, want)
			}
		}
	})
}

// A Host beside another one knows the same of Controllers.
func TestHostBesideAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl")
		defer func() { r.stop() }()
		opts := r.opts
		opts.Beside, opts.Keeper, opts.Device = r.host, nil, nil
		other, err := agent.NewHost(opts)
		if err != nil {
			t.Fatal(err)
		}
		asker(r)("self::ctl", "Add", "whole", "Device.LocalAgent.Controller.", "EndpointID!=self::new", "Enable!=true")
		if !other.Granted(r.agent.EndpointID(), "self::new") {
			t.Error("got no Grant of the Host that it is beside")
		}
	})
}
