// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
)

// Defaults and bounds of Options.
const (
	// DefaultDeadline is how long a request may wait for its CPE.
	DefaultDeadline = 30 * time.Second
	// DefaultInbox is how many requests one Agent has in hand.
	DefaultInbox = 64
	// DefaultPaths is how many paths one path expression may resolve to.
	DefaultPaths = 10_000
	// DefaultRequested is how many paths, or objects to set or to add, one
	// request may name.
	DefaultRequested = 1_000
	// DefaultMaxResponse is how many bytes the encoding of an answer may have. It
	// leaves room for the rest of a Record of 5 MiB, which the MTPs take.
	DefaultMaxResponse = 4 << 20
	// DefaultSubscriptions is how many Subscription rows one Agent has.
	DefaultSubscriptions = 256
	// DefaultPending is how many Notifies of one Agent wait for their response.
	DefaultPending = 256
	// DefaultPendingBytes is how many bytes the Notifies have that do.
	DefaultPendingBytes = 4 << 20
	// DefaultBulkProfiles is how many rows Device.BulkData.Profile. has in one Agent,
	// DefaultBulkReferences how many the Parameter tables of all of them have together.
	// DefaultBulkInterval is the least ReportingInterval, DefaultMaxReport how many bytes a
	// report may have.
	DefaultBulkProfiles   = 16
	DefaultBulkReferences = 256
	DefaultBulkInterval   = time.Minute
	DefaultMaxReport      = 256 << 10
	// DefaultTriggerConfigs is how often in a minute one Subscription may set its
	// TriggerConfigSettings.
	DefaultTriggerConfigs = 10
	// DefaultIdle is how long an Agent that has nothing in hand stays in memory,
	// DefaultMaxAwake how many Agents are, with about DefaultMaxAwakeBytes.
	DefaultIdle          = 2 * time.Minute
	DefaultMaxAwake      = 10_000
	DefaultMaxAwakeBytes = 128 << 20
	// DefaultFoldEvery is how often trees that nobody uses are packed.
	DefaultFoldEvery = 5 * time.Second
	// DefaultPatience is how long a CPE waits for its Agent to be taken into memory.
	DefaultPatience = 5 * time.Second
	// DefaultControllers is how many Controllers one Agent learns. The one that
	// was silent longest makes room for another, unless it has left a
	// Subscription, a Request or BootParameters.
	DefaultControllers = 16
	// DefaultAddedControllers is how many rows Controllers may add to the Controller
	// table of one Agent.
	DefaultAddedControllers = 16
)

// Options configure a Host. Send and Rules are required, the zero value of
// everything else is a default.
type Options struct {
	// Send takes every Record of the Agents: answers and Notifies. It must not
	// block for long, and may call Deliver. It is called by one goroutine at a
	// time for each Agent, in order.
	Send func(usp.Record)
	// Rules is how CPE are shown as Device:2.
	Rules *model.Rules
	// Journal keeps writing requests and their replies; nil means one in memory.
	Journal device.Journal
	// Freshness is how old a value may be that is answered without asking the
	// CPE; 0 means that every read asks it. FreshnessRules say otherwise for parts of the
	// data model, at most MaxFreshnessRules.
	Freshness      time.Duration
	FreshnessRules []FreshnessRule
	// Deadline is how long a request may wait for its CPE; 0 means
	// DefaultDeadline. A Controller may have its own.
	Deadline time.Duration
	// Linger is how long the session of a CPE stays open after a request that
	// needed it, so that the next one need not wake the CPE; 0 means not at all.
	Linger time.Duration
	// Poll is how often a CPE is woken to compare what Subscriptions are about and it does
	// not report by itself; 0: that is done only when it opens a session by itself.
	Poll time.Duration
	// Controllers may control the Agents. None at all means that every Controller
	// may that reaches them. Roles are what they may have beside RoleFullAccess and
	// RoleUntrusted; at most 30.
	Controllers []Controller
	Roles       []Role
	// Defaults are what Agents get by the cohort of their CPE, at most MaxDefaults. Tags
	// returns the tags of a CPE; it is asked when an Agent is taken into memory, if Defaults
	// have some, and may block as the Keeper does. nil: there are none.
	Defaults []Defaults
	Tags     func(cwmp.DeviceID) []string
	// FixedControllers: no Controller may add another, or remove one. LetUntrusted: one
	// that is not among Controllers, where there are any, is let in all the same, with the
	// UntrustedRole; whoever hands its Records to Deliver has seen to it that it is who it
	// says.
	FixedControllers, LetUntrusted bool
	// Beside, unless nil, is a Host that answers Granted, GrantOf, Check and Meet for the
	// Agents of this one, too.
	Beside *Host
	// AccessChanged, unless nil, is told who may reach an Agent when that has changed, for
	// Host.Learn of other processes. It must neither block nor call the Host.
	AccessChanged func(Access)
	// Records say what may be in a Session Context, and what of signatures.
	Records RecordOptions
	// Protocols are the MTPs the Agents can be reached on, by the names of
	// TR-181 (WebSocket, MQTT, STOMP, UDS). For Device.LocalAgent.MTP. only.
	Protocols []string
	// SoftwareVersion is that of the gateway, for Device.LocalAgent.
	SoftwareVersion string
	// StrictDelete answers Error to a Delete of a missing instance with
	// allow_partial=false, as [R-DEL.1] says; the default follows TP-469 1.25
	// and answers an empty success.
	StrictDelete bool
	// Keeper keeps the Agents while they sleep and over a restart; nil: they are in
	// memory for ever. Device, required with it, returns the way to a CPE that is
	// kept; it may block as the Keeper does.
	Keeper Keeper
	Device func(cwmp.DeviceID) (Device, error)
	// Profiles say how models of CPE differ from the standard; nil: none does.
	Profiles *profile.Table
	// Transfers bound the transfers of each CPE. Files is the gateway's own file server,
	// for URLs of the form uspgate:NAME; nil: there is none.
	Transfers transfer.Limits
	Files     Files
	// DiagnosticWait is how long a diagnostic of a CPE may take, UnitWait a change of its
	// software modules, from when the CPE was told; 0 means the Default of the same name.
	DiagnosticWait, UnitWait time.Duration
	// Idle is how long an Agent that has nothing in hand stays in memory; 0 means
	// DefaultIdle. MaxAwake and MaxAwakeBytes bound how many are, and about how many
	// bytes they have: past them those that were used longest ago fall asleep as soon
	// as they have nothing in hand, and what would wake another waits. 0 means the
	// Default of the same name.
	Idle          time.Duration
	MaxAwake      int
	MaxAwakeBytes int64
	// FoldEvery is how often it is looked for Agents in memory whose trees nobody has used
	// since: with a Keeper they are packed until somebody does. 0 means DefaultFoldEvery,
	// less than 0 never.
	FoldEvery time.Duration
	// Rising is how many Agents are taken into memory at the same time because their CPE
	// have come, others wait; 0 means two for each processor. Patience is for how long
	// they wait before the CPE is refused; 0 means DefaultPatience.
	Rising   int
	Patience time.Duration

	// Inbox, Paths, Requested, MaxResponse, Subscriptions, Pending and
	// LearnedControllers bound each Agent; 0 means the Default of the same name.
	// A request that is beyond Requested or MaxResponse is answered with Error
	// 7005 as a whole, and before anything is changed.
	Inbox, Paths, Requested, MaxResponse, Subscriptions, Pending, LearnedControllers int
	// AddedControllers does, too: how many rows of its Controller table are added.
	AddedControllers int
	// PendingBytes, BulkProfiles, BulkReferences and MaxReport do, too. A Notify beyond
	// PendingBytes is sent once; a report beyond MaxReport, or with more than Paths
	// parameters, is not sent.
	PendingBytes, BulkProfiles, BulkReferences, MaxReport int
	// TriggerConfigs is how often in a minute one Subscription may set its
	// TriggerConfigSettings: they may be what it is about. 0 means DefaultTriggerConfigs.
	TriggerConfigs int
	// BulkInterval is MinReportingInterval, in whole seconds; 0 means DefaultBulkInterval.
	BulkInterval time.Duration

	// Gateway is the Endpoint ID of the gateway Agent that mounts the CPE of these Agents: it
	// is a Controller of all of them, for its Subscriptions. Empty: there is none.
	Gateway usp.EndpointID
	// Mounts, unless nil, has the one Agent of the Host be that of a gateway, see
	// Host.AttachGateway: what it shows below Device.ProxiedDevice. is theirs.
	Mounts Mounts

	Log     *zap.Logger           // nil logs nothing
	Metrics prometheus.Registerer // nil counts nothing
}

