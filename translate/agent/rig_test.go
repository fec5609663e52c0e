// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/cwmp"
	cwmptrace "github.com/uspgate/uspgate/cwmp/trace"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	usptrace "github.com/uspgate/uspgate/usp/trace"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// rules are loaded once: they are immutable.
var rules = sync.OnceValues(func() (*model.Rules, error) { return model.Load("") })

// never keeps Agents in memory.
const never = 1000 * time.Hour

// rig is one Host with one Agent on a fakeCPE. What the Agent sends is kept in
// a transcript and in a list.
type rig struct {
	t     testing.TB
	opts  agent.Options
	cpe   *fakeCPE
	host  *agent.Host
	agent *agent.Agent
	shelf *shelf
	files *fakeFiles
	end   func()
	msgs  int // requests sent

	mu         sync.Mutex
	transcript strings.Builder
	rpcs       bool
	// background is what the Agent does on its own beside answering: at the end
	// of a step, because it happens at any time in it.
	background   strings.Builder
	inBackground bool
	watched      []string // the names in SetParameterAttributes, until they are read
	sent         []*uspmsg.Msg
	doing        map[string]chan struct{} // closed when the request with that msg_id is answered
	records      []usp.Record
	answers      chan *uspmsg.Msg // of ask; nil where nobody waits
	parts        []byte           // of a Message that comes in segments
}

func newRig(tb testing.TB, model string, options ...string) *rig {
	tb.Helper()
	r := &rig{t: tb, cpe: newCPE(tb, model), rpcs: true, shelf: newShelf()}
	loaded, err := rules()
	if err != nil {
		tb.Fatal(err)
	}
	r.opts = agent.Options{
		Send: r.take, Rules: loaded, SoftwareVersion: "test", Protocols: []string{"WebSocket"},
		Journal: device.NewMemoryJournal(device.MemoryOptions{}), Keeper: r.shelf,
		Device: func(cwmp.DeviceID) (agent.Device, error) { return r.cpe, nil }, Idle: never,
	}
	r.numberSessions()
	for _, o := range options {
		r.option(o)
	}
	r.cpe.trace = func(dir string, m cwmp.Message) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.rpcs {
			return
		}
		text := ""
		if m != nil {
			text = cwmptrace.Message(m)
		}
		if dir == "cwmp<" {
			r.inBackground = r.watches(m) || inBackground(m)
		}
		if r.inBackground {
			writeTo(&r.background, dir, text)
			return
		}
		r.write(dir, text)
	}
	r.start()
	return r
}

func (r *rig) option(o string) {
	name, value, _ := strings.Cut(o, "=")
	duration := func() time.Duration {
		d, err := time.ParseDuration(value)
		if err != nil {
			r.t.Fatal(err)
		}
		return d
	}
	switch name {
	case "idle":
		r.opts.Idle = duration()
	case "freshness":
		r.opts.Freshness = duration()
	case "poll":
		r.opts.Poll = duration()
	case "fresh": // PATH+30s, PATH+live, PATH+cached; +answer
		r.opts.FreshnessRules = append(r.opts.FreshnessRules, freshnessRule(r.t, value))
	case "deadline":
		r.opts.Deadline = duration()
	case "diagnosticwait":
		r.opts.DiagnosticWait = duration()
	case "unitwait":
		r.opts.UnitWait = duration()
	case "files":
		r.files = &fakeFiles{}
		r.opts.Files = r.files
	case "strictdelete":
		r.opts.StrictDelete = true
	case "inbox":
		if _, err := fmt.Sscan(value, &r.opts.Inbox); err != nil {
			r.t.Fatal(err)
		}
	case "requested":
		r.opts.Requested = r.number(value)
	case "maxresponse":
		r.opts.MaxResponse = r.number(value)
	case "maxreport":
		r.opts.MaxReport = r.number(value)
	case "bulk": // PROFILES+REFERENCES
		profiles, references, _ := strings.Cut(value, "+")
		r.opts.BulkProfiles, r.opts.BulkReferences = r.number(profiles), r.number(references)
	case "pendingbytes":
		r.opts.PendingBytes = r.number(value)
	case "paths":
		r.opts.Paths = r.number(value)
	case "controllers":
		r.opts.Controllers = nil
		for id := range strings.SplitSeq(value, "+") {
			c := agent.Controller{EndpointID: usp.EndpointID(id), Protocol: "WebSocket"}
			r.opts.Controllers = append(r.opts.Controllers, c)
		}
	case "viewer": // who of them has a Role of the configuration
		r.opts.Roles = []agent.Role{{Name: "Viewer", Permissions: []agent.Permission{{
			Targets: []string{"Device."}, Param: "r---", Obj: "r---", InstantiatedObj: "r---", CommandEvent: "r---",
		}}}}
		for i := range r.opts.Controllers {
			if c := &r.opts.Controllers[i]; c.EndpointID == usp.EndpointID(value) {
				c.Role = "Viewer"
			}
		}
	case "defaults": // NAME+NAME of defaultsFor
		r.opts.Defaults = defaultsFor(r.t, value)
	case "tags":
		r.opts.Tags = func(cwmp.DeviceID) []string { return strings.Split(value, "+") }
	case "protocols":
		r.opts.Protocols = strings.Split(value, "+")
	case "fixed":
		r.opts.FixedControllers = true
	case "untrusted", "trusted":
		r.opts.LetUntrusted = name == "untrusted"
	case "noroles":
		r.opts.Roles = nil
	default:
		if !r.recordOption(name, value) {
			r.t.Fatalf("unknown option %s", name)
		}
	}
}

