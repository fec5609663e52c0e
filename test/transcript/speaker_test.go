// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// patience is how long an answer or a Notify may take.
const patience = 20 * time.Second

// me is the Controller.
const me usp.EndpointID = "self::transcript"

// said is a Message from the Agent, with the version of its Record.
type said struct {
	msg     *uspmsg.Msg
	version string
}

// speaker is a Controller that sends what a conversation says, correct or not.
type speaker struct {
	t        *testing.T
	node     *endpoint.Node
	to       usp.EndpointID
	device   func(path, value string) error
	answers  chan said
	notifies chan said

	version string
	count   int
	last    []byte // payload
	lastID  string
	named   named
}

// newSpeaker connects a Controller over "ws" or "mqtt".
func newSpeaker(t *testing.T, gw *harness.Gateway, via string, to usp.EndpointID) *speaker {
	t.Helper()
	s := &speaker{
		t: t, to: to, answers: make(chan said, 64), notifies: make(chan said, 256), version: usp.Version,
	}
	s.named.add(fileServer(t), "$files")
	s.node = endpoint.NewNode(endpoint.Options{ID: me, Receive: s.receive})
	var tr mtp.Transport
	var err error
	if via == "ws" {
		tr, err = ws.NewClient(ws.ClientOptions{URL: gw.WS(), Endpoint: me, Role: usp.RoleAgent, Shared: true})
	} else {
		tr, err = mqtt.NewClient(mqtt.ClientOptions{URL: gw.MQTT(), Endpoint: me, Role: usp.RoleController})
	}
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "controller", func(ctx context.Context) error { return tr.Run(ctx, s.node) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := s.link(ctx); err != nil { // an Agent that comes later can show itself
		t.Fatal(err)
	}
	return s
}

// link waits for the Link to the gateway.
func (s *speaker) link(ctx context.Context) (*endpoint.Link, mtp.Hint, error) {
	for {
		l, hint, changed := s.node.Route(s.to)
		if l != nil {
			return l, hint, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, mtp.Hint{}, fmt.Errorf("no Link: %w", ctx.Err())
		}
	}
}

// fileServer runs a server for files, and returns its URL.
func fileServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(serveFile))
	t.Cleanup(s.Close)
	return s.URL
}

// serveFile has every file, and takes every file.
func serveFile(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		_, _ = io.Copy(io.Discard, r.Body) // what the device sends is its own affair
		return
	}
	_, _ = io.WriteString(w, "firmware")
}

func (s *speaker) receive(l *endpoint.Link, rec usp.Record, hint mtp.Hint) {
	h := rec.Header()
	s.node.Learn(h.From, l, hint.ReplyTo)
	m := &uspmsg.Msg{}
	if h.Type != usp.RecordNoSession || proto.Unmarshal(h.Payload, m) != nil {
		return
	}
	n := m.GetBody().GetRequest().GetNotify()
	if n == nil {
		s.answers <- said{m, strings.Clone(h.Version)}
		return
	}
	s.notifies <- said{m, strings.Clone(h.Version)}
	if !n.GetSendResp() {
		return
	}
	payload, err := proto.Marshal(&uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: m.GetHeader().GetMsgId(), MsgType: uspmsg.Header_NOTIFY_RESP},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: &uspmsg.Response{
			RespType: &uspmsg.Response_NotifyResp{NotifyResp: &uspmsg.NotifyResp{SubscriptionId: n.GetSubscriptionId()}},
		}}},
	})
	if err != nil {
		s.t.Error(err)
		return
	}
	l.Send(usp.NewNoSession(me, s.to, s.version, payload), mtp.Hint{Destination: hint.ReplyTo}, nil)
}

// await waits until the Agent has shown itself.
func (s *speaker) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		known, changed := s.node.Known(s.to)
		if known {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s did not show itself: %w", s.to, ctx.Err())
		}
	}
}

// send sends a payload once there is a Link.
func (s *speaker) send(ctx context.Context, payload []byte) error {
	l, hint, err := s.link(ctx)
	if err != nil {
		return err
	}
	l.Send(usp.NewNoSession(me, s.to, s.version, payload), hint, func(err error) {
		if err != nil {
			s.t.Errorf("send: %v", err)
		}
	})
	return nil
}

