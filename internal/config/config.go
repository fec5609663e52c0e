// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"time"
)

// Config is the whole file. The doc tags are the reference texts, used by
// Schema and Print.
type Config struct {
	DataDir     string       `yaml:"data_dir" doc:"directory for what has to outlive the process"`
	Engine      Engine       `yaml:"engine" doc:"what keeps waiting Records and the state of devices"`
	TLS         TLS          `yaml:"tls" doc:"certificate files for every listener and client with tls.shared"`
	MTP         []MTP        `yaml:"mtp" doc:"USP bindings: one entry per listener or connection"`
	Controllers []Controller `yaml:"controllers" doc:"who manages the Virtual Agents; empty: anyone on loopback"`
	Roles       []Role       `yaml:"roles" doc:"what Controllers may do with the Virtual Agents, for controllers[].role"`
	Routes      []Route      `yaml:"routes" doc:"how Endpoints are reached, and who may send to them; the first that matches counts"`
	Rules       []Rule       `yaml:"rules" doc:"which Records are let through; the first that means a Record decides; none: let through"`
	Aliases     []Alias      `yaml:"aliases" doc:"further Endpoint IDs of Endpoints"`
	Routing     Routing      `yaml:"routing" doc:"limits of the Record relay"`
	CWMP        CWMP         `yaml:"cwmp" doc:"the ACS side: sessions of TR-069 CPE"`
	Translate   Translate    `yaml:"translate" doc:"Virtual Agents"`
	Discovery   Discovery    `yaml:"discovery" doc:"DNS-SD over mDNS: showing Endpoints and finding them"`
	Admin       Admin        `yaml:"admin" doc:"the API of the administrator"`
	Metrics     Metrics      `yaml:"metrics" doc:"/metrics, /healthz, /readyz and /debug/pprof"`
	Log         Log          `yaml:"log" doc:"logging"`
}

// TLS names certificate files. It is off while Cert is empty and Shared false;
// a client role uses it by the scheme of its URL.
type TLS struct {
	Shared     bool     `yaml:"shared" doc:"use the top-level tls block; what is set here comes first"`
	Cert       string   `yaml:"cert" doc:"PEM file with the certificate chain"`
	Key        string   `yaml:"key" doc:"PEM file with the private key"`
	ClientCA   string   `yaml:"client_ca" doc:"PEM file; with it every client needs a certificate"`
	ServerCA   string   `yaml:"server_ca" doc:"PEM file; CAs of servers that we connect to; empty: those of the system"`
	CRL        []string `yaml:"crl" doc:"PEM or DER files; a peer whose certificate is in one is refused"`
	CRLExpired string   `yaml:"crl_expired" doc:"peers of a CA whose list is out of date: refuse or allow"`
	MinVersion string   `yaml:"min_version" doc:"1.2 or 1.3"`
}

// Engine is what keeps waiting Records and the state of devices: NATS
// JetStream, in this process or a cluster.
type Engine struct {
	Store          string   `yaml:"store" doc:"disk, or memory: nothing outlives the process"`
	URL            string   `yaml:"url" doc:"a NATS cluster, nats://a:4222,nats://b:4222; empty: an engine of its own in data_dir"`
	Node           string   `yaml:"node" doc:"name of this process among those on the cluster; empty: the name of the host"`
	Replicas       int      `yaml:"replicas" doc:"servers of the cluster that keep a copy: 1, 3 or 5"`
	Username       string   `yaml:"username" doc:"user name for the cluster"`
	Password       Secret   `yaml:"password" doc:"password for the cluster"`
	PasswordFile   string   `yaml:"password_file" doc:"file that holds the password"`
	CredsFile      string   `yaml:"creds_file" doc:"NATS credentials file for the cluster"`
	TLS            TLS      `yaml:"tls" doc:"certificate files for the cluster"`
	Fsync          string   `yaml:"fsync" doc:"always: before anything is acknowledged; interval: every fsync_interval"`
	FsyncInterval  Duration `yaml:"fsync_interval" doc:"what may be lost if the machine fails, with fsync: interval"`
	EncryptKeyFile string   `yaml:"encrypt_key_file" doc:"file with the key that encrypts what is on disk; empty: it is not encrypted"`
	MaxStore       Size     `yaml:"max_store" doc:"bytes on disk"`
	MinFree        Size     `yaml:"min_free" doc:"free space of the file system below which nothing more is taken"`
	MaxMemory      Size     `yaml:"max_memory" doc:"bytes that the engine keeps in memory for itself"`
}

// DefaultTLS returns the defaults of a TLS block.
func DefaultTLS() TLS { return TLS{MinVersion: "1.2", CRLExpired: "refuse"} }

