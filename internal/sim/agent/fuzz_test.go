// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/agent"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/internal/sim/pipe"
)

// FuzzLoadModel: what is read as a model can be that of an Agent, which then has the
// serial number it was given wherever the file has a place for it.
func FuzzLoadModel(f *testing.F) {
	for _, s := range []string{
		"path,writable,value,type,rule\nDevice.DeviceInfo.SerialNumber,0,{serial},string,\n",
		"h\nDevice.NAT.PortMapping.,1,,object\nDevice.NAT.PortMapping.{i}.,1,,object\n" +
			"Device.NAT.PortMapping.{i}.Protocol,1,TCP,string,TCP|UDP\nDevice.NAT.PortMapping.7.,1,,object\n",
		"h\nDevice.A.1.B,1,{mac+3},xsd:string,len:1:9\nDevice.A.1.C,,2,int,1:3\n",
		"h\nDevice.IP.Diagnostics.IPPing.Host,1,,string\nDevice.DeviceInfo.FirmwareImage.3.Alias,0,x,string\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := agent.LoadModel(strings.NewReader(text), "4711")
		if err != nil {
			return
		}
		x, _ := pipe.New(pipe.Side{}, pipe.Side{})
		a, err := agent.New(agent.Options{Endpoint: it, Transport: x, Model: m})
		if err != nil {
			t.Fatalf("a model that was read: %v", err)
		}
		if got, _ := a.Value("Device.LocalAgent.EndpointID"); got != string(it) {
			t.Errorf("EndpointID: got %q, want %s", got, it)
		}
		if got, _ := a.Value("Device.DeviceInfo.SerialNumber"); strings.Contains(got, "{serial}") {
			t.Errorf("SerialNumber: got %q", got)
		}
	})
}

// The built-in TR-181 models of CPE are those of an Agent too.
func TestBuiltinModels(t *testing.T) {
	t.Parallel()
	for _, name := range cpe.Builtin() {
		if !strings.HasPrefix(name, "tr181") {
			continue
		}
		file, err := cpe.OpenBuiltin(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := agent.LoadModel(file, "3")
		if err != nil || file.Close() != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := m.EndpointID(); !strings.HasSuffix(string(got), "-3") {
			t.Errorf("%s: got %s, want an Endpoint ID with the serial number", name, got)
		}
	}
}