// hold says all that the conversation does and returns what the Agent said to each
// step.
func (s *speaker) hold(ctx context.Context, c *conversation) []string {
	s.t.Helper()
	out := make([]string, len(c.steps))
	for i, step := range c.steps {
		ctx, cancel := context.WithTimeout(ctx, patience)
		text, err := s.step(ctx, step)
		cancel()
		if err != nil {
			s.t.Fatalf("%s: %v", step.line, err)
		}
		out[i] = text
	}
	if n := len(s.notifies); n > 0 {
		s.t.Errorf("got %d Notifies that nobody awaits, the first is\n%s", n, s.canon(<-s.notifies))
	}
	if n := len(s.answers); n > 0 {
		s.t.Errorf("got %d answers that nobody awaits, the first is\n%s", n, s.canon(<-s.answers))
	}
	return out
}

func (s *speaker) step(ctx context.Context, st *step) (string, error) {
	words := make([]string, len(st.words))
	for i, w := range st.words {
		words[i] = s.named.show(w)
	}
	if strings.HasPrefix(st.line, "do>") {
		return s.do(ctx, words)
	}
	payload, id, err := s.payload(words)
	if err != nil {
		return "", err
	}
	s.last, s.lastID = payload, id
	if err := s.send(ctx, payload); err != nil {
		return "", err
	}
	silent := slices.Contains(silences(), words[0]) || slices.Contains(words, "quiet")
	if silent { // what there is of an answer comes before that of the next Request
		return s.silence(ctx)
	}
	a, err := s.answer(ctx, id)
	if err != nil {
		return "", err
	}
	if st.name != "" {
		s.name(st.name, a.msg)
	}
	return s.canon(a), nil
}

func (s *speaker) nextID() string {
	s.count++
	return "t" + strconv.Itoa(s.count)
}

// answer waits for the answer with a msg_id.
func (s *speaker) answer(ctx context.Context, id string) (said, error) {
	select {
	case a := <-s.answers:
		if got := a.msg.GetHeader().GetMsgId(); got != id {
			return a, fmt.Errorf("got an answer with msg_id %s, want %s:\n%s", got, id, s.canon(a))
		}
		return a, nil
	case <-ctx.Done():
		return said{}, errors.New("got no answer")
	}
}

// silence asks something else, and returns what was answered before that.
func (s *speaker) silence(ctx context.Context) (string, error) {
	payload, id, err := s.payload([]string{"GetSupportedProtocol"})
	if err != nil {
		return "", err
	}
	if err := s.send(ctx, payload); err != nil {
		return "", err
	}
	text := ""
	for {
		select {
		case a := <-s.answers:
			if a.msg.GetHeader().GetMsgId() == id {
				if text == "" {
					text = "nothing\n"
				}
				return text, nil
			}
			text += s.canon(a)
		case <-ctx.Done():
			return "", errors.New("got no answer to what came after it")
		}
	}
}

func (s *speaker) do(ctx context.Context, words []string) (string, error) {
	switch words[0] {
	case "await":
		n, err := strconv.Atoi(words[1])
		if err != nil {
			return "", err
		}
		var texts []string
		for range n {
			select {
			case m := <-s.notifies:
				texts = append(texts, s.canon(m))
			case <-ctx.Done():
				return "", fmt.Errorf("got %d Notifies, want %d:\n%s", len(texts), n, strings.Join(texts, ""))
			}
		}
		slices.Sort(texts)
		return strings.Join(texts, ""), nil
	case "device":
		return "", s.device(words[1], words[2])
	case "version":
		s.version = words[1]
		return "", nil
	default:
		return "", fmt.Errorf("unknown word %s", words[0])
	}
}

// name remembers the first path that an answer has made.
func (s *speaker) name(name string, m *uspmsg.Msg) {
	var p string
	for _, r := range m.GetBody().GetResponse().GetAddResp().GetCreatedObjResults() {
		if p = r.GetOperStatus().GetOperSuccess().GetInstantiatedPath(); p != "" {
			break
		}
	}
	for _, r := range m.GetBody().GetResponse().GetOperateResp().GetOperationResults() {
		if r.GetReqObjPath() != "" {
			p = strings.TrimSuffix(r.GetReqObjPath(), ".") + "."
		}
	}
	if p == "" {
		s.t.Fatalf("%s: nothing was made:\n%s", name, s.canon(said{m, s.version}))
	}
	s.named.add(p, name)
}

// canon is the text of a Message, and that of the version of its Record where it is not
// the newest.
func (s *speaker) canon(a said) string {
	text := s.named.hide(canon(a.msg))
	if a.version != usp.Version {
		text = "version " + a.version + "\n" + text
	}
	return text
}
