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

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

const (
	subscriptionTable = "Device.LocalAgent.Subscription."
	// mirrorID begins the ID of a Subscription of the gateway at a Virtual Agent; then comes
	// the number of the one that it is for, or commandsKey for the one that tells of all
	// commands, because the Request table of the gateway has some of them.
	mirrorID    = "uspgate-proxied-"
	commandsKey = "commands"
	// mirrorNote begins the name under which it is kept what is mirrored to a Virtual Agent.
	mirrorNote = "mirror "
	// mirrorRetry is the pause after a Virtual Agent could not be asked.
	mirrorRetry = 10 * time.Second
)

// mirror is which Subscriptions the gateway has at the Virtual Agents.
type mirror struct {
	due chan struct{} // capacity 1

	mu    sync.Mutex
	rows  map[usp.EndpointID]map[string]mirrored // by the number of the Subscription, or commandsKey
	asked uint64
	nonce string
}

// mirrored is one Subscription at a Virtual Agent.
type mirrored struct {
	Row  string `json:"row,omitempty"` // empty: it was refused
	Spec spec   `json:"spec"`
}

// spec is what it is about.
type spec struct {
	NotifType     string `json:"type"`
	ReferenceList string `json:"references"`
}

func (m *mirror) restore(kept map[string]string) {
	m.due = make(chan struct{}, 1)
	m.nonce = strconv.FormatInt(time.Now().UnixNano(), 36)
	m.rows = make(map[usp.EndpointID]map[string]mirrored)
	for name, raw := range kept {
		if id, ok := strings.CutPrefix(name, mirrorNote); ok {
			rows := make(map[string]mirrored)
			if json.Unmarshal([]byte(raw), &rows) == nil {
				m.rows[usp.EndpointID(id)] = rows
			}
		}
	}
}

// Subscribed implements agent.Mounts.
func (g *Gateway) Subscribed() {
	if g.mirror.due != nil { // not while it is being made
		signal(g.mirror.due)
	}
}

// run mirrors what is due, until ctx ends.
func (m *mirror) run(ctx context.Context, g *Gateway) {
	signal(m.due)
	again := time.NewTicker(mirrorRetry)
	defer again.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.due:
			failed = !g.reconcile(ctx)
		case <-again.C:
			if failed {
				failed = !g.reconcile(ctx)
			}
		}
	}
}

// reconcile has every Virtual Agent have the Subscriptions that it should, and reports
// whether all could be asked.
func (g *Gateway) reconcile(ctx context.Context) bool {
	want := g.wanted()
	ids := make(map[usp.EndpointID]bool)
	for id := range want {
		ids[id] = true
	}
	g.mirror.mu.Lock()
	for id := range g.mirror.rows {
		ids[id] = true
	}
	g.mirror.mu.Unlock()
	done := true
	for id := range ids {
		if ctx.Err() != nil {
			return true
		}
		if err := g.mirrorTo(id, want[id]); err != nil {
			g.log.Info("a Virtual Agent does not know of Subscriptions yet; it is tried again",
				zap.String("endpoint_id", string(id)), zap.Error(err))
			done = false
		}
	}
	return done
}

// wanted returns what is to be mirrored, by Virtual Agent and number of the Subscription.
func (g *Gateway) wanted() map[usp.EndpointID]map[string]spec {
	want := make(map[usp.EndpointID]map[string]spec)
	all := g.mounted()
	for _, i := range g.tree.Interests() {
		key := strings.TrimSuffix(strings.TrimPrefix(i.Row, subscriptionTable), ".")
		refs := make(map[usp.EndpointID][]string)
		for _, ref := range i.References {
			mounts, below := g.referred(ref, i.NotifType, all)
			for _, m := range mounts {
				refs[m.id] = append(refs[m.id], root+m.inExpression(below))
			}
		}
		for id, list := range refs {
			if want[id] == nil {
				want[id] = make(map[string]spec)
			}
			want[id][key] = spec{i.NotifType, strings.Join(list, ",")}
		}
	}
	return want
}

// referred returns the CPE that a reference leads into, and where in them.
//
// Deviation: an expression on Device.ProxiedDevice. itself can compare parameters of the
// row in a ReferenceList, not those of the CPE, and means the CPE that it meant when the
// Subscription or the mounts changed last.
func (g *Gateway) referred(ref, notifType string, all []mount) (list []mount, below string) {
	rows, below, ok := agent.SplitMount(ref)
	switch {
	case ref == root || ref == agent.ProxiedTable:
		rows = "*"
	case !ok || below != "" && (!agent.InMount(below) || isHidden(root+below)):
		return nil, ""
	}
	if below == "" && notifType != "ValueChange" && notifType != "Event" && notifType != "OperationComplete" {
		return nil, "" // the rows themselves
	}
	if rows == "*" {
		return all, below
	}
	p, err := path.Parse(agent.ProxiedTable + rows + ".")
	if err != nil {
		return nil, ""
	}
	tree := &mountTree{t: &talk{g: g}, all: all}
	found, err := path.Resolve(p, tree, MaxMax)
	if err != nil || len(tree.wanted) > 0 {
		return nil, ""
	}
	return slices.DeleteFunc(slices.Clone(all), func(m mount) bool { return !slices.Contains(found, m.row) }), below
}

