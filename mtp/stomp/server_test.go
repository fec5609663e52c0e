// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// TestConnect is the first frame and its answer [R-STOMP.2 to R-STOMP.9].
func TestConnect(t *testing.T) {
	t.Parallel()
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, mtptest.NewRecorder(t))
	dest := agentDest("os::1")
	tests := map[string]struct {
		frame   []byte
		version string
		dest    string
		beat    string
	}{
		"STOMP":             {rawFrame("STOMP", nil, "accept-version:1.2", "host:x", `endpoint-id:os\c\c1`), "1.2", dest, "1000,60000"},
		"CONNECT":           {rawFrame("CONNECT", nil, "accept-version:1.2", "host:x", `endpoint-id:os\c\c1`), "1.2", dest, "1000,60000"},
		"not escaped":       {rawFrame("STOMP", nil, "accept-version:1.2", "host:x", "endpoint-id:os::1"), "1.2", dest, "1000,60000"},
		"both versions":     {rawFrame("STOMP", nil, "accept-version:1.0,1.1, 1.2", "endpoint-id:os::1"), "1.2", dest, "1000,60000"},
		"version 1.1":       {rawFrame("CONNECT", nil, "accept-version:1.1,1.0", "endpoint-id:os::1"), "1.1", dest, "1000,60000"},
		"no endpoint-id":    {rawFrame("STOMP", nil, "accept-version:1.2", "host:x"), "1.2", "", "1000,60000"},
		"CR LF":             {[]byte("STOMP\r\naccept-version:1.2\r\nendpoint-id:os::1\r\n\r\n\x00"), "1.2", dest, "1000,60000"},
		"line ends before":  {append([]byte("\n\r\n"), rawFrame("STOMP", nil, "accept-version:1.2", "endpoint-id:os::1")...), "1.2", dest, "1000,60000"},
		"first value":       {rawFrame("STOMP", nil, "accept-version:1.2", "endpoint-id:os::1", "endpoint-id:os::2"), "1.2", dest, "1000,60000"},
		"undefined escapes": {rawFrame("STOMP", nil, "accept-version:1.2", `passcode:a\tb`, "endpoint-id:os::1"), "1.2", dest, "1000,60000"},
		"heart-beat":        {rawFrame("STOMP", nil, "accept-version:1.2", "heart-beat:500,99999", "endpoint-id:os::1"), "1.2", dest, "1000,60000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, addr)
			p.write(tt.frame)
			f := p.want("CONNECTED")
			if f.headers["version"] != tt.version || f.headers["heart-beat"] != tt.beat ||
				f.headers["session"] == "" || f.headers["server"] != "uspgate" {
				t.Errorf("CONNECTED: got %q", f.raw)
			}
			if got, ok := f.headers["subscribe-dest"]; got != tt.dest || ok != (tt.dest != "") {
				t.Errorf("subscribe-dest: got %q, want %q", got, tt.dest)
			}
		})
	}
}

func TestConnectRefused(t *testing.T) {
	t.Parallel()
	auth := func(l stomp.Login) (mtp.Identity, error) {
		switch {
		case l.Password == "busy":
			return mtp.Identity{}, mtp.ErrBusy
		case l.Username != "u:1" || l.Password != `p\c:`:
			return mtp.Identity{}, errors.New("wrong")
		}
		return mtp.Identity{Method: "password", IDs: []usp.EndpointID{"os::1"}, Name: l.Username}, nil
	}
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent, Auth: auth}, hub)
	good := []string{"accept-version:1.2", "login:u:1", `passcode:p\c:`}
	tests := map[string]struct {
		frame []byte
		text  string
	}{
		"version 1.0":          {rawFrame("CONNECT", nil, "login:u:1", `passcode:p\c:`), "versions"},
		"version 2.0":          {rawFrame("STOMP", nil, "accept-version:2.0"), "versions"},
		"no login":             {rawFrame("STOMP", nil, "accept-version:1.2"), "passcode is wrong"},
		"wrong passcode":       {rawFrame("STOMP", nil, "accept-version:1.2", "login:u:1", "passcode:p::"), "passcode is wrong"},
		"busy":                 {rawFrame("STOMP", nil, "accept-version:1.2", "login:u:1", "passcode:busy"), "try again later"},
		"another's Endpoint":   {rawFrame("STOMP", nil, append(good, "endpoint-id:os::2")...), "not allowed"}, // [R-SEC.4c]
		"long endpoint-id":     {rawFrame("STOMP", nil, append(good, "endpoint-id:"+strings.Repeat("e", 600))...), "too long"},
		"heart-beat alone":     {rawFrame("STOMP", nil, append(good, "heart-beat:1000")...), "heart-beat"},
		"heart-beat of three":  {rawFrame("STOMP", nil, append(good, "heart-beat:1,2,3")...), "heart-beat"},
		"negative heart-beat":  {rawFrame("STOMP", nil, append(good, "heart-beat:-1,2")...), "heart-beat"},
		"heart-beat of commas": {rawFrame("STOMP", nil, append(good, "heart-beat:,")...), "heart-beat"},
		"not the first frame":  {sendFrame(record(agent, controller, 1)), "neither STOMP nor CONNECT"},
		"a body":               {rawFrame("STOMP", []byte("body"), append(good, "content-length:4")...), "body"},
		"HTTP":                 {[]byte("GET / HTTP/1.1\r\n\r\n"), "command"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, addr)
			p.write(tt.frame)
			f := p.wantError(tt.text)
			if v := f.headers["version"]; strings.HasPrefix(name, "version") != (v == "1.1,1.2") {
				t.Errorf("version: got %q", v)
			}
		})
	}
	p := dial(t, addr)
	p.write(rawFrame("STOMP", nil, good...), subscribeFrame("0", agentDest("os::1")))
	if got := p.want("CONNECTED").headers["subscribe-dest"]; got != agentDest("os::1") {
		t.Errorf("subscribe-dest: got %q, want that of the authenticated", got)
	}
	got := hub.Link().Peer
	if got.Endpoint != "os::1" || got.Identity.Name != "u:1" || got.Role != usp.RoleAgent || !got.Loopback ||
		got.Kind != mtp.STOMP || got.Listener != "stomp" {
		t.Errorf("Peer: got %+v", got)
	}
}

