// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
	"time"
)

// MTP is one USP binding: a server role with listen, a client role with
// connect. The tag "for" names the types that a key belongs to, "side" the role;
// without them it belongs to all.
type MTP struct {
	Name    string `yaml:"name" doc:"unique name, used in logs and routes"`
	Type    string `yaml:"type" doc:"websocket, mqtt, stomp, coap or uds"`
	Listen  string `yaml:"listen" for:"websocket/server,mqtt/server,stomp/server,uds/server,coap" doc:"host:port, uds: the path of the socket; coap with connect: where answers come in"`
	Connect string `yaml:"connect" side:"client" doc:"URL of the other side: ws(s)://, mqtt(s)://, stomp(s)://, coap(s)://, unix:/"`
	Path    string `yaml:"path" for:"websocket/server,coap" doc:"the resource"`

	Topics       Topics `yaml:"topics" for:"mqtt" doc:"topic templates"`
	Destinations Topics `yaml:"destinations" for:"stomp" doc:"destination templates"`
	Role         string `yaml:"role" doc:"role of the peers: agent, controller, or unknown to find out"`

	EndpointID string   `yaml:"endpoint_id" for:"websocket/client,mqtt/client,stomp/client,uds" doc:"Endpoint ID by which the gateway shows itself in the handshake"`
	Peer       string   `yaml:"peer" side:"client" doc:"Endpoint ID of the other side; empty: any; mqtt, stomp: with per_agent"`
	Presents   string   `yaml:"presents" for:"uds" doc:"the one Endpoint that this socket shows to its peers"`
	Trunk      bool     `yaml:"trunk" for:"websocket,uds" doc:"many Endpoints are behind the peer: another gateway"`
	SpeaksFor  []string `yaml:"speaks_for" doc:"Endpoint IDs for which the peer may speak, that of a trunk itself among them; * stands for any characters; empty on a broker: any"`
	Order      int      `yaml:"order" doc:"of several connections of an Endpoint the one with the lowest order is used"`

	Link       string   `yaml:"link" side:"client" for:"websocket,mqtt,stomp" doc:"shared: one connection; per_agent: one for each Agent"`
	Represents []string `yaml:"represents" side:"client" for:"websocket,mqtt,stomp" doc:"Endpoints of this side that are shown to the other; * stands for any characters"`
	DialRate   int      `yaml:"dial_rate" side:"client" for:"websocket,mqtt,stomp" doc:"per_agent: connections made per second"`

	SourceAddresses []string `yaml:"source_addresses" side:"client" for:"websocket" doc:"own addresses to connect from, in turn"`

	Version       string   `yaml:"version" side:"client" for:"mqtt" doc:"5 or 3.1.1"`
	Prefix        string   `yaml:"prefix" side:"client" for:"mqtt" doc:"our topics lie below it, instead of the templates"`
	Subscriptions []string `yaml:"subscriptions" side:"client" for:"mqtt" doc:"further topic filters"`
	Presence      string   `yaml:"presence" side:"client" for:"mqtt" doc:"topic template of the wills by which Endpoints come and go"`
	Records       []string `yaml:"records" side:"server" for:"mqtt" doc:"topic filters whose messages are Records whatever their content type"`
	Plain         bool     `yaml:"plain" side:"server" for:"mqtt" doc:"clients may exchange other messages by topic"`
	VirtualHost   string   `yaml:"virtual_host" side:"client" for:"stomp" doc:"host header; empty: the host of the URL"`
	Receipts      bool     `yaml:"receipts" side:"client" for:"stomp" doc:"a Record is delivered when the broker confirms it; false: when it is written"`
	Mode          string   `yaml:"mode" side:"server" for:"uds" doc:"permissions of the socket, octal"`
	Owner         string   `yaml:"owner" side:"server" for:"uds" doc:"user that the socket is given to; empty: that of the process"`
	Group         string   `yaml:"group" side:"server" for:"uds" doc:"group that the socket is given to; empty: that of the process"`
	AllowUIDs     []int    `yaml:"allow_uids" side:"server" for:"uds" doc:"user ids that may connect; empty: any that the permissions let in"`
	AllowGIDs     []int    `yaml:"allow_gids" side:"server" for:"uds" doc:"group ids that may connect"`
	Advertise     string   `yaml:"advertise" for:"coap" doc:"host:port under which peers reach us; empty: the local address towards each"`

	ReplyTo         []string `yaml:"reply_to" for:"coap" doc:"networks in which answers may be wanted, beside the address a Record came from"`
	ReplyToSource   bool     `yaml:"reply_to_source" for:"coap" doc:"answer to the address and port that a Record came from: peers behind a NAT"`
	ReplyToOptional bool     `yaml:"reply_to_optional" for:"coap" doc:"take Records without reply-to"`

	Username     string `yaml:"username" side:"client" doc:"user name for the other side"`
	Password     Secret `yaml:"password" side:"client" doc:"its password"`
	PasswordFile string `yaml:"password_file" side:"client" doc:"file that holds the password"`
	TLS          TLS    `yaml:"tls" doc:"certificate files; empty: no TLS"`
	Auth         Auth   `yaml:"auth" side:"server" doc:"how peers prove who they are"`

	AgentCertificates AgentCertificates `yaml:"agent_certificates" side:"client" for:"websocket,mqtt,stomp" doc:"the certificates by which Agents are shown, for per_agent"`

	Insecure       bool     `yaml:"insecure" side:"server" doc:"allow a listener on a public address without authentication"`
	TrustedBroker  bool     `yaml:"trusted_broker" doc:"do not look into Messages, not even for their msg_id"`
	ConnectRecords bool     `yaml:"connect_records" doc:"send Connect Records to peers of this binding"`
	ProxyFrom      []string `yaml:"proxy_from" side:"server" for:"websocket,mqtt,stomp" doc:"networks of load balancers that send a PROXY protocol header"`
	MaxRecord      Size     `yaml:"max_record" doc:"largest Record"`
	MaxConnections int      `yaml:"max_connections" side:"server" doc:"connections at the same time; coap: peers"`
	MaxPerAddress  int      `yaml:"max_connections_per_address" side:"server" for:"websocket,mqtt,stomp,coap" doc:"of these from one address; 0: no bound of its own"`
	KeepAlive      Duration `yaml:"keep_alive" for:"websocket,stomp,mqtt/client" doc:"interval between signs of life: pings or heart-beats"`
	Hold           Duration `yaml:"hold" doc:"how long a Record for which the buffer has no room waits for it, before its sender hears no; 0: not at all"`
	RepeatAfter    Duration `yaml:"repeat_after" side:"client" for:"mqtt" doc:"when the broker is asked again for what was not acknowledged"`
	Retry          Retry    `yaml:"retry" side:"client" doc:"how to connect again"`
}

