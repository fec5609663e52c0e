// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// CWMP is the ACS side.
type CWMP struct {
	Listen            string            `yaml:"listen" doc:"host:port; any path answers"`
	TLS               CPETLS            `yaml:"tls" doc:"certificate files; empty: no TLS"`
	Auth              CPEAuth           `yaml:"auth" doc:"how CPE prove who they are"`
	Insecure          bool              `yaml:"insecure" doc:"allow a listener on a public address without authentication"`
	ProxyFrom         []string          `yaml:"proxy_from" doc:"networks of load balancers that send a PROXY protocol header"`
	ForwardedFrom     []string          `yaml:"forwarded_from" doc:"networks of HTTP proxies that say in a header where a CPE is; from anywhere else it is ignored"`
	ForwardedHeader   string            `yaml:"forwarded_header" doc:"that header: X-Forwarded-For or Forwarded"`
	MaxConnections    int               `yaml:"max_connections" doc:"connections at the same time; an eighth more for addresses with a session"`
	MaxPerAddress     int               `yaml:"max_connections_per_address" doc:"of these from one address, or IPv6 /64; twice as many while it has a session; 0: no bound of its own"`
	SessionRate       int               `yaml:"session_rate" doc:"sessions that may begin per second in the long run, and as many for which somebody waits; more get 503; 0: no bound"`
	SessionBurst      int               `yaml:"session_burst" doc:"sessions that may begin at once after a quiet time; 0: twice session_rate"`
	MaxMemory         Size              `yaml:"max_memory" doc:"bytes of the bodies of all POSTs together, inflated; CPE without a session have half of it"`
	SessionTimeout    Duration          `yaml:"session_timeout" doc:"how long a CPE may be silent within a session"`
	MaxSessions       int               `yaml:"max_sessions" doc:"sessions at the same time; more get 503"`
	MaxEnvelope       Size              `yaml:"max_envelope" doc:"largest SOAP envelope"`
	ConnectionRequest ConnectionRequest `yaml:"connection_request" doc:"waking CPE"`
	Files             Files             `yaml:"files" doc:"file server for firmware, configurations and logs"`
	Transfers         Transfers         `yaml:"transfers" doc:"what CPE are asked to fetch and to send"`
	Profiles          []Profile         `yaml:"profiles" doc:"how models of CPE differ from the standard; later entries come before earlier ones, and all before what the gateway comes with"`
}

// CPETLS is TLS for CPE.
type CPETLS struct {
	Shared     bool     `yaml:"shared" doc:"use the top-level tls block; what is set here comes first"`
	Cert       string   `yaml:"cert" doc:"PEM file with the certificate chain"`
	Key        string   `yaml:"key" doc:"PEM file with the private key"`
	ClientCA   string   `yaml:"client_ca" doc:"PEM file; with it every client needs a certificate, but with auth.certificates: suffices"`
	CRL        []string `yaml:"crl" doc:"PEM or DER files; a peer whose certificate is in one is refused"`
	CRLExpired string   `yaml:"crl_expired" doc:"peers of a CA whose list is out of date: refuse or allow"`
	MinVersion string   `yaml:"min_version" doc:"1.2 or 1.3"`
	Legacy     bool     `yaml:"legacy" doc:"TLS 1.0 and 1.1 as well, RSA key exchange, and client certificates signed with SHA-1, for old CPE"`
}

// Block is t as any other TLS block.
func (t *CPETLS) Block() TLS {
	return TLS{
		Shared: t.Shared, Cert: t.Cert, Key: t.Key, ClientCA: t.ClientCA,
		CRL: t.CRL, CRLExpired: t.CRLExpired, MinVersion: t.MinVersion,
	}
}

// set is the other way round.
func (t *CPETLS) set(b *TLS) {
	*t = CPETLS{
		Shared: b.Shared, Cert: b.Cert, Key: b.Key, ClientCA: b.ClientCA,
		CRL: b.CRL, CRLExpired: b.CRLExpired, MinVersion: b.MinVersion, Legacy: t.Legacy,
	}
}

// CPEAuth says how CPE prove who they are.
type CPEAuth struct {
	Mode             string    `yaml:"mode" doc:"none, digest, basic, or auto: Digest without TLS and Basic with it"`
	SHA256           []string  `yaml:"sha256" doc:"OUIs of CPE that are offered Digest with SHA-256 and nothing else; * stands for any characters"`
	Unasked          bool      `yaml:"unasked" doc:"take Basic, and Digest with MD5, also from CPE that were offered the other one"`
	Users            []CPEUser `yaml:"users" doc:"user names and passwords of CPE; any that fits a CPE is good"`
	Imported         bool      `yaml:"imported" doc:"logins that uspgate devices import has brought are good as well, each for its CPE alone"`
	Learn            bool      `yaml:"learn" doc:"the first login of a CPE that none is known of is kept, and needed from then on; whoever comes first in its name is trusted"`
	Usernames        []string  `yaml:"usernames" doc:"forms that the user name of a CPE must have, such as {oui}-{serial}; empty: any"`
	Certificates     string    `yaml:"certificates" doc:"client certificates: ignored, suffices (instead of a login), only (and no logins) or and_login (both are needed)"`
	CertificateNames []string  `yaml:"certificate_names" doc:"forms that the Common Name, a DNS name or a URI in the certificate of a CPE must have"`
	Lockout          Lockout   `yaml:"lockout" doc:"who guesses passwords gets 503 for a while"`
}