// TestSubscribe: who may listen where [R-STOMP.34].
func TestSubscribe(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{LinkOptions: stomp.LinkOptions{Order: 7}}, hub)
	const me = usp.EndpointID("os::me")
	tests := map[string]struct {
		claim, dest string
		refused     bool
		role        usp.Role
	}{
		"own as Agent, as offered":  {string(me), agentDest(me), false, usp.RoleUnknown},
		"own as Controller":         {string(me), controllerDest(me), false, usp.RoleController},
		"own by configuration":      {string(me), "/queue/agent-1", false, usp.RoleUnknown},
		"another Agent's":           {string(me), agentDest("os::other"), true, 0},
		"another Controller's":      {string(me), controllerDest("os::other"), true, 0},
		"claimed as an Agent":       {"", agentDest(me), false, usp.RoleAgent},
		"claimed as a Controller":   {"", controllerDest(me), false, usp.RoleController},
		"nobody, by configuration":  {"", "/queue/agent-1", false, usp.RoleUnknown},
		"another's, escaped colons": {string(me), "/queue/usp.v1.agent.os::another:one", true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { // one after the other, to know whose Link it is
			p := dial(t, addr)
			first := rawFrame("STOMP", nil, "accept-version:1.2")
			if tt.claim != "" {
				first = connectFrame(usp.EndpointID(tt.claim))
			}
			p.write(first, subscribeFrame("a:0", tt.dest, "receipt:r:1"))
			p.want("CONNECTED")
			if tt.refused {
				p.wantError("another Endpoint")
				return
			}
			if got := p.want("RECEIPT").headers["receipt-id"]; got != `r\c1` {
				t.Errorf(`receipt-id: got %q, want r\c1`, got)
			}
			link := hub.Link()
			if got := link.Peer; got.Role != tt.role || got.Order != 7 {
				t.Errorf("Peer: got %+v, want role %v", got, tt.role)
			}
			link.Send(record(controller, me, 1), mtp.Hint{})
			f := p.want("MESSAGE")
			if f.headers["subscription"] != `a\c0` || f.headers["destination"] != escape(tt.dest) {
				t.Errorf("MESSAGE: got %q, want to %q", f.raw, tt.dest)
			}
		})
	}
}

// TestMessage is a MESSAGE to the byte [R-STOMP.18 to R-STOMP.23].
func TestMessage(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	for i, size := range []int{0, 1000, 100_000} {
		rec := mtptest.Record(controller, agent, "down", size)
		link.Send(rec, mtp.Hint{Destination: "/queue/somewhere/else"})
		f := p.want("MESSAGE")
		want := "MESSAGE\nsubscription:0\ndestination:/queue/usp.v1.agent.os\\c\\c00D09E-agent-1\n" +
			"content-type:application/vnd.bbf.usp.msg\n" +
			"reply-to-dest:/queue/usp.v1.controller.self\\c\\ccontroller\n" +
			fmt.Sprintf("message-id:%d\ncontent-length:%d\n\n", i, len(rec))
		if f.raw != want {
			t.Errorf("MESSAGE: got %q, want %q", f.raw, want)
		}
		if !bytes.Equal(f.body, rec) {
			t.Errorf("body %d: it has changed", i)
		}
	}
}