// Topics are templates in which {endpoint_id} stands for the Endpoint.
type Topics struct {
	Agent      string `yaml:"agent" doc:"where an Agent is subscribed"`
	Controller string `yaml:"controller" doc:"where a Controller is subscribed"`
}

// Retry is USP's retry algorithm.
type Retry struct {
	Interval   Duration `yaml:"interval" doc:"minimum wait before the first retry"`
	Multiplier int      `yaml:"multiplier" doc:"growth from one retry to the next, in thousandths"`
	Max        Duration `yaml:"max" doc:"longest wait; 0: that of the 10th retry"`
}

// AgentCertificates says with which certificate each Agent is shown to a
// Controller.
type AgentCertificates struct {
	Mode     string         `yaml:"mode" doc:"trusted_broker: that of tls for all; wildcard: one per OUI; per_agent: issued from ca"`
	CACert   string         `yaml:"ca_cert" doc:"per_agent: PEM file with the certificate of the operator's CA"`
	CAKey    string         `yaml:"ca_key" doc:"per_agent: PEM file with its key"`
	Validity Duration       `yaml:"validity" doc:"per_agent: how long an issued certificate is valid"`
	Files    []AgentKeyPair `yaml:"files" doc:"wildcard: the certificates"`
}

// AgentKeyPair is a certificate with its key for the Agents that it names.
type AgentKeyPair struct {
	Cert string `yaml:"cert" doc:"PEM file with the certificate chain"`
	Key  string `yaml:"key" doc:"PEM file with the private key"`
}

// types are those of MTP.Type.
//
//nolint:gochecknoglobals // a constant table
var types = []string{"websocket", "mqtt", "stomp", "coap", "uds"}

// Client reports whether the binding connects.
func (m *MTP) Client() bool { return m.Connect != "" }

// Shared reports whether one connection of the binding reaches many Endpoints.
func (m *MTP) Shared() bool {
	return m.Trunk || m.Client() && m.Link == "shared" && (m.Type == "mqtt" || m.Type == "stomp")
}

// DefaultMTP returns the defaults of one binding of the given type. An entry
// of the file starts from them.
func DefaultMTP(name, typ string) MTP {
	m := MTP{
		Name: name, Type: typ, Role: "unknown", ConnectRecords: true,
		TLS: DefaultTLS(), Auth: Auth{Mode: "none"}, Receipts: true, Link: "shared", Version: "5", Mode: "0660",
		Represents: []string{"*"}, DialRate: 50,
		MaxRecord: 5 << 20, MaxConnections: 100_000, KeepAlive: Duration(time.Minute),
		Hold: Duration(time.Minute), RepeatAfter: Duration(30 * time.Second),
		Topics: Topics{Agent: "usp/v1/agent/{endpoint_id}", Controller: "usp/v1/controller/{endpoint_id}"},
		Destinations: Topics{
			Agent: "/queue/usp.v1.agent.{endpoint_id}", Controller: "/queue/usp.v1.controller.{endpoint_id}",
		},
		Retry:             Retry{Interval: Duration(5 * time.Second), Multiplier: 2000},
		AgentCertificates: AgentCertificates{Mode: "trusted_broker", Validity: Duration(90 * 24 * time.Hour)},
	}
	switch typ {
	case "websocket":
		m.Listen, m.Path = "127.0.0.1:8080", "/usp"
	case "mqtt":
		m.Listen, m.Hold = "127.0.0.1:1883", Duration(2*time.Second)
	case "stomp":
		m.Listen = "127.0.0.1:61613"
		m.Retry.Interval, m.Retry.Max = Duration(30*time.Second), Duration(30720*time.Second) // [R-STOMP.7]
	case "coap":
		m.Listen, m.Path, m.Hold = "127.0.0.1:5683", "/usp", Duration(2*time.Second)
	case "uds":
		m.Retry = Retry{Interval: Duration(time.Second), Multiplier: 5000, Max: Duration(5 * time.Second)} // [R-UDS.5]
	}
	return m
}

// on reports whether side, "server", "client" or either, is the role of m.
func (m *MTP) on(side string) bool { return side == "" || m.Client() == (side == "client") }

// applies reports whether a key with these tags belongs to m.
func (m *MTP) applies(forTypes, side string) bool {
	if forTypes != "" && !slices.ContainsFunc(strings.Split(forTypes, ","), func(f string) bool {
		typ, only, _ := strings.Cut(f, "/")
		return typ == m.Type && m.on(only)
	}) {
		return false
	}
	return m.on(side)
}
