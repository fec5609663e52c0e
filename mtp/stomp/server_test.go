// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

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
	crlf := append([]byte("SEND\r\nreply-to-dest:/queue/a\r\n"+length+"\r\n\r\n"), append(slices.Clone(rec), 0)...)
	tests := map[string]struct {
		frame   []byte
		replyTo string
	}{
		"as in the field":   {sendFrame(rec), ""}, // it is where everything for the client goes
		"another content":   {rawFrame("SEND", rec, "destination:/x", "content-type:text/plain", length), ""},
		"nothing but that":  {rawFrame("SEND", rec, length), ""},
		"no content-length": {rawFrame("SEND", rec, `reply-to-dest:a\c\\\n\r`), "a:\\\n\r"},
		"CR LF":             {crlf, "/queue/a"},
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
	p.write(sendFrame([]byte("no Record"), "receipt:1"), sendFrame(nil, "receipt:2"),
		sendFrame(record(agent, controller, 1)))
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