// TestSend: what a SEND may look like, and that its to_id counts, not its
// destination.
func TestSend(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	rec := record(agent, controller, 1)
	length := fmt.Sprintf("content-length:%d", len(rec))
	tests := map[string]struct {
		frame   []byte
		replyTo string
	}{
		"as in the field":   {sendFrame(rec), agentDest(agent)},
		"another content":   {rawFrame("SEND", rec, "destination:/x", "content-type:text/plain", length), ""},
		"nothing but that":  {rawFrame("SEND", rec, length), ""},
		"no content-length": {rawFrame("SEND", rec, `reply-to-dest:a\c\\\n\r`), "a:\\\n\r"},
		"CR LF":             {append([]byte("SEND\r\nreply-to-dest:/queue/a\r\n"+length+"\r\n\r\n"), append(slices.Clone(rec), 0)...), "/queue/a"},
		"spaces":            {rawFrame("SEND", rec, "reply-to-dest: a ", length), " a "},
		"further headers":   {rawFrame("SEND", rec, "x:y", `z\c:1`, length, "reply-to-dest:1", "reply-to-dest:2"), "1"},
	}
	for name, tt := range tests {
		p.write(tt.frame)
		got := link.Next()
		if !bytes.Equal(got.Record.Bytes(), rec) || got.Hint.ReplyTo != tt.replyTo {
			t.Errorf("%s: got %q with reply to %q, want it to %q", name, got.Record.Bytes(), got.Hint.ReplyTo, tt.replyTo)
		}
	}
}

// TestDropped: a Record that does not parse is dropped and its receipt given;
// the connection goes on [R-MTP.5].
func TestDropped(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	p.write(sendFrame([]byte("no Record"), "receipt:1"), sendFrame(nil, "receipt:2"), sendFrame(record(agent, controller, 1)))
	for _, want := range []string{"1", "2"} {
		if got := p.want("RECEIPT").headers["receipt-id"]; got != want {
			t.Errorf("receipt-id: got %q, want %q", got, want)
		}
	}
	link.Next()
}

// TestReceipts: that of a SEND is written when the router has settled it, in
// the order of arrival; that of an outcome that may change is not.
func TestReceipts(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.Hold, hub.Window = true, 8
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	for i := range 4 {
		p.write(sendFrame(record(agent, controller, i), fmt.Sprintf("receipt:r%d", i)))
	}
	p.write(sendFrame(record(agent, controller, 4)))
	tokens := make([]mtp.Token, 5)
	for i := range tokens {
		tokens[i] = link.Next().Token
	}
	// A SUBSCRIBE does not wait for them.
	p.write(subscribeFrame("9", "/queue/more", "receipt:sub"))
	if got := p.want("RECEIPT").headers["receipt-id"]; got != "sub" {
		t.Fatalf("receipt-id: got %q, want sub", got)
	}
	link.Link.Ack(tokens[2], mtp.ErrUnroutable)
	link.Link.Ack(tokens[1], mtp.ErrForbidden)
	p.write(subscribeFrame("10", "/queue/more", "receipt:sub2"))
	if got := p.want("RECEIPT").headers["receipt-id"]; got != "sub2" {
		t.Fatalf("receipt-id: got %q, want sub2: the oldest is not settled", got)
	}
	link.Link.Ack(tokens[0], nil)
	for _, want := range []string{"r0", "r1", "r2"} {
		if got := p.want("RECEIPT").headers["receipt-id"]; got != want {
			t.Fatalf("receipt-id: got %q, want %q", got, want)
		}
	}
	link.Link.Ack(tokens[4], mtp.ErrBusy) // has not asked: nothing is told
	link.Link.Ack(tokens[3], mtp.ErrBusy)
	if f, err := p.next(); err == nil {
		t.Fatalf("got %q, want the end without a word", f.raw)
	}
	if err := link.WaitDown(); !errors.Is(err, mtp.ErrBusy) {
		t.Errorf("cause: got %v, want %v", err, mtp.ErrBusy)
	}
	link.Release(0, nil)
}