func (r *rig) number(value string) int {
	n := 0
	if _, err := fmt.Sscan(value, &n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) start() {
	r.startHost()
	r.agent = r.attach(r.cpe)
}

// startHost is start without that anybody comes.
func (r *rig) startHost() {
	host, err := agent.NewHost(r.opts)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := host.Load(func(usp.EndpointID) error { return nil }); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := host.Run(ctx); err != nil {
			r.t.Errorf("got %v from Run, want nil", err)
		}
	}()
	r.end = func() {
		cancel()
		<-done
	}
	r.host = host
}

func (r *rig) stop() {
	r.end()
	r.cpe.mu.Lock()
	defer r.cpe.mu.Unlock()
	if r.cpe.holds != 0 {
		r.t.Errorf("got %d sessions held at the end, want 0", r.cpe.holds)
	}
}

// attach gives a CPE its Agent.
func (r *rig) attach(d agent.Device) *agent.Agent {
	r.t.Helper()
	a, err := r.host.Attach(d)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// restart is what a restart of the gateway is to the Agent. The options may
// differ then; "killed" is no option: what was not saved by then is lost, nor is
// "lost": what may be lost is.
func (r *rig) restart(options ...string) {
	if slices.Contains(options, "killed") {
		r.shelf.kill()
	}
	r.end()
	r.shelf.revive()
	for _, o := range options {
		switch o {
		case "killed":
		case "lost":
			r.shelf.loseTrees()
		default:
			r.option(o)
		}
	}
	r.start()
}

// inform is a session that is over at once: what it is used for goes on in the
// background, as the CPE in memory needs no session.
func (r *rig) inform(events []cwmp.Event, more ...string) {
	r.agent = r.attach(r.cpe) // it may have slept
	r.agent.Inform(r.cpe.inform(events, more...))
	r.commit()
	r.agent.SessionEnded(nil)
}

// take is Options.Send.
func (r *rig) take(rec usp.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, rec)
	h := rec.Header()
	if h.Type == usp.RecordSession {
		if msg := r.heardSession(rec); msg != nil {
			r.sent = append(r.sent, msg)
		}
		return
	}
	if h.Type != usp.RecordNoSession {
		r.write("usp<", usptrace.Record(rec.Bytes()))
		return
	}
	msg := &uspmsg.Msg{}
	if err := proto.Unmarshal(h.Payload, msg); err != nil {
		r.t.Errorf("got a Message that does not parse: %v", err)
	}
	r.sent = append(r.sent, msg)
	if done := r.doing[msg.GetHeader().GetMsgId()]; done != nil {
		close(done)
		delete(r.doing, msg.GetHeader().GetMsgId())
	}
	if r.answers != nil && msg.GetHeader().GetMsgType() != uspmsg.Header_NOTIFY {
		r.answers <- msg
	}
	to := ""
	if h.To != "self::ctl" {
		to = " to " + string(h.To)
	}
	r.write("usp<"+to, usptrace.Msg(msg))
}

func (r *rig) write(dir, text string) { writeTo(&r.transcript, dir, text) }

func writeTo(b *strings.Builder, dir, text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	b.WriteString(strings.TrimRight(dir+" "+lines[0], " ") + "\n")
	for _, l := range lines[1:] {
		b.WriteString("  " + l + "\n")
	}
}

func (r *rig) takeTranscript() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := r.transcript.String() + r.background.String()
	r.transcript.Reset()
	r.background.Reset()
	return text
}

func (r *rig) showRPCs(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rpcs = on
}

// send delivers a Message, as parseRequest reads it.
func (r *rig) send(from usp.EndpointID, id string, words []string) {
	r.deliver(from, r.parseWords(id, words, true), nil)
}

// parseWords makes a Message of what parseRequest reads. Without an id it gets the next
// one, or, unless it is new, that of the last.
func (r *rig) parseWords(id string, words []string, isNew bool) *uspmsg.Msg {
	if id == "" {
		if isNew {
			r.msgs++
		}
		id = fmt.Sprintf("m%d", r.msgs)
	}
	t, ok := r.t.(*testing.T)
	if !ok {
		panic("scripts are for tests")
	}
	return &uspmsg.Msg{Header: &uspmsg.Header{MsgId: id}, Body: parseRequest(t, words)}
}

// ask sends a request and waits for the answer, outside of synctest.
func (r *rig) ask(body *uspmsg.Body) *uspmsg.Msg {
	r.msgs++
	id := fmt.Sprintf("m%d", r.msgs)
	r.deliver("self::ctl", &uspmsg.Msg{Header: &uspmsg.Header{MsgId: id}, Body: body}, nil)
	for {
		select {
		case m := <-r.answers:
			if m.GetHeader().GetMsgId() == id {
				return m
			}
		case <-time.After(20 * time.Second):
			r.t.Fatal("got no answer")
		}
	}
}

func (r *rig) deliver(from usp.EndpointID, msg *uspmsg.Msg, done func(error)) {
	payload, err := proto.Marshal(msg)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.host.Deliver(usp.NewNoSession(from, r.agent.EndpointID(), "1.3", payload), done)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.write("refused: "+err.Error(), "")
	}
}