// mirrorTo has one Virtual Agent have the Subscriptions that it should; the one for commands
// stays for as long as the CPE is mounted.
func (g *Gateway) mirrorTo(id usp.EndpointID, want map[string]spec) error {
	m := &g.mirror
	m.mu.Lock()
	defer m.mu.Unlock()
	have := m.rows[id]
	_, mounted := g.of(id)
	var old, drop []string
	for key, one := range have {
		if want[key] != one.Spec && (key != commandsKey || !mounted) {
			drop = append(drop, key)
			if one.Row != "" {
				old = append(old, one.Row)
			}
		}
	}
	if len(old) > 0 {
		_, err := g.command(id, &uspmsg.Request{ReqType: &uspmsg.Request_Delete{
			Delete: &uspmsg.Delete{AllowPartial: true, ObjPaths: old},
		}})
		if err != nil && !errors.Is(err, agent.ErrUnknownAgent) {
			return err
		}
	}
	for _, key := range drop {
		delete(have, key)
	}
	var keys []string
	for key, s := range want {
		if have[key].Spec != s {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	err := g.subscribe(id, keys, want)
	if len(drop)+len(keys) > 0 {
		g.keepMirror(id)
	}
	return err
}

// subscribe adds Subscriptions at a Virtual Agent. One that it refuses is not tried again.
// mirror.mu is held.
func (g *Gateway) subscribe(id usp.EndpointID, keys []string, want map[string]spec) error {
	if len(keys) == 0 {
		return nil
	}
	add := &uspmsg.Add{AllowPartial: true}
	for _, key := range keys {
		o := &uspmsg.Add_CreateObject{ObjPath: subscriptionTable}
		for _, s := range [][2]string{
			{"ID", mirrorID + key},
			{"NotifType", want[key].NotifType},
			{"ReferenceList", want[key].ReferenceList},
			{"Persistent", "true"},
			{"NotifRetry", "true"},
			{"Enable", "true"},
		} {
			p := &uspmsg.Add_CreateParamSetting{Param: s[0], Value: s[1], Required: true}
			o.ParamSettings = append(o.ParamSettings, p)
		}
		add.CreateObjs = append(add.CreateObjs, o)
	}
	resp, err := g.command(id, &uspmsg.Request{ReqType: &uspmsg.Request_Add{Add: add}})
	if err != nil {
		return err
	}
	if g.mirror.rows[id] == nil {
		g.mirror.rows[id] = make(map[string]mirrored)
	}
	for i, r := range resp.GetAddResp().GetCreatedObjResults() {
		if i >= len(keys) {
			break
		}
		one := mirrored{Row: r.GetOperStatus().GetOperSuccess().GetInstantiatedPath(), Spec: want[keys[i]]}
		if fail := r.GetOperStatus().GetOperFailure(); fail != nil {
			g.log.Info("a CPE does not have what is subscribed to",
				zap.String("endpoint_id", string(id)), zap.String("error", fail.GetErrMsg()))
		}
		g.mirror.rows[id][keys[i]] = one
	}
	return nil
}

// keepMirror keeps what is mirrored to a Virtual Agent; mirror.mu is held.
func (g *Gateway) keepMirror(id usp.EndpointID) {
	text := ""
	if rows := g.mirror.rows[id]; len(rows) == 0 {
		delete(g.mirror.rows, id)
	} else if raw, err := json.Marshal(rows); err == nil {
		text = string(raw)
	}
	g.tree.Note(mirrorNote+string(id), text)
}

// hearCommands has a Virtual Agent tell of commands that have ended.
func (g *Gateway) hearCommands(id usp.EndpointID) error {
	g.mirror.mu.Lock()
	defer g.mirror.mu.Unlock()
	if g.mirror.rows[id][commandsKey].Row != "" {
		return nil
	}
	err := g.subscribe(id, []string{commandsKey}, map[string]spec{commandsKey: {"OperationComplete", root}})
	if err == nil {
		g.keepMirror(id)
	}
	return err
}

// command asks a Virtual Agent something in the name of the gateway; an Error is an error.
// mirror.mu is held.
func (g *Gateway) command(id usp.EndpointID, req *uspmsg.Request) (*uspmsg.Response, error) {
	g.mirror.asked++
	type answer struct {
		body *uspmsg.Body
		err  error
	}
	answers := make(chan answer, 1)
	err := g.opts.Agents.Ask(agent.Asked{
		To: id, From: g.opts.EndpointID, Request: req,
		MsgID:  "mirror-" + g.mirror.nonce + "-" + strconv.FormatUint(g.mirror.asked, 10),
		Answer: func(body *uspmsg.Body, err error) { answers <- answer{body, err} },
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // the reader asks for its kind
	}
	a := <-answers
	if e := a.body.GetError(); a.err == nil && e != nil {
		a.err = &usp.Error{Code: usp.Code(e.GetErrCode()), Text: e.GetErrMsg()}
	}
	return a.body.GetResponse(), a.err
}
