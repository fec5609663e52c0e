// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/cohort"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Defaults and bounds of Options.
const (
	// DefaultMax is how many CPE are mounted, MaxMax how many may be.
	DefaultMax = 1000
	MaxMax     = 1000
	// DefaultParallel is how many Virtual Agents one Request asks at a time.
	DefaultParallel = 32
	// DefaultOnlineFor is how long a CPE is Online after it was heard of: most come daily.
	DefaultOnlineFor = 25 * time.Hour
)

// Agents are the Virtual Agents. *agent.Host has them.
type Agents interface {
	Ask(q agent.Asked) error
	Deliver(rec usp.Record, done func(error)) error
	EndpointOf(id cwmp.DeviceID) (usp.EndpointID, bool)
}

// Options configure a Gateway. EndpointID, Agents, Agent.Send and Agent.Rules are required, the
// zero value of everything else is a default.
type Options struct {
	// EndpointID is that of the gateway Agent, and, as a Controller of the Virtual Agents,
	// of the gateway.
	EndpointID usp.EndpointID
	// Select says which CPE are mounted: those that one of them fits; none: all.
	Select []cohort.Selector
	// Tags returns the tags of a CPE, for Selectors that ask for them; nil: no CPE has any.
	Tags func(cwmp.DeviceID) []string
	// Max is how many CPE are mounted; 0 means DefaultMax. One more is not mounted, which is
	// logged once and counted.
	Max int
	// Parallel is how many Virtual Agents one Request asks at a time; 0 means DefaultParallel.
	Parallel int
	// OnlineFor is how long a CPE is Online after it was heard of; 0 means DefaultOnlineFor.
	OnlineFor time.Duration
	// Agents are the Virtual Agents of the CPE.
	Agents Agents
	// Agent is for the gateway Agent itself: Controllers, Roles, bounds, Keeper, Journal.
	// Mounts and Device are set by New.
	Agent agent.Options

	Log     *zap.Logger           // nil logs nothing
	Metrics prometheus.Registerer // nil counts nothing
}

// Gateway is the gateway Agent. All its methods are safe for concurrent use.
type Gateway struct {
	opts     Options
	log      *zap.Logger
	metrics  *metrics
	matchers []matcher
	front    *agent.Host
	tree     *agent.Gateway

	changing sync.Mutex // of the mounts; taken before all others

	mu      sync.Mutex
	mounts  []mount // by number
	byID    map[usp.EndpointID]mount
	heard   map[usp.EndpointID]int64 // of mounted CPE, in seconds of Unix time
	online  map[usp.EndpointID]bool
	refused map[usp.EndpointID]bool // of those that do not fit, for the log

	notes  notes
	mirror mirror
}

var _ agent.Mounts = (*Gateway)(nil)

// New returns a Gateway that has mounted whom it had mounted before.
func New(o Options) (*Gateway, error) {
	if o.EndpointID == "" || o.Agents == nil {
		return nil, errors.New("proxied: Options.EndpointID and Options.Agents are required")
	}
	if o.Max <= 0 || o.Max > MaxMax {
		o.Max = DefaultMax
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.OnlineFor <= 0 {
		o.OnlineFor = DefaultOnlineFor
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	g := &Gateway{
		opts: o, log: o.Log.Named("translate.proxied"), matchers: matchers(o.Select),
		byID: make(map[usp.EndpointID]mount), heard: make(map[usp.EndpointID]int64),
		online: make(map[usp.EndpointID]bool), refused: make(map[usp.EndpointID]bool),
	}
	g.notes.init()
	var err error
	if g.metrics, err = newMetrics(o.Metrics); err != nil {
		return nil, err
	}
	o.Agent.Mounts, o.Agent.Metrics = g, nil
	if o.Agent.Keeper != nil {
		o.Agent.Device = func(cwmp.DeviceID) (agent.Device, error) { return nil, errors.New("proxied: there is no CPE") }
	}
	if g.front, err = agent.NewHost(o.Agent); err != nil {
		return nil, err
	}
	if g.tree, err = g.front.AttachGateway(o.EndpointID, identity(o.EndpointID)); err != nil {
		return nil, err
	}
	g.restore()
	return g, nil
}

// identity is what Device.DeviceInfo. of the gateway Agent says.
func identity(id usp.EndpointID) cwmp.DeviceID {
	_, rest, _ := strings.Cut(string(id), "::")
	return cwmp.DeviceID{Manufacturer: "uspgate", ProductClass: "uspgate", SerialNumber: rest}
}

// contactNote is the name under which it is kept when CPE were heard of.
const contactNote = "contact"

func (g *Gateway) restore() {
	all := g.tree.Notes()
	_ = json.Unmarshal([]byte(all[contactNote]), &g.heard) // what is not readable is not known
	if g.heard == nil {
		g.heard = make(map[usp.EndpointID]int64)
	}
	g.mirror.restore(all)
	for n, id := range g.tree.Mounted() {
		g.mountedAs(n, id)
		g.online[id] = g.isOnline(g.heard[id])
	}
	for id := range g.heard {
		if _, ok := g.byID[id]; !ok {
			delete(g.heard, id)
		}
	}
}

// EndpointID is that of the gateway Agent.
func (g *Gateway) EndpointID() usp.EndpointID { return g.opts.EndpointID }

// Deliver takes a Record for the gateway Agent; see agent.Host.Deliver.
func (g *Gateway) Deliver(rec usp.Record, done func(error)) error { return g.front.Deliver(rec, done) }

// Serve implements agent.Mounts.
func (g *Gateway) Serve(ctx context.Context, q *agent.Question) (*uspmsg.Response, *uspmsg.Error) {
	t := g.newTalk(q)
	req := q.Request
	if fail := t.tooMany(paths(req)); fail != nil {
		return nil, fail
	}
	switch req.GetReqType().(type) {
	case *uspmsg.Request_Get:
		return t.get(ctx)
	case *uspmsg.Request_GetInstances:
		return t.getInstances(ctx)
	case *uspmsg.Request_GetSupportedDm:
		return t.getSupportedDM(ctx)
	case *uspmsg.Request_Set:
		return t.set(ctx)
	case *uspmsg.Request_Add:
		return t.add(ctx)
	case *uspmsg.Request_Delete:
		return t.delete(ctx)
	case *uspmsg.Request_Operate:
		return t.operate(ctx)
	default:
		return q.Own(ctx, req)
	}
}

// paths is how many paths or objects a Request names.
func paths(r *uspmsg.Request) int {
	return max(len(r.GetGet().GetParamPaths()), len(r.GetGetInstances().GetObjPaths()),
		len(r.GetGetSupportedDm().GetObjPaths()), len(r.GetSet().GetUpdateObjs()),
		len(r.GetAdd().GetCreateObjs()), len(r.GetDelete().GetObjPaths()))
}

// mounted returns the mounts, by number.
func (g *Gateway) mounted() []mount {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.mounts)
}

// mountedAs takes a CPE among the mounts; mu is held, or not needed yet.
func (g *Gateway) mountedAs(n uint32, id usp.EndpointID) {
	m := mount{number: n, id: id, row: agent.ProxiedTable + strconv.FormatUint(uint64(n), 10) + "."}
	if _, ok := g.byID[id]; ok {
		return
	}
	g.byID[id] = m
	at, _ := slices.BinarySearchFunc(g.mounts, n, func(m mount, n uint32) int { return int(m.number) - int(n) })
	g.mounts = slices.Insert(g.mounts, at, m)
	g.metrics.mounted.Set(float64(len(g.mounts)))
}
