// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/test/bench/copies"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// The arguments by which this program starts itself for Virtual Agents in memory.
const (
	fillAgents  = "fill-agents"
	serveAgents = "serve-agents"
)

// agentsTarget is how many KB of 1024 bytes a Virtual Agent in memory may have.
const agentsTarget = 60.0

// agentModels is of how many models they are, agentParams how many parameters the CPE
// of each model has.
const (
	agentModels = 5
	agentParams = 1500
)

// agents prints what a Virtual Agent costs in memory more than asleep.
func agents(ctx context.Context, f *flags, out io.Writer) (err error) {
	if f.agents <= 0 || !f.only.MatchString("agents") {
		return nil
	}
	root, err := os.MkdirTemp("", "uspgate-agents-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	n := strconv.Itoa(f.agents)
	fmt.Fprintf(out, "\n%s Virtual Agents, %d models of %d parameters; awake: the trees are packed that nobody uses\n",
		n, agentModels, agentParams)
	if _, err := self(ctx, fillAgents, root, n); err != nil {
		return err
	}
	for _, c := range []struct {
		state string
		fold  time.Duration
	}{{"awake", time.Second}, {"awake, and used", -1}} {
		said, err := self(ctx, serveAgents, root, c.fold.String())
		if err != nil {
			return err
		}
		var asleep, awake float64
		if _, err := fmt.Sscan(said, &asleep, &awake); err != nil {
			return fmt.Errorf("%s said %q: %w", serveAgents, said, err)
		}
		each, note := (awake-asleep)/1024/float64(f.agents), ""
		if each > agentsTarget {
			note = "  missed"
		}
		fmt.Fprintf(out, "%-15s %6.2f KB each, target %.0f%s\n", c.state, each, agentsTarget, note)
	}
	return nil
}

// fillWithAgents makes n CPE that have been read as a whole in the data_dir dir.
func fillWithAgents(ctx context.Context, dir string, n int) error {
	models := make([]*cpe.Model, agentModels)
	for i := range models {
		m, err := agentModel(i)
		if err != nil {
			return err
		}
		models[i] = m
	}
	return copies.OfModels(ctx, dir, models, n)
}

// serveWithAgents has a Host with the Agents of a data_dir asleep, then awake, their trees
// packed as Options.FoldEvery says, and prints the resident bytes with all asleep and with
// all awake.
func serveWithAgents(ctx context.Context, dir string, fold time.Duration, out io.Writer) error {
	e, err := engine.Open(ctx, engine.Options{Dir: filepath.Join(dir, "engine"), Interval: time.Minute})
	if err != nil {
		return err
	}
	defer e.Close()
	rules, err := model.Load("")
	if err != nil {
		return err
	}
	st, err := state.Open(ctx, e.Store(), state.Options{})
	if err != nil {
		return err
	}
	var all []cwmp.DeviceID
	err = st.Agents().Each(func(k agent.Kept) error {
		all = append(all, k.Identity)
		return nil
	})
	if err != nil {
		return err
	}
	host, err := agent.NewHost(agent.Options{
		Send: func(usp.Record) {}, Rules: rules, Keeper: st.Agents(), Protocols: []string{"WebSocket", "MQTT"},
		MaxAwake: len(all) + 1, MaxAwakeBytes: 1 << 40, Idle: time.Hour, Patience: time.Hour, FoldEvery: fold,
		Device: func(id cwmp.DeviceID) (agent.Device, error) { return absent(id), nil },
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- host.Run(running) }()
	asleep, err := atRest(ctx)
	for _, id := range all {
		if err == nil {
			_, err = host.Attach(absent(id)) //nolint:contextcheck // Attach takes none
		}
	}
	if err == nil {
		var awake int
		if awake, err = atRest(ctx); err == nil {
			_, err = fmt.Fprintln(out, asleep, awake)
		}
	}
	stop()
	return errors.Join(err, <-ended)
}

// atRest gives back what memory is free, and returns the resident bytes.
func atRest(ctx context.Context) (int, error) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	debug.FreeOSMemory()
	return residentBytes()
}

// agentModel makes the i-th model: TR-098 and TR-181 by turns, each with another number
// of rows in its tables and with objects of its vendor for the rest.
func agentModel(i int) (*cpe.Model, error) {
	b := &modelText{root: "InternetGatewayDevice."}
	parts := tr098Parts
	if i%2 == 1 {
		b.root, parts = "Device.", tr181Parts
	}
	b.WriteString("path,writable,value,type,rule\n")
	b.object("", false)
	b.object("DeviceInfo.", false)
	b.param("DeviceInfo.ProductClass", fmt.Sprintf("BX-%d", i), "xsd:string")
	for _, p := range parts {
		rows := p.rows
		if rows > 4 {
			rows += i
		}
		b.part(p, rows)
	}
	b.object(fmt.Sprintf("X_00D09E_Model%d.", i), false)
	for n := 0; b.params < agentParams; n++ {
		if n%25 == 0 {
			b.object(fmt.Sprintf("X_00D09E_Model%d.Part%d.", i, n/25), false)
		}
		b.param(fmt.Sprintf("X_00D09E_Model%d.Part%d.Setting%d", i, n/25, n%25), "enabled", "xsd:string")
	}
	return cpe.Load(fmt.Sprintf("bench-%d", i), strings.NewReader(b.String()))
}

// modelText is a model of internal/sim/cpe that is being written.
type modelText struct {
	strings.Builder
	root   string
	params int
	made   map[string]bool
}

func (b *modelText) object(name string, writable bool) {
	if b.made[name] {
		return
	}
	if b.made == nil {
		b.made = make(map[string]bool)
	}
	b.made[name] = true
	fmt.Fprintf(b, "%s%s,%d,,object,\n", b.root, name, map[bool]int{true: 1}[writable])
}

func (b *modelText) param(name, value, typ string) {
	fmt.Fprintf(b, "%s%s,1,%s,%s,\n", b.root, name, value, typ)
	b.params++
}

// part writes an object, or a table with its rows.
func (b *modelText) part(p modelPart, rows int) {
	above := ""
	for seg := range strings.SplitSeq(strings.TrimSuffix(p.object, "."), ".") {
		above += seg + "."
		b.object(above, p.rows > 0 && above == p.object)
	}
	at := []string{p.object}
	if p.rows > 0 {
		at = nil
		for r := 1; r <= rows; r++ {
			at = append(at, fmt.Sprintf("%s%d.", p.object, r))
		}
	}
	for r, object := range at {
		b.object(object, p.rows > 0)
		for leaf := range strings.FieldsSeq(p.leaves) {
			name, kind, _ := strings.Cut(leaf, ":")
			value, typ := exampleOf(kind, r)
			b.param(object+name, value, typ)
		}
	}
}

// exampleOf is a value as a CPE has it, and its type.
func exampleOf(kind string, r int) (value, typ string) {
	switch kind {
	case "b":
		return strconv.Itoa(r & 1), "xsd:boolean"
	case "n":
		return strconv.Itoa(1000 + 77*r), "xsd:unsignedInt"
	case "mac":
		return fmt.Sprintf("02:00:5E:10:00:%02X", r), "xsd:string"
	case "ip":
		return fmt.Sprintf("192.168.1.%d", r+2), "xsd:string"
	case "t":
		return "2026-11-28T09:00:00Z", "xsd:dateTime"
	case "e":
		return "", "xsd:string"
	default:
		return kind, "xsd:string"
	}
}

// modelPart is an object, or with rows a table, and its parameters with what they have:
// name:kind.
type modelPart struct {
	object string
	rows   int
	leaves string
}

const counters = " BytesSent:n BytesReceived:n PacketsSent:n PacketsReceived:n ErrorsSent:n ErrorsReceived:n" +
	" UnicastPacketsSent:n UnicastPacketsReceived:n DiscardPacketsSent:n DiscardPacketsReceived:n" +
	" MulticastPacketsSent:n MulticastPacketsReceived:n BroadcastPacketsSent:n BroadcastPacketsReceived:n"

var deviceInfo = modelPart{"DeviceInfo.", 0, "Manufacturer:Bench ManufacturerOUI:00D09E ModelName:BX-1" +
	" SerialNumber:e" +
	" HardwareVersion:A1 SoftwareVersion:1.2.3 ProvisioningCode:e UpTime:n Description:Gateway"}

var managementServer = modelPart{"ManagementServer.", 0, "URL:e Username:e Password:e PeriodicInformEnable:b" +
	" PeriodicInformInterval:n PeriodicInformTime:t ParameterKey:e ConnectionRequestURL:e" +
	" ConnectionRequestUsername:e ConnectionRequestPassword:e UpgradesManaged:b"}

var tr098Parts = []modelPart{
	deviceInfo, managementServer,
	{"Time.", 0, "NTPServer1:ntp.example.com NTPServer2:e CurrentLocalTime:t LocalTimeZone:UTC"},
	{"LANDevice.1.", 0, "LANEthernetInterfaceNumberOfEntries:n LANWLANConfigurationNumberOfEntries:n"},
	{"LANDevice.1.LANHostConfigManagement.", 0, "DHCPServerEnable:b MinAddress:ip MaxAddress:ip" +
		" SubnetMask:255.255.255.0" +
		" DNSServers:ip DomainName:lan IPRouters:ip DHCPLeaseTime:n"},
	{"LANDevice.1.LANEthernetInterfaceConfig.", 4, "Enable:b Status:Up Name:eth0 MACAddress:mac" +
		" MaxBitRate:Auto DuplexMode:Auto"},
	{"LANDevice.1.WLANConfiguration.", 6, "Enable:b Status:Up Name:wlan0 BSSID:mac SSID:Home MaxBitRate:Auto" +
		" Channel:n" +
		" AutoChannelEnable:b BeaconType:11i MACAddressControlEnabled:b Standard:n WEPKeyIndex:n KeyPassphrase:e" +
		" BasicEncryptionModes:None BasicAuthenticationMode:None WPAEncryptionModes:AESEncryption" +
		" WPAAuthenticationMode:PSKAuthentication IEEE11iEncryptionModes:AESEncryption" +
		" IEEE11iAuthenticationMode:PSKAuthentication PossibleChannels:1-13 TransmitPower:n RadioEnabled:b" +
		" SSIDAdvertisementEnabled:b RegulatoryDomain:DE TotalBytesSent:n TotalBytesReceived:n TotalPacketsSent:n" +
		" TotalPacketsReceived:n TotalAssociations:n"},
	{"LANDevice.1.Hosts.Host.", 50, "IPAddress:ip AddressSource:DHCP LeaseTimeRemaining:n MACAddress:mac" +
		" HostName:phone InterfaceType:802.11 Active:b"},
	{"WANDevice.1.WANCommonInterfaceConfig.", 0, "EnabledForInternet:b WANAccessType:Ethernet" +
		" Layer1UpstreamMaxBitRate:n Layer1DownstreamMaxBitRate:n PhysicalLinkStatus:Up TotalBytesSent:n"},
	{"WANDevice.1.WANConnectionDevice.1.WANIPConnection.", 3, "Enable:b ConnectionStatus:Connected" +
		" ConnectionType:IP_Routed" +
		" Name:internet Uptime:n LastConnectionError:ERROR_NONE NATEnabled:b AddressingType:DHCP" +
		" ExternalIPAddress:ip" +
		" SubnetMask:255.255.255.0 DefaultGateway:ip DNSEnabled:b DNSServers:ip MaxMTUSize:n MACAddress:mac"},
	{"WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.", 16, "PortMappingEnabled:b" +
		" PortMappingLeaseDuration:n RemoteHost:e ExternalPort:n InternalPort:n PortMappingProtocol:TCP" +
		" InternalClient:ip" +
		" PortMappingDescription:game"},
}

var tr181Parts = []modelPart{
	deviceInfo, managementServer,
	{"Ethernet.Interface.", 4, "Enable:b Status:Up Alias:cpe-eth Name:eth0 LowerLayers:e Upstream:b" +
		" MACAddress:mac MaxBitRate:n"},
	{"Ethernet.Interface.1.Stats.", 0, counters},
	{"IP.Interface.", 4, "Enable:b Status:Up Alias:cpe-ip Name:br0 LowerLayers:e Type:Normal MaxMTUSize:n Router:e"},
	{"IP.Interface.1.IPv4Address.", 2, "Enable:b Status:Enabled Alias:cpe-v4 IPAddress:ip" +
		" SubnetMask:255.255.255.0 AddressingType:DHCP"},
	{"WiFi.Radio.", 3, "Enable:b Status:Up Alias:cpe-radio Name:wl0 LowerLayers:e MaxBitRate:n" +
		" OperatingFrequencyBand:5GHz" +
		" OperatingStandards:ax PossibleChannels:36-64 Channel:n AutoChannelEnable:b TransmitPower:n" +
		" RegulatoryDomain:DE"},
	{"WiFi.SSID.", 6, "Enable:b Status:Up Alias:cpe-ssid Name:wl0 LowerLayers:Device.WiFi.Radio.1 BSSID:mac" +
		" MACAddress:mac SSID:Home"},
	{"WiFi.AccessPoint.", 6, "Enable:b Status:Enabled Alias:cpe-ap SSIDReference:Device.WiFi.SSID.1" +
		" SSIDAdvertisementEnabled:b" +
		" RetryLimit:n WMMEnable:b UAPSDEnable:b AssociatedDeviceNumberOfEntries:n"},
	{"Hosts.Host.", 50, "Alias:cpe-host PhysAddress:mac IPAddress:ip AddressSource:DHCP" +
		" Layer1Interface:Device.WiFi.SSID.1" +
		" LeaseTimeRemaining:n HostName:phone Active:b"},
	{"NAT.PortMapping.", 16, "Enable:b Status:Enabled Alias:cpe-pm Interface:Device.IP.Interface.1" +
		" LeaseDuration:n RemoteHost:e" +
		" ExternalPort:n InternalPort:n Protocol:TCP InternalClient:ip Description:game"},
	{"DHCPv4.Server.Pool.", 1, "Enable:b Status:Enabled Alias:cpe-pool Interface:Device.IP.Interface.1" +
		" MinAddress:ip MaxAddress:ip" +
		" SubnetMask:255.255.255.0 DNSServers:ip DomainName:lan IPRouters:ip LeaseTime:n"},
}