// Merged returns t with what it leaves empty taken from the top-level block, if
// it asks for that.
func (t TLS) Merged(top TLS) TLS {
	if !t.Shared {
		return t
	}
	if t.Cert == "" {
		t.Cert, t.Key = top.Cert, top.Key
	}
	t.ClientCA = cmp.Or(t.ClientCA, top.ClientCA)
	t.ServerCA = cmp.Or(t.ServerCA, top.ServerCA)
	if len(t.CRL) == 0 {
		t.CRL, t.CRLExpired = top.CRL, top.CRLExpired
	}
	t.MinVersion = max(t.MinVersion, top.MinVersion)
	return t
}

// Auth says how peers of one binding prove who they are.
type Auth struct {
	Mode  string `yaml:"mode" doc:"none, password or certificate"`
	Users []User `yaml:"users" doc:"credentials for password"`
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
	MTP              string   `yaml:"mtp" doc:"name of the binding whose shared connection reaches it; empty: wherever it turns up"`
	Destination      string   `yaml:"destination" doc:"its topic or destination there; empty: by the template of the binding"`
	Role             string   `yaml:"role" doc:"name of its role: Full Access, Untrusted, or one of roles; empty: Full Access, until a Controller that may gives it another"`
	Deadline         Duration `yaml:"deadline" doc:"how long a request may wait for its CPE; 0: as under translate"`
	PeriodicInterval Duration `yaml:"periodic_interval" doc:"interval of Periodic!"`

	E2ESession E2ESession `yaml:"e2e_session" doc:"Session Contexts with it"`
}

// Route makes Endpoints known, says how they are reached and who may send to
// them.
type Route struct {
	EndpointID  string   `yaml:"endpoint_id" doc:"Endpoint ID; * stands for any characters, so * alone is everybody"`
	Role        string   `yaml:"role" doc:"agent or controller"`
	Via         string   `yaml:"via" doc:"name of the binding whose shared connection reaches them; empty: wherever they turn up"`
	Fallback    []string `yaml:"fallback" doc:"further bindings, in the order in which they are used while those before are down"`
	Destination string   `yaml:"destination" doc:"topic or destination there; {endpoint_id} stands for the Endpoint ID"`
	AllowFrom   []string `yaml:"allow_from" doc:"who may send to them; * stands for any characters; empty: anyone"`
	Transit     bool     `yaml:"transit" doc:"take Records that came over a trunk to another trunk; to a broker they always go"`
}

// Rule lets Records through or refuses them by their two ends.
type Rule struct {
	From   string `yaml:"from" doc:"who sends; * stands for any characters; empty: anyone"`
	To     string `yaml:"to" doc:"to whom; * stands for any characters; empty: anyone"`
	Role   string `yaml:"role" doc:"role of to: agent, controller, or unknown for either"`
	Action string `yaml:"action" doc:"allow or deny"`
}

// Alias is a further Endpoint ID of an Endpoint.
type Alias struct {
	Alias      string `yaml:"alias" doc:"the further Endpoint ID"`
	EndpointID string `yaml:"endpoint_id" doc:"the Endpoint ID that it stands for"`
}

// Routing bounds the relay.
type Routing struct {
	Window      int      `yaml:"window" doc:"Records from one Link that may be unsettled"`
	WindowBytes Size     `yaml:"window_bytes" doc:"and their bytes"`
	QueueLimit  int      `yaml:"queue_limit" doc:"Records buffered for one Endpoint"`
	QueueBytes  Size     `yaml:"queue_bytes" doc:"and their bytes"`
	QueueAge    Duration `yaml:"queue_age" doc:"how long a Record may wait"`
	Overflow    string   `yaml:"queue_overflow" doc:"what a full queue does: refuse, or drop_oldest, which spares session contexts"`
	Total       int      `yaml:"total_limit" doc:"Records buffered for all Endpoints"`
	TotalBytes  Size     `yaml:"total_bytes" doc:"and their bytes"`
	HoldLimit   int      `yaml:"hold_limit" doc:"Records of all connections that may wait for room in the buffer"`
	HoldBytes   Size     `yaml:"hold_bytes" doc:"and their bytes"`
	SpillAfter  Duration `yaml:"spill_after" doc:"how long a Record may be under way before it is kept in the buffer"`
	Redeliver   Duration `yaml:"redeliver" doc:"send again what was flushed so long before a connection broke; 0: do not"`
	Grace       Duration `yaml:"presence_grace" doc:"how long a lost connection may take to come back before its Endpoint is offline"`
	ForgetAfter Duration `yaml:"forget_after" doc:"how long an absent Endpoint for which nothing waits is remembered"`
	LinksPerID  int      `yaml:"max_links_per_endpoint" doc:"connections of one Endpoint"`
	LinksPerWho int      `yaml:"max_links_per_identity" doc:"connections of one user name or certificate; 0: no bound"`
}

