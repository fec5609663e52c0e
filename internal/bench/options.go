// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Defaults of Options.
const (
	DefaultSize    = 400
	DefaultWindow  = 192
	DefaultTimeout = 10 * time.Second
)

// maxWindow is how many packet identifiers MQTT and CoAP may have in use, with
// some to spare.
const maxWindow = 1 << 14

// Side is one end of a Load.
type Side struct {
	// URL is where to connect: ws://HOST:PORT/PATH, mqtt://HOST:PORT (MQTT 5),
	// mqtt311://HOST:PORT, stomp://HOST:PORT, coap://HOST:PORT/PATH (the sender
	// only) or unix:///PATH. A user and password in it are used by MQTT and STOMP.
	URL string
	// Endpoint is the own Endpoint ID; empty: one by the side.
	Endpoint usp.EndpointID
	// Address is the MQTT topic or STOMP destination at which this side
	// receives; empty: that of the gateway's default templates.
	Address string
	// Destination is where this side sends, if the broker between them gives it
	// another name there; empty: the other side's Address.
	Destination string
}

// destination is where s sends to reach other.
func (s *Side) destination(other *Side) string {
	if s.Destination != "" {
		return s.Destination
	}
	return other.Address
}

// Options are those of a Load. The sender is an Agent, the receiver a
// Controller.
type Options struct {
	From, To Side
	// QoS of MQTT, 0 or 1, on every leg that is MQTT.
	QoS byte
	// Size of a Record in bytes; 0: 400.
	Size int
	// Window is how many Records may be on their way; 0: 192.
	Window int
	// Timeout bounds Dial, and how long a Load may stand still; 0: 10 s.
	Timeout time.Duration
}

func (o *Options) setDefaults() error {
	if o.From.Endpoint == "" {
		o.From.Endpoint = "os::00D09E-bench"
	}
	if o.To.Endpoint == "" {
		o.To.Endpoint = "self::bench"
	}
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	switch {
	case o.From.Endpoint == o.To.Endpoint:
		return errors.New("bench: both sides have the same Endpoint ID")
	case o.QoS > 1:
		return fmt.Errorf("bench: QoS %d, want 0 or 1", o.QoS)
	case o.Window < 1 || o.Window > maxWindow:
		return fmt.Errorf("bench: window %d, want 1 to %d", o.Window, maxWindow)
	case o.Timeout < 0:
		return fmt.Errorf("bench: timeout %v, want more than 0", o.Timeout)
	case strings.HasPrefix(o.To.URL, "coap:"):
		return errors.New("bench: a receiver on CoAP has no way to say where it is; coap:// is for the sender")
	}
	for _, url := range []string{o.From.URL, o.To.URL} {
		if _, _, _, err := protocolFor(url, identity{}); err != nil {
			return err
		}
	}
	return nil
}

// identity is who a client is, and who it talks to.
type identity struct {
	self, peer       usp.Address
	own, destination string // MQTT topics or STOMP destinations; empty: by template
	qos              byte
	user, password   string
}

// protocolFor makes the codec of a URL's scheme.
func protocolFor(raw string, id identity) (p protocol, network, address string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, "", "", fmt.Errorf("bench: %s is not a URL", raw)
	}
	id.user = u.User.Username()
	id.password, _ = u.User.Password()
	switch u.Scheme {
	case "ws":
		return newWebSocket(u, id), "tcp", hostPort(u, "80"), nil
	case "mqtt":
		return newMQTT(id, true), "tcp", hostPort(u, "1883"), nil
	case "mqtt311":
		return newMQTT(id, false), "tcp", hostPort(u, "1883"), nil
	case "stomp":
		return newSTOMP(id), "tcp", hostPort(u, "61613"), nil
	case "coap":
		return newCoAP(u, id), "udp", hostPort(u, "5683"), nil
	case "unix":
		return newUDS(id), "unix", u.Path, nil
	default:
		return nil, "", "", fmt.Errorf("bench: %s: want ws://, mqtt://, mqtt311://, stomp://, coap:// or unix://", raw)
	}
}

func hostPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return u.Hostname() + ":" + port
}