// Controller is a USP Controller that may control the Agents.
type Controller struct {
	EndpointID usp.EndpointID
	// Role is the name of the Role that it has; empty: RoleFullAccess, until a
	// Controller that may gives it another.
	Role string
	// Protocol is the MTP it is reached on, by its TR-181 name; may be empty.
	Protocol string
	// ProvisioningCode and PeriodicNotifInterval are the first values of the
	// parameters of that name; 0 means a day.
	ProvisioningCode      string
	PeriodicNotifInterval time.Duration
	// Deadline is how long a request of it may wait for a CPE; 0 means that of
	// Options.
	Deadline time.Duration
	// E2ESession is that of this Controller; nil: that of Options.Records.
	E2ESession *E2ESession
}

func (o *Options) fill() {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Inbox, DefaultInbox)
	def(&o.Paths, DefaultPaths)
	def(&o.Requested, DefaultRequested)
	def(&o.MaxResponse, DefaultMaxResponse)
	def(&o.Subscriptions, DefaultSubscriptions)
	def(&o.Pending, DefaultPending)
	def(&o.LearnedControllers, DefaultControllers)
	def(&o.AddedControllers, DefaultAddedControllers)
	def(&o.PendingBytes, DefaultPendingBytes)
	def(&o.BulkProfiles, DefaultBulkProfiles)
	def(&o.BulkReferences, DefaultBulkReferences)
	def(&o.MaxReport, DefaultMaxReport)
	def(&o.TriggerConfigs, DefaultTriggerConfigs)
	if o.BulkInterval < time.Second {
		o.BulkInterval = DefaultBulkInterval
	}
	def(&o.MaxAwake, DefaultMaxAwake)
	if o.MaxAwakeBytes <= 0 {
		o.MaxAwakeBytes = DefaultMaxAwakeBytes
	}
	if o.Idle <= 0 {
		o.Idle = DefaultIdle
	}
	if o.FoldEvery == 0 {
		o.FoldEvery = DefaultFoldEvery
	}
	def(&o.Rising, 2*runtime.GOMAXPROCS(0))
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.DiagnosticWait <= 0 {
		o.DiagnosticWait = DefaultDiagnosticWait
	}
	if o.UnitWait <= 0 {
		o.UnitWait = DefaultUnitWait
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("translate.agent")
}

// deadline returns how long a request of c may wait for the CPE.
func (o *Options) deadline(c usp.EndpointID) time.Duration {
	for i := range o.Controllers {
		if o.Controllers[i].EndpointID == c && o.Controllers[i].Deadline > 0 {
			return o.Controllers[i].Deadline
		}
	}
	return o.Deadline
}
