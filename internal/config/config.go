// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Config is the whole file. The doc tags are the reference texts, used by
// Schema and Print.
type Config struct {
	MTP         []MTP        `yaml:"mtp" doc:"USP bindings: one entry per listener"`
	Controllers []Controller `yaml:"controllers" doc:"who manages the Virtual Agents; empty: anyone on loopback"`
	Routes      []Route      `yaml:"routes" doc:"Endpoints known before they connect: Records for them are buffered"`
	Routing     Routing      `yaml:"routing" doc:"limits of the Record relay"`
	CWMP        CWMP         `yaml:"cwmp" doc:"the ACS side: sessions of TR-069 CPE"`
	Translate   Translate    `yaml:"translate" doc:"Virtual Agents"`
	Metrics     Metrics      `yaml:"metrics" doc:"/metrics, /healthz, /readyz and /debug/pprof"`
	Log         Log          `yaml:"log" doc:"logging"`
}

// MTP is one USP binding in server role.
type MTP struct {
	Name           string   `yaml:"name" doc:"unique name, used in logs"`
	Type           string   `yaml:"type" doc:"websocket or mqtt"`
	Listen         string   `yaml:"listen" doc:"host:port"`
	Path           string   `yaml:"path" doc:"websocket: the resource, /usp"`
	Topics         Topics   `yaml:"topics" doc:"mqtt: topic templates"`
	Role           string   `yaml:"role" doc:"role of the peers: agent, controller, or unknown to find out"`
	TLS            TLS      `yaml:"tls" doc:"certificate files; empty: no TLS"`
	Auth           Auth     `yaml:"auth" doc:"how peers prove who they are"`
	Insecure       bool     `yaml:"insecure" doc:"allow a listener on a public address without authentication"`
	ConnectRecords bool     `yaml:"connect_records" doc:"send Connect Records to peers of this listener"`
	MaxRecord      Size     `yaml:"max_record" doc:"largest Record"`
	MaxConnections int      `yaml:"max_connections" doc:"connections at the same time"`
	KeepAlive      Duration `yaml:"keep_alive" doc:"websocket: interval between pings"`
}

// Topics are the MQTT topic templates; {endpoint_id} stands for the Endpoint.
type Topics struct {
	Agent      string `yaml:"agent" doc:"topic to which an Agent is subscribed"`
	Controller string `yaml:"controller" doc:"topic to which a Controller is subscribed"`
}

// TLS names certificate files. It is off while Cert is empty.
type TLS struct {
	Cert       string `yaml:"cert" doc:"PEM file with the certificate chain"`
	Key        string `yaml:"key" doc:"PEM file with the private key"`
	ClientCA   string `yaml:"client_ca" doc:"PEM file; with it every client needs a certificate"`
	MinVersion string `yaml:"min_version" doc:"1.2 or 1.3"`
}

// Auth says how peers of one listener prove who they are.
type Auth struct {
	Mode  string `yaml:"mode" doc:"none, password or certificate; cwmp: none, basic or digest"`
	Users []User `yaml:"users" doc:"credentials for password, basic and digest"`
}

// User is one set of credentials.
type User struct {
	Username     string `yaml:"username" doc:"user name"`
	Password     Secret `yaml:"password" doc:"password"`
	PasswordFile string `yaml:"password_file" doc:"file that holds the password"`
	EndpointID   string `yaml:"endpoint_id" doc:"the Endpoint ID that this user may speak for"`
}

// Controller is one Controller that may manage the Virtual Agents.
type Controller struct {
	EndpointID       string   `yaml:"endpoint_id" doc:"its Endpoint ID"`
	Deadline         Duration `yaml:"deadline" doc:"how long a request may wait for its CPE; 0: as under translate"`
	PeriodicInterval Duration `yaml:"periodic_interval" doc:"interval of Periodic!"`
}

// Route makes an Endpoint known.
type Route struct {
	EndpointID string `yaml:"endpoint_id" doc:"Endpoint ID"`
	Role       string `yaml:"role" doc:"agent or controller"`
}

// Routing bounds the relay.
type Routing struct {
	Window      int      `yaml:"window" doc:"Records from one Link that may be unsettled"`
	WindowBytes Size     `yaml:"window_bytes" doc:"and their bytes"`
	QueueLimit  int      `yaml:"queue_limit" doc:"Records buffered for one Endpoint"`
	QueueBytes  Size     `yaml:"queue_bytes" doc:"and their bytes"`
	QueueAge    Duration `yaml:"queue_age" doc:"how long a Record may wait"`
}

