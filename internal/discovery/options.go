// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of the options.
const (
	DefaultMaxServices  = 128
	DefaultMaxEntries   = 1024
	DefaultAnswerRate   = 50
	DefaultMaxInterval  = time.Hour
	DefaultUnicastEvery = 5 * time.Minute
)

// What RFC 6762 demands or proposes, and how we keep it.
const (
	serviceTTL    = 75 * time.Minute
	hostTTL       = 2 * time.Minute
	legacyTTL     = 10 * time.Second
	probeEvery    = 250 * time.Millisecond
	probes        = 3
	announceEvery = time.Second
	announcements = 2
	onceEvery     = time.Second
	defendFor     = 10 * time.Second
	restFor       = time.Minute
	// lookEvery is how often the addresses of the interfaces are looked at.
	lookEvery = 30 * time.Second
)

// Bounds of the work that one packet makes.
const (
	maxPacket    = 9000 // [RFC 6762 17]
	maxSend      = 1400
	maxWaiting   = 64
	maxQuestions = 32
	maxRecords   = 256
	maxTTL       = 24 * time.Hour
)

// Service is one Endpoint on one MTP, as others are to find it.
type Service struct {
	EndpointID usp.EndpointID
	Role       usp.Role
	// Kind is the MTP: any but Unix domain sockets and Virtual.
	Kind mtp.Kind
	// Port is where the Endpoint is reached: that of the broker for MQTT and
	// STOMP [R-MQTT.38, R-STOMP.32].
	Port uint16
	// Path is the path of a WebSocket [R-WS.3] or CoAP resource [R-COAP.3], the
	// topic of MQTT [R-MQTT.36] or the destination of STOMP [R-STOMP.31].
	Path string
	// Name is the FriendlyName of the device; Agents always have one in their
	// record, be it empty [R-DIS.10].
	Name string
	// Encrypt says that the MTP must be encrypted [R-DIS.11a].
	Encrypt bool
	// Host is the name of the host where Port is, if it is not this one: a label
	// in the domain local, or a full name with dots. Addrs are its addresses,
	// told only for a name in local.
	Host  string
	Addrs []netip.Addr
	// Subtypes are further names by which the service is found, "_gateway" for
	// example [RFC 6763 7.1].
	Subtypes []string
}

// Options configure an Advertiser.
type Options struct {
	// Services are advertised from the start; Set replaces them.
	Services []Service
	// Controllers says that Controllers are found by browsing too; otherwise
	// only those find them that ask for their instance.
	Controllers bool
	// Host is the label of this host in the domain local; "": uspgate- and the
	// host's own name. A number is added if it is taken.
	Host string
	// Interfaces are the names of the network interfaces; empty: all that are up
	// and can multicast, without loopback.
	Interfaces []string
	// Conns, if set, are used in place of sockets on Interfaces. Run closes them.
	Conns []PacketConn
	// MaxServices bounds Set; 0: 128.
	MaxServices int
	// AnswerRate bounds the unicast answers per second and socket; 0: 50. What
	// is multicast goes out once a second at most in any case.
	AnswerRate int
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where uspgate_discovery_packets_total and
	// uspgate_discovery_conflicts_total are registered; nil: none.
	Metrics prometheus.Registerer
}

func (o *Options) setDefaults() error {
	if o.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("discovery: host name: %w", err)
		}
		name, _, _ = strings.Cut(name, ".")
		o.Host = "uspgate-" + name
		o.Host = o.Host[:min(len(o.Host), maxLabel-4)]
	}
	if len(o.Host) > maxLabel-4 || strings.ContainsAny(o.Host, `. \`) {
		return fmt.Errorf("discovery: host name %q: want one label of at most %d bytes", o.Host, maxLabel-4)
	}
	setDefault(&o.MaxServices, DefaultMaxServices)
	setDefault(&o.AnswerRate, DefaultAnswerRate)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("discovery")
	return nil
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// BrowseOptions configure Browse.
type BrowseOptions struct {
	// Services are those that are looked for; empty: AllServiceTypes.
	Services []ServiceType
	// Domain is where; "": local, by Multicast DNS [R-DIS.5]. Others are looked
	// up at Resolver by unicast DNS [R-DIS.6].
	Domain   string
	Resolver string // host:port
	// Events is called with everything that comes and goes, by one goroutine at
	// a time; it should not take long. Required.
	Events func(Event)
	// Interfaces and Conns are those of Options, for the domain local.
	Interfaces []string
	Conns      []PacketConn
	// MaxEntries bounds the instances remembered, and the hosts; 0: 1024.
	MaxEntries int
	// MaxInterval bounds the growing interval between questions; 0: 1 h.
	MaxInterval time.Duration
	// Every is how often a unicast domain is looked up; 0: 5 min, or when the
	// first record expires if that is later.
	Every time.Duration
	// Log takes one line per failure; nil: none.
	Log *zap.Logger
	// Metrics is where uspgate_discovery_packets_total is registered; nil: none.
	Metrics prometheus.Registerer
}

func (o *BrowseOptions) setDefaults() error {
	if o.Domain == "" {
		o.Domain = Local
	}
	o.Domain = strings.TrimSuffix(o.Domain, ".")
	switch {
	case o.Events == nil:
		return errors.New("discovery: Browse needs Events")
	case o.Domain != Local && o.Resolver == "":
		return fmt.Errorf("discovery: the domain %s needs a Resolver", o.Domain)
	}
	if len(o.Services) == 0 {
		o.Services = AllServiceTypes()
	}
	for _, t := range o.Services {
		if t.String() == "" {
			return fmt.Errorf("discovery: the role %v on %s has no service", t.Role, t.Kind)
		}
	}
	setDefault(&o.MaxEntries, DefaultMaxEntries)
	setDefault(&o.MaxInterval, DefaultMaxInterval)
	setDefault(&o.Every, DefaultUnicastEvery)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("discovery")
	return nil
}
