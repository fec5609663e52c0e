// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// connectionRequest is what the CPE is sent [TR-069 K.2.3.1].
type connectionRequest struct {
	XMLName  xml.Name `xml:"urn:broadband-forum-org:cwmp:xmppConnReq-1-0 connectionRequest"`
	Username string   `xml:"username"`
	Password string   `xml:"password"`
}

// ping is what the server is sent [XEP-0199].
type ping struct {
	XMLName xml.Name `xml:"urn:xmpp:ping ping"`
}

// answer is an IQ of type result or error.
type answer struct {
	Type  string `xml:"type,attr"`
	Error struct {
		Code       string `xml:"code,attr"`
		Conditions []struct {
			XMLName xml.Name
		} `xml:",any"`
	} `xml:"error"`
}

// Reaches reports whether the CPE has a JID.
func (c *Client) Reaches(p *connreq.CPE) bool { return p.JID != "" }

// Request sends the CPE a Connection Request and waits for its answer. Where a
// connection was just lost it waits for the next. Errors wrap connreq.ErrCredentials where
// the CPE refuses the login or our JID, ErrInSession where it is busy,
// ErrUnreachable where it is offline or silent, ErrForbidden where its JID is none
// or of another domain, ErrAnswer else; or they are the cause of ctx.
func (c *Client) Request(ctx context.Context, p *connreq.CPE, l connreq.Login) (string, error) {
	to, err := jid.Parse(strings.TrimSpace(p.JID))
	if err != nil {
		return p.JID, fmt.Errorf("%w: %q is not a JID", connreq.ErrForbidden, p.JID)
	}
	if !c.domains[to.Domainpart()] {
		return p.JID, fmt.Errorf("%w: domain %q", connreq.ErrForbidden, to.Domainpart())
	}
	within, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	k, err := c.current(within)
	if err == nil {
		var a *answer
		a, err = k.ask(within, stanza.IQ{Type: stanza.GetIQ, To: to},
			&connectionRequest{Username: l.Username, Password: l.Password})
		if err == nil {
			err = a.outcome()
		}
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("connreq/xmpp: %w", context.Cause(ctx))
	}
	return to.String(), err
}

// ask sends an IQ and waits for the answer to it.
func (k *connection) ask(ctx context.Context, iq stanza.IQ, payload any) (*answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(k.ended, cancel) //nolint:contextcheck // mellium waits for ctx only
	defer stop()
	iq.ID = rand.Text() // whoever guesses it could answer in the name of another
	r, err := k.session.EncodeIQElement(ctx, payload, iq)
	if err != nil {
		if !errors.Is(err, ctx.Err()) || ctx.Err() == nil {
			k.end(err) // written in part, perhaps: the stream is of no use any more
		}
		return nil, fmt.Errorf("%w: no answer: %w", connreq.ErrUnreachable, err)
	}
	defer func() { _ = r.Close() }()
	var a answer
	if err := xml.NewTokenDecoder(r).Decode(&a); err != nil {
		return nil, fmt.Errorf("%w: %w", connreq.ErrAnswer, err)
	}
	k.bytes.refill()
	return &a, nil
}

// outcome is the error that the answer stands for, nil if there is none.
func (a *answer) outcome() error {
	if a.Type == "result" {
		return nil
	}
	condition := "undefined-condition"
	for _, c := range a.Error.Conditions {
		if c.XMLName.Space == "urn:ietf:params:xml:ns:xmpp-stanzas" && c.XMLName.Local != "text" {
			condition = c.XMLName.Local
			break
		}
	}
	switch condition {
	case "not-authorized", "forbidden":
		return fmt.Errorf("%w: %s", connreq.ErrCredentials, condition)
	case "service-unavailable":
		// A CPE in a session says so, with code 503 [TR-069 K.2.3.3]; and so says the
		// server for one that is offline, without.
		if a.Error.Code == "503" {
			return fmt.Errorf("%w: %s", connreq.ErrInSession, condition)
		}
		return fmt.Errorf("%w: offline, or busy", connreq.ErrUnreachable)
	case "recipient-unavailable", "item-not-found", "gone", "remote-server-not-found", "remote-server-timeout":
		return fmt.Errorf("%w: %s", connreq.ErrUnreachable, condition)
	default:
		return fmt.Errorf("%w: %.100s", connreq.ErrAnswer, condition)
	}
}