// CWMP is the ACS side.
type CWMP struct {
	Listen            string            `yaml:"listen" doc:"host:port; any path answers"`
	TLS               TLS               `yaml:"tls" doc:"certificate files; empty: no TLS"`
	Auth              Auth              `yaml:"auth" doc:"how CPE prove who they are"`
	Insecure          bool              `yaml:"insecure" doc:"allow a listener on a public address without authentication"`
	SessionTimeout    Duration          `yaml:"session_timeout" doc:"how long a CPE may be silent within a session"`
	MaxSessions       int               `yaml:"max_sessions" doc:"sessions at the same time; more get 503"`
	MaxEnvelope       Size              `yaml:"max_envelope" doc:"largest SOAP envelope"`
	ConnectionRequest ConnectionRequest `yaml:"connection_request" doc:"waking CPE"`
}

// ConnectionRequest says how CPE are woken.
type ConnectionRequest struct {
	Username      string   `yaml:"username" doc:"fixed user name; empty: one per device is provisioned"`
	Password      Secret   `yaml:"password" doc:"fixed password"`
	PasswordFile  string   `yaml:"password_file" doc:"file that holds the password"`
	Provision     bool     `yaml:"provision" doc:"write the credentials to the CPE at first contact"`
	AllowLoopback bool     `yaml:"allow_loopback" doc:"wake CPE on this host (simulators)"`
	Networks      []string `yaml:"networks" doc:"CIDRs where CPE may be woken; empty: the address the CPE came from"`
	Timeout       Duration `yaml:"timeout" doc:"limit of one attempt"`
}

// Translate configures the Virtual Agents.
type Translate struct {
	Freshness   Duration `yaml:"freshness" doc:"how old a value may be that answers a Get; 0: always ask the CPE"`
	Deadline    Duration `yaml:"deadline" doc:"how long a request may wait for its CPE"`
	Linger      Duration `yaml:"linger" doc:"how long a CPE is kept in session after a request, for the next one"`
	MappingsDir string   `yaml:"mappings_dir" doc:"directory with rule files that override the built-in ones"`
	MaxDevices  int      `yaml:"max_devices" doc:"CPE that may be known"`
}

// Metrics is the listener of the operator's probes.
type Metrics struct {
	Listen string `yaml:"listen" doc:"host:port; empty: none"`
}

// Log configures logging.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"console or json"`
}

// Default returns the configuration of a gateway that is reachable from this
// host only.
func Default() Config {
	return Config{
		MTP: []MTP{
			DefaultMTP("ws", "websocket"),
			DefaultMTP("mqtt", "mqtt"),
		},
		Routing: Routing{
			Window: 1024, WindowBytes: 16 << 20,
			QueueLimit: 1000, QueueBytes: 16 << 20, QueueAge: Duration(24 * time.Hour),
		},
		CWMP: CWMP{
			Listen: "127.0.0.1:7547", TLS: TLS{MinVersion: "1.2"}, Auth: Auth{Mode: "none"},
			SessionTimeout: Duration(time.Minute), MaxSessions: 10_000, MaxEnvelope: 32 << 20,
			ConnectionRequest: ConnectionRequest{
				Provision: true, AllowLoopback: true, Timeout: Duration(5 * time.Second),
			},
		},
		Translate: Translate{
			Freshness: Duration(5 * time.Minute), Deadline: Duration(30 * time.Second),
			Linger: Duration(500 * time.Millisecond), MaxDevices: 200_000,
		},
		Metrics: Metrics{Listen: "127.0.0.1:9547"},
		Log:     Log{Level: "info", Format: "console"},
	}
}

// DefaultMTP returns the defaults of one binding of the given type. An entry
// of the file starts from them.
func DefaultMTP(name, typ string) MTP {
	m := MTP{
		Name: name, Type: typ, Role: "unknown", ConnectRecords: true,
		TLS: TLS{MinVersion: "1.2"}, Auth: Auth{Mode: "none"},
		MaxRecord: 5 << 20, MaxConnections: 100_000, KeepAlive: Duration(time.Minute),
		Topics: Topics{Agent: "usp/v1/agent/{endpoint_id}", Controller: "usp/v1/controller/{endpoint_id}"},
	}
	switch typ {
	case "websocket":
		m.Listen, m.Path = "127.0.0.1:8080", "/usp"
	case "mqtt":
		m.Listen = "127.0.0.1:1883"
	}
	return m
}
