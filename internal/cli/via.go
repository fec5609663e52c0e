// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// via is where a Controller of the command line connects to, and as whom.
type via struct {
	url           string // may hold user:password@
	ca, cert, key string // PEM files
}

// shown is the URL without its password.
func (v *via) shown() string {
	u, err := url.Parse(v.url)
	if err != nil {
		return "--via"
	}
	return u.Redacted()
}

// transport makes the client of a Controller, which connects once.
func (v *via) transport(from usp.EndpointID) (mtp.Transport, error) {
	return v.client(from, usp.RoleController, v.explain)
}

// agentTransport makes the client of an Agent, which connects again and again.
func (v *via) agentTransport(id usp.EndpointID) (mtp.Transport, error) {
	return v.client(id, usp.RoleAgent, nil)
}

// protocol is the MTP of the URL as TR-181 has it; "" for none.
func (v *via) protocol() string {
	scheme, _, _ := strings.Cut(v.url, ":")
	return map[string]string{
		"ws": "WebSocket", "wss": "WebSocket", "mqtt": "MQTT", "mqtts": "MQTT", "stomp": "STOMP", "stomps": "STOMP",
		"coap": "CoAP", "coaps": "CoAP", "unix": "UDS",
	}[scheme]
}

// client makes the client of an Endpoint with a role.
func (v *via) client(from usp.EndpointID, role usp.Role, giveUp mtp.GiveUpFunc) (mtp.Transport, error) {
	u, err := url.Parse(v.url)
	if err != nil {
		return nil, usageError{errors.New("--via is not a URL")}
	}
	conf, err := v.tls()
	if err != nil {
		return nil, usageError{err}
	}
	switch u.Scheme {
	case "ws", "wss":
		header := http.Header{}
		if u.User != nil {
			header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(login(u.User))))
			u.User = nil
		}
		return ws.NewClient(ws.ClientOptions{
			URL: u.String(), Endpoint: from, Role: role.Opposite(), Shared: true, Header: header, TLS: conf, GiveUp: giveUp,
		})
	case "mqtt", "mqtts":
		return mqtt.NewClient(mqtt.ClientOptions{
			URL: v.url, Endpoint: from, Role: role, TLS: conf, GiveUp: giveUp,
		})
	case "stomp", "stomps":
		return stomp.NewClient(stomp.ClientOptions{
			URL: v.url, Endpoint: from, Role: role, TLS: conf, GiveUp: giveUp,
		})
	case "coap", "coaps":
		return coap.NewClient(coap.ClientOptions{
			URL: v.url, Endpoint: from, Role: role.Opposite(), Shared: true, TLS: conf, GiveUp: giveUp,
		})
	case "unix":
		return uds.NewClient(uds.ClientOptions{
			LinkOptions: uds.LinkOptions{Presents: from, Role: role.Opposite()},
			URL:         v.url, TLS: conf, GiveUp: giveUp,
		})
	default:
		return nil, usageError{fmt.Errorf(
			"--via %s: want ws(s)://, mqtt(s)://, stomp(s)://, coap(s):// or unix:/path", v.shown())}
	}
}

func login(u *url.Userinfo) string {
	password, _ := u.Password()
	return u.Username() + ":" + password
}

// explain says why there is no connection; the command line tries once.
func (v *via) explain(err error) error {
	switch {
	case err == nil:
		err = errors.New("the other side ended the connection")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s: is uspgate serve running there? (%w)", v.shown(), err)
	}
	return fmt.Errorf("no connection with %s: %w", v.shown(), err)
}

// tls is nil where the system's certificates do.
func (v *via) tls() (*tls.Config, error) {
	if v.ca == "" && v.cert == "" && v.key == "" {
		return nil, nil //nolint:nilnil // the default
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if v.ca != "" {
		pem, err := os.ReadFile(v.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s holds no certificate in PEM form", v.ca)
		}
	}
	if v.cert != "" || v.key != "" {
		pair, err := tls.LoadX509KeyPair(v.cert, v.key)
		if err != nil {
			return nil, fmt.Errorf("--cert and --key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
