// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

// Defaults of Options.
const (
	DefaultRebootTime = time.Second
	DefaultMaxRows    = 64
	// NoConnReq as Options.ConnReqListen leaves the listener out.
	NoConnReq = "none"
)

// Options configures a CPE.
type Options struct {
	// ACS is the URL of the ACS. Required.
	ACS string
	// Model of the device. Required.
	Model *Model
	// Manufacturer, OUI, ProductClass and Serial take the place of the
	// model's; empty keeps them. They fill {oui}, {pc} and {serial} in values.
	Manufacturer string
	OUI          string
	ProductClass string
	Serial       string
	// PeriodicInterval is put in ManagementServer.PeriodicInformInterval; 0
	// keeps the model's, a negative one turns periodic Informs off.
	PeriodicInterval time.Duration
	// ConnReqListen is the address for Connection Requests; empty means
	// "127.0.0.1:0", NoConnReq means no listener.
	ConnReqListen string
	// ConnReqUsername and ConnReqPassword are put in ManagementServer as
	// factory values. With an empty username, which is the built-in models'
	// default, Connection Requests need no authentication until the ACS sets
	// one.
	ConnReqUsername string
	ConnReqPassword string
	// BusyConnReq makes the listener answer 503 within a session.
	BusyConnReq bool
	// Username and Password answer the ACS's HTTP challenge; they are put in
	// ManagementServer as factory values.
	Username string
	Password string
	// RebootTime is how long a reboot takes; 0 means 1 s.
	RebootTime time.Duration
	// MaxRows bounds each table: AddObject beyond it is Fault 9004; 0 means 64.
	MaxRows int
	// Delay is waited before each answer to the ACS; 0 is none.
	Delay time.Duration
	// RetryWait replaces the session retry table: the wait after n failed
	// sessions in a row. Nil means the table with the values of
	// ManagementServer.
	RetryWait func(n uint32) time.Duration
	// Namespace of the envelopes; empty is cwmp.Namespace12.
	Namespace string
	// Timeout bounds one HTTP exchange; 0 means 60 s.
	Timeout time.Duration
	// Dial opens connections to the ACS; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS configures https towards the ACS; nil means the system's roots.
	TLS *tls.Config
	// Quirks are what the CPE does that the standard does not have.
	Quirks Quirks
	// OnAnswer is called with the answer of the ACS to each request of the
	// device's own but Inform, from the goroutine of the session; it must not
	// block. Nil is none.
	OnAnswer func(cwmp.Request, cwmp.Response)
	// OnInform is called with every Inform that the ACS has answered,
	// OnSession after every session, from the goroutine of the session. They
	// must not block. Nil is none.
	OnInform  func(*cwmp.Inform)
	OnSession func(cpe.Session)
	// Log is nil for none.
	Log *zap.Logger
}

// check completes the options.
func (o *Options) check() error {
	switch {
	case o.ACS == "":
		return errors.New("sim/cpe: Options.ACS is required")
	case o.Model == nil:
		return errors.New("sim/cpe: Options.Model is required")
	}
	if o.RebootTime <= 0 {
		o.RebootTime = DefaultRebootTime
	}
	o.Namespace = o.Quirks.namespace(o.Namespace)
	if o.MaxRows <= 0 {
		o.MaxRows = DefaultMaxRows
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return nil
}