// TestDisconnect: the RECEIPT of DISCONNECT comes last, and the end is orderly.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	for name, receipt := range map[string]bool{"with receipt": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := mtptest.NewRecorder(t)
			hub.Hold, hub.Window = receipt, 8
			addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
			p := agentPeer(t, addr, agent)
			link := hub.Link()
			if !receipt {
				p.write(rawFrame("DISCONNECT", nil))
			} else {
				p.write(sendFrame(record(agent, controller, 1), "receipt:1"), rawFrame("DISCONNECT", nil, "receipt:77"),
					sendFrame(record(agent, controller, 2)))
				token := link.Next().Token
				link.Link.Ack(token, nil)
				for _, want := range []string{"1", "77"} {
					if got := p.want("RECEIPT").headers["receipt-id"]; got != want {
						t.Errorf("receipt-id: got %q, want %q", got, want)
					}
				}
			}
			p.wantEnd()
			_ = p.Close()
			if err := link.WaitDown(); err != nil {
				t.Errorf("cause: got %v, want nil", err)
			}
		})
	}
}

// TestUnsubscribe: Records wait while there is no subscription; heart-beats and
// receipts do not [R-STOMP.28, R-STOMP.29].
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	p.write(rawFrame("UNSUBSCRIBE", nil, "id:0", "receipt:u"))
	p.want("RECEIPT")
	token := link.Send(record(controller, agent, 1), mtp.Hint{})
	p.write(sendFrame(record(agent, controller, 1), "receipt:s"))
	link.Next()
	if got := p.want("RECEIPT").headers["receipt-id"]; got != "s" {
		t.Errorf("receipt-id: got %q, want s", got)
	}
	p.write(subscribeFrame("new", "/queue/new"))
	if f := p.want("MESSAGE"); f.headers["destination"] != "/queue/new" || f.headers["subscription"] != "new" {
		t.Errorf("MESSAGE: got %q, want to /queue/new", f.raw)
	}
	if got := link.Settlement(); got.Token != token || got.Err != nil {
		t.Errorf("Settled: got %+v, want %d", got, token)
	}
}

// TestFirstRecord: a client that sends before it subscribes is up, and what is
// for it waits.
func TestFirstRecord(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{}, hub)
	p := dial(t, addr)
	rec := usp.NewSTOMPConnect(agent, controller, agentDest(agent))
	p.write(connectFrame(agent), sendFrame(rec.Bytes()))
	p.want("CONNECTED")
	link := hub.Link()
	if link.Peer.Role != usp.RoleAgent {
		t.Errorf("Role: got %v, want that of a Connect Record", link.Peer.Role)
	}
	link.Next()
	link.Send(record(controller, agent, 1), mtp.Hint{})
	p.write(subscribeFrame("0", agentDest(agent), "receipt:sub"))
	p.want("RECEIPT")
	p.want("MESSAGE")
}

// TestRoles: the destination of a SEND tells the role of its sender, if nothing
// better has.
func TestRoles(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{}, hub)
	p := dial(t, addr)
	p.write(connectFrame(controller), subscribeFrame("0", "/queue/c", "receipt:sub"))
	p.want("CONNECTED")
	p.want("RECEIPT")
	link := hub.Link()
	if link.Peer.Role != usp.RoleUnknown {
		t.Fatalf("Role: got %v, want unknown", link.Peer.Role)
	}
	rec := record(controller, agent, 1)
	p.write(rawFrame("SEND", rec, "destination:"+escape(agentDest(agent)), fmt.Sprintf("content-length:%d", len(rec))))
	link.Next()
	if _, ok := link.Bound()[usp.Address{ID: controller, Role: usp.RoleController}]; !ok {
		t.Errorf("Bound: got %v, want the Controller", link.Bound())
	}
	link.Send(record(agent, controller, 1), mtp.Hint{})
	if got := p.want("MESSAGE").headers["reply-to-dest"]; got != escape(agentDest(agent)) {
		t.Errorf("reply-to-dest: got %q, want the Agent's", got)
	}
}

// TestTrunk: a shared Link speaks for many, and takes each at its destination.
func TestTrunk(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{Patterns: []string{"os::00D09E-*"}}, Role: usp.RoleAgent, Shared: true,
	}, hub)
	p := dial(t, addr)
	p.write(connectFrame("self::gw"), subscribeFrame("1", agentDest(agent)), subscribeFrame("2", agentDest(mtptest.Neighbour), "receipt:2"))
	p.want("CONNECTED")
	p.want("RECEIPT")
	link := hub.Link()
	if got := link.Peer; !got.Shared || !slices.Equal(got.Identity.Patterns, []string{"os::00D09E-*"}) ||
		got.Identity.Any || !got.Identity.Allows("self::gw") {
		t.Errorf("Peer: got %+v", got)
	}
	for id, sub := range map[usp.EndpointID]string{agent: "1", mtptest.Neighbour: "2"} {
		link.Send(record(controller, id, 1), mtp.Hint{})
		if got := p.want("MESSAGE").headers["subscription"]; got != sub {
			t.Errorf("subscription for %s: got %q, want %q", id, got, sub)
		}
	}
	p.write(subscribeFrame("3", agentDest("os::FFFFFF-1")))
	p.wantError("another Endpoint")
}

