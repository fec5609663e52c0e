// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/translate/profile"
)

// Waker makes CPE open sessions; *connreq.Waker is one. Safe for concurrent use.
type Waker interface {
	// Wake returns nil once Arrived was called for c.Key, and else why no session
	// has come. It sees to the pauses between attempts.
	Wake(ctx context.Context, c connreq.CPE) (connreq.Report, error)
	// Arrived tells that a session of the CPE with that key has begun. It does not
	// block.
	Arrived(key string)
}

// Observer is told what happens in the sessions of one Device: the Virtual
// Agent on top. Its methods are called by one goroutine at a time, must not
// block, and may call Device.Hold, but Device.Call only from another goroutine.
// What they are given is theirs to read, not to change; strings may share the
// memory of the whole envelope.
type Observer interface {
	// Inform is called inside the session, before the first RPC is taken from
	// the queue.
	Inform(in *cwmp.Inform)
	// Request is called for each request of the CPE after its Inform, and returns
	// the answer: Acknowledged(req), or a Fault. It is sent once Commit has returned
	// nil. A CPE may repeat a request: its session may break before the answer.
	Request(req cwmp.Request) cwmp.Response
	// SessionEnded is called once for each Inform, with nil after a regular
	// end.
	SessionEnded(cause error)
	// Commit stores durably what has come of all that the Observer was told. It is
	// called before an Inform or a request is answered, and may block for as long as
	// that takes: a CPE forgets an event once it is answered. On an error the CPE is
	// told to try again.
	Commit() error
}

// Keeper keeps what should outlive the time that a Device is in memory. Safe for
// concurrent use.
type Keeper interface {
	// Load returns what was last saved of a Device; ok is false if nothing was.
	Load(id cwmp.DeviceID) (k Known, ok bool, err error)
	// Save is durable when it returns nil.
	Save(k Known) error
	// Len is how many Devices are kept.
	Len() int
}

// Known is what a Device remembers about its CPE besides the queue: enough to
// wake it after a restart.
type Known struct {
	Identity             cwmp.DeviceID
	ConnectionRequestURL string
	ParameterKey         string
	// Login is the Connection Request login made for the Device; LoginSet tells
	// that the CPE has taken it, LoginRefused that it does not want to.
	Login        Login
	LoginSet     bool
	LoginRefused bool
	// UDPAddress is the UDPConnectionRequestAddress, where the CPE has one.
	UDPAddress string
	// JID, Methods and STUNUsername are ConnReqJabberID, SupportedConnReqMethods and
	// STUNUsername, as far as an Inform had them.
	JID, Methods, STUNUsername string
	// WokenBy is the way in which the CPE was woken last.
	WokenBy connreq.Method
	// Source is where the last session came from.
	Source netip.Addr
	// Found is how the CPE wants its sessions.
	Found Found `json:",omitzero"`
	// SoftwareVersion is that of the last Inform; a Profile may be for it alone.
	SoftwareVersion string `json:",omitzero"`
	// Told is what Informs have said that the Observer has not heard of yet.
	Told Told `json:",omitzero"`
}

// Login is a user name with its password.
type Login struct {
	Username string
	Password string
}

// Options configures a Fleet. The zero value of a field means its default.
type Options struct {
	// Waker wakes CPE; nil never does, and RPCs wait for the CPE to come.
	Waker Waker
	// Attach is called before the first Inform of a Device is reported since it is
	// in memory; nil, or a nil Observer, observes nothing. An error refuses the
	// session.
	Attach func(*Device) (Observer, error)

	// Resting, unless nil, returns by what the Informs are told that need not wake the
	// Observer of a Device, which sleeps as well; the zero value: all have to. Of such a
	// session, if it has no event out of the ordinary, nobody is told. Renew, required
	// with it, says that was stands no more and now does, unless the Observer has been
	// woken meanwhile. Neither blocks.
	Resting func(cwmp.DeviceID) Rest
	Renew   func(id cwmp.DeviceID, was, now Rest)
	// Epoch is another one if what is wanted of CPE is something else than before: of a
	// Rest that was made in another, no Inform is.
	Epoch uint64

	// MaxDevices bounds the number of Devices; default 1,000,000. An Inform of
	// one more is answered with Fault 8004.
	MaxDevices int
	// MaxQueue bounds the RPCs that wait for one Device; default 256.
	MaxQueue int
	// HoldTime is how long a session is kept open for the sake of a Hold
	// without any RPC; default 5 s.
	HoldTime time.Duration

	// Login, unless empty, is the Connection Request login of all Devices.
	// Otherwise each gets a random one of its own.
	Login Login
	// KeepLogin leaves the Connection Request login in the CPE as it is; Login
	// is then what to try.
	KeepLogin bool
	// OtherLogins are tried in turn where the CPE refuses its own [quirk 79].
	OtherLogins []Login

	// Imported, unless nil, returns the Connection Request login that a CPE is said to
	// have, or an empty one. Where the gateway makes logins it begins with it, and it is
	// tried after the CPE's own. It may block as the Keeper does.
	Imported func(cwmp.DeviceID) Login

	// Profiles say how models of CPE want their sessions, and how they can be woken;
	// nil: as the standard has it.
	Profiles *profile.Table

	// Keeper, unless nil, keeps the Devices while they are not in memory; without
	// one they always are.
	Keeper Keeper

	// Log takes the log lines; nil is none.
	Log *zap.Logger
	// Metrics registers the metrics; nil is none.
	Metrics prometheus.Registerer
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	orDefault(&o.MaxDevices, 1_000_000)
	orDefault(&o.MaxQueue, 256)
	orDefault(&o.HoldTime, 5*time.Second)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}