// CPEUser is one account of CPE.
type CPEUser struct {
	Username     string `yaml:"username" doc:"user name, or its form with {oui}, {product_class}, {serial}, {manufacturer}; empty: any, of the CPE that are named below"`
	Password     Secret `yaml:"password" doc:"password"`
	PasswordFile string `yaml:"password_file" doc:"file that holds the password"`
	PasswordFrom string `yaml:"password_from" doc:"form that makes the password, such as {serial}, instead"`
	OUI          string `yaml:"oui" doc:"of CPE with this OUI only; * stands for any characters"`
	ProductClass string `yaml:"product_class" doc:"of this product class only; * stands for any characters"`
	Serial       string `yaml:"serial" doc:"of this serial number only; * stands for any characters"`
}

// Lockout bounds guesses.
type Lockout struct {
	UserFailures    int      `yaml:"user_failures" doc:"failures of a user name before it is locked out where it has not logged in before; 0: never"`
	AddressFailures int      `yaml:"address_failures" doc:"failures of an address, or an IPv6 /64; 0: never"`
	First           Duration `yaml:"first" doc:"how long the first time; each failure after it doubles that"`
	Max             Duration `yaml:"max" doc:"the longest; twice as long without a failure and all are forgotten"`
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
	Order         []string `yaml:"order" doc:"http, udp and xmpp, in the order of the attempts; what worked last for a CPE comes first"`
	SessionWait   Duration `yaml:"session_wait" doc:"how long a CPE that was asked has time to open its session"`
	Retries       int      `yaml:"retries" doc:"repetitions before the next way is tried"`
	MaxActive     int      `yaml:"max_active" doc:"requests on their way at the same time"`
	MaxPerNetwork int      `yaml:"max_per_network" doc:"and to one /24 or, of IPv6, /48"`
	Logins        []User   `yaml:"logins" doc:"further credentials to try where a CPE refuses its own"`
	UDP           UDP      `yaml:"udp" doc:"STUN server, and requests from its sockets"`
	XMPP          XMPP     `yaml:"xmpp" doc:"account at an XMPP server"`
}

// UDP is the STUN server.
type UDP struct {
	Listen []string `yaml:"listen" doc:"host:port of each socket; empty: none"`
	Users  []User   `yaml:"users" doc:"STUN user names and passwords of the CPE; empty: none needed"`
	Rate   int      `yaml:"rate" doc:"messages per second from one address"`
}

// XMPP is an account at an XMPP server.
type XMPP struct {
	JID          string   `yaml:"jid" doc:"JID of the gateway, with a resource; empty: no XMPP"`
	Password     Secret   `yaml:"password" doc:"its password"`
	PasswordFile string   `yaml:"password_file" doc:"file that holds the password"`
	Server       string   `yaml:"server" doc:"host:port; empty: by DNS"`
	DirectTLS    bool     `yaml:"direct_tls" doc:"TLS from the first byte instead of STARTTLS"`
	TLS          TLS      `yaml:"tls" doc:"server_ca: authorities that the server is checked with"`
	Domains      []string `yaml:"domains" doc:"domains of the CPE; empty: that of jid"`
}

func defaultCWMP() CWMP {
	c := CWMP{
		Listen: "127.0.0.1:7547", Auth: defaultCPEAuth(),
		ForwardedHeader: "X-Forwarded-For", MaxConnections: 20_000, SessionRate: 2000, MaxMemory: 128 << 20,
		SessionTimeout: Duration(time.Minute), MaxSessions: 10_000, MaxEnvelope: 32 << 20,
		ConnectionRequest: ConnectionRequest{
			Provision: true, AllowLoopback: true, Timeout: Duration(5 * time.Second),
			Order: []string{"http", "udp", "xmpp"}, SessionWait: Duration(30 * time.Second), Retries: 2,
			MaxActive: 256, MaxPerNetwork: 32, UDP: UDP{Rate: 50}, XMPP: XMPP{TLS: DefaultTLS()},
		},
		Files: defaultFiles(), Transfers: defaultTransfers(),
	}
	t := DefaultTLS()
	c.TLS.set(&t)
	return c
}

func defaultCPEAuth() CPEAuth {
	return CPEAuth{
		Mode: "none", Imported: true, Certificates: "ignored",
		CertificateNames: []string{"{oui}-{serial}", "{oui}-{product_class}-{serial}"},
		Lockout: Lockout{
			UserFailures: 10, AddressFailures: 50, First: Duration(30 * time.Second), Max: Duration(15 * time.Minute),
		},
	}
}