// TestBounds: what a peer can make large or slow.
func TestBounds(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{
			HandshakeTimeout: 300 * time.Millisecond, FrameTimeout: 300 * time.Millisecond, MaxRecord: 100_000,
			CloseTimeout: 100 * time.Millisecond,
		},
		Role: usp.RoleAgent, MaxSubscriptions: 2,
	}, hub)
	long := strings.Repeat("x", 100_001)
	tests := map[string]struct {
		connected bool
		input     []byte
		text      string // of the ERROR; "": none
		cause     error
	}{
		"says nothing":             {false, nil, "", nil},
		"half a command":           {false, []byte("STO"), "", nil},
		"half a STOMP frame":       {false, []byte("STOMP\naccept-version:1.2\n"), "", nil},
		"half a command, later":    {true, []byte("SEN"), "", nil},
		"half a header":            {true, []byte("SEND\ndestination:/queue"), "", nil},
		"half a body":              {true, []byte("SEND\ncontent-length:100\n\nbody"), "", nil},
		"half a large body":        {true, []byte("SEND\ncontent-length:90000\n\nbody"), "", nil},
		"half a body of no length": {true, []byte("SEND\n\nbody"), "", nil},
		"too large a body":         {true, []byte("SEND\ncontent-length:100001\n\n"), "larger than 100000", mtp.ErrTooLarge},
		"too large, no length":     {true, []byte("SEND\n\n" + long), "larger than 100000", mtp.ErrTooLarge},
		"too many subscriptions":   {true, slices.Concat(subscribeFrame("1", "a"), subscribeFrame("2", "b")), "too many", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { // one after the other, to know whose Link it is
			var p *peer
			var link *mtptest.Port
			if tt.connected {
				p = agentPeer(t, addr, agent)
				link = hub.Link()
			} else {
				p = dial(t, addr)
			}
			p.write(tt.input)
			if tt.text == "" {
				p.wantEnd()
			} else {
				p.wantError(tt.text)
			}
			if link == nil {
				return
			}
			if err := link.WaitDown(); err == nil || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("cause: got %v, want %v", err, tt.cause)
			}
		})
	}
}

// TestSlowBody: one that comes on has the time that it needs, in pieces of 64
// KiB.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{FrameTimeout: 400 * time.Millisecond}, Role: usp.RoleAgent,
	}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	rec := mtptest.Record(agent, controller, "slow", 500_000)
	frame := sendFrame(rec)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for len(frame) > 0 {
		n := min(len(frame), 70_000)
		p.write(frame[:n])
		frame = frame[n:]
		<-ticker.C
	}
	if got := link.Next(); !bytes.Equal(got.Record.Bytes(), rec) {
		t.Error("the Record has changed")
	}
}

// TestConnections: one too many is closed at once, and a place that was given
// back can be used.
func TestConnections(t *testing.T) {
	t.Parallel()
	addr := serve(t, stomp.ServerOptions{MaxConnections: 1}, mtptest.NewRecorder(t))
	p := agentPeer(t, addr, agent)
	dial(t, addr).wantEnd()
	p.write(rawFrame("DISCONNECT", nil))
	p.wantEnd()
	deadline := time.Now().Add(mtptest.Timeout)
	for {
		again := dial(t, addr)
		again.write(connectFrame(agent))
		if _, err := again.next(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no place was given back")
		}
	}
}

// TestBitByBit: frames may come in any pieces.
func TestBitByBit(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	small, large := record(agent, controller, 1), mtptest.Record(agent, controller, "large", 40_000)
	input := slices.Concat([]byte("\n"), sendFrame(small), []byte("\r\n"), rawFrame("SEND", small), sendFrame(small), sendFrame(large), sendFrame(small))
	for _, size := range []int{1, 7, 100, 127, 128, 129, 5000, 16384, len(input)} {
		r := bytes.NewReader(input)
		buf := make([]byte, size)
		for {
			n, err := r.Read(buf)
			if err == io.EOF {
				break
			}
			p.write(buf[:n])
		}
		for i, want := range [][]byte{small, small, small, large, small} {
			if got := link.Next(); !bytes.Equal(got.Record.Bytes(), want) {
				t.Fatalf("pieces of %d, Record %d: it has changed", size, i)
			}
		}
	}
}