// Translate configures the Virtual Agents.
type Translate struct {
	Freshness   Freshness      `yaml:"freshness" doc:"how old a value may be that answers a Get; live (or 0): always ask the CPE; cached: never, what Informs and the first look have shown answers"`
	FreshnessOf []FreshnessRow `yaml:"freshness_of" doc:"parts of the data model with a freshness of their own"`
	Stale       string         `yaml:"stale" doc:"what a Get of a value that is older than that gets while the CPE cannot be reached: error, or answer, which is the old value; what is live gets the error"`

	Poll        Duration `yaml:"poll_interval" doc:"how often a CPE is woken for what Subscriptions are about and it does not report; 0: not"`
	Deadline    Duration `yaml:"deadline" doc:"how long a request may wait for its CPE"`
	Linger      Duration `yaml:"linger" doc:"how long a CPE is kept in session after a request, for the next one"`
	Unknown     string   `yaml:"unknown_controllers" doc:"Controllers that are not among controllers: close their connections, or let those in that have shown a certificate or password, or are on this host, as untrusted"`
	Writable    bool     `yaml:"controllers_writable" doc:"Controllers whose role lets them may add others to the Controller table of a Virtual Agent, and remove those"`
	Diagnostic  Duration `yaml:"diagnostic_wait" doc:"how long a diagnostic of a CPE may take"`
	Unit        Duration `yaml:"unit_wait" doc:"how long a CPE may take to install, update or remove a software module"`
	BulkEvery   Duration `yaml:"bulk_interval" doc:"least interval of bulk data reports"`
	BulkReport  Size     `yaml:"bulk_report" doc:"largest bulk data report"`
	MappingsDir string   `yaml:"mappings_dir" doc:"directory with rule files that override the built-in ones"`
	MaxDevices  int      `yaml:"max_devices" doc:"CPE that may be known"`
	Idle        Duration `yaml:"idle" doc:"how long a Virtual Agent that has nothing to do stays in memory"`
	MaxAwake    int      `yaml:"max_awake" doc:"Virtual Agents in memory"`
	AwakeBytes  Size     `yaml:"max_awake_bytes" doc:"and their bytes, by estimate"`

	Proxied    Proxied    `yaml:"proxied" doc:"one Agent of the gateway that shows CPE below Device.ProxiedDevice., beside the Virtual Agent that each has"`
	E2ESession E2ESession `yaml:"e2e_session" doc:"Session Contexts with Controllers, until they set it otherwise"`
	Signatures Signatures `yaml:"signatures" doc:"signed Records"`

	Defaults []Defaults `yaml:"defaults" doc:"who manages which of them, and what they have from the start"`
}

// Discovery configures DNS-SD over multicast DNS.
type Discovery struct {
	Advertise  bool     `yaml:"advertise" doc:"show the bindings to the local network"`
	Browse     bool     `yaml:"browse" doc:"look for Agents in the local network, and connect with them"`
	Interfaces []string `yaml:"interfaces" doc:"names of network interfaces; empty: all that can multicast"`
	EndpointID string   `yaml:"endpoint_id" doc:"the Endpoint ID by which the gateway shows itself"`
	Name       string   `yaml:"name" doc:"friendly name shown with it"`
}

// Admin is the listener of the administrator.
type Admin struct {
	Listen    string `yaml:"listen" doc:"host:port; empty: none"`
	TokenFile string `yaml:"token_file" doc:"file with the token; empty: admin.token in data_dir, made at the first start"`
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
		DataDir: "./uspgate-data",
		Engine: Engine{
			Store: "disk", Replicas: 3, TLS: DefaultTLS(), Fsync: "always", FsyncInterval: Duration(time.Second),
			MaxStore: 16 << 30, MinFree: 256 << 20, MaxMemory: 64 << 20,
		},
		TLS: DefaultTLS(),
		Routing: Routing{
			Window: 1024, WindowBytes: 16 << 20,
			QueueLimit: 1000, QueueBytes: 16 << 20, QueueAge: Duration(24 * time.Hour), Overflow: "refuse",
			Total: 1_000_000, TotalBytes: 4 << 30,
			HoldLimit: 16_384, HoldBytes: 64 << 20,
			SpillAfter: Duration(100 * time.Millisecond), Grace: Duration(10 * time.Second),
			ForgetAfter: Duration(7 * 24 * time.Hour), LinksPerID: 8,
		},
		CWMP: defaultCWMP(),
		Translate: Translate{
			Freshness: Freshness(5 * time.Minute), Stale: "error", Deadline: Duration(30 * time.Second),
			Linger: Duration(500 * time.Millisecond), MaxDevices: 200_000,
			Unknown: Closed, Writable: true,
			Diagnostic: Duration(10 * time.Minute), Unit: Duration(time.Hour),
			BulkEvery: Duration(time.Minute), BulkReport: 256 << 10,
			Idle: Duration(2 * time.Minute), MaxAwake: 10_000, AwakeBytes: 128 << 20,
			Proxied: defaultProxied(),
		},
		Admin:   Admin{Listen: "127.0.0.1:7557"},
		Metrics: Metrics{Listen: "127.0.0.1:9547"},
		Log:     Log{Level: "info", Format: "console"},
	}
}
