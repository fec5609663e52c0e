// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

const bindSpace = "urn:ietf:params:xml:ns:xmpp-bind"

// bindAnswer is what the server says to bind.
type bindAnswer struct {
	Type string `xml:"type,attr"`
	ID   string `xml:"id,attr"`
	JID  string `xml:"urn:ietf:params:xml:ns:xmpp-bind bind>jid"`
}

// bindResource asks for the resource of our JID [RFC 6120 7]. BindResource of
// mellium v0.22.0 always asks for an empty one, and a CPE that allows our full JID
// only would refuse what comes from another.
func bindResource() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: bindSpace, Local: "bind"},
		Necessary:  xmpp.Authn,
		Prohibited: xmpp.Ready,
		Parse: func(_ context.Context, d *xml.Decoder, _ *xml.StartElement) (bool, any, error) {
			return true, nil, d.Skip()
		},
		Negotiate: func(_ context.Context, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			self, err := bind(s)
			if err != nil {
				return 0, nil, fmt.Errorf("bind: %w", err)
			}
			s.UpdateAddr(self)
			return xmpp.Ready, nil, nil
		},
	}
}

// bind returns the full JID that the server gives.
func bind(s *xmpp.Session) (jid.JID, error) {
	var resource xml.TokenReader
	if r := s.LocalAddr().Resourcepart(); r != "" {
		resource = xmlstream.Wrap(xmlstream.Token(xml.CharData(r)), xml.StartElement{Name: xml.Name{Local: "resource"}})
	}
	iq := stanza.IQ{XMLName: xml.Name{Space: stanza.NSClient, Local: "iq"}, ID: rand.Text(), Type: stanza.SetIQ}
	request := iq.Wrap(xmlstream.Wrap(resource, xml.StartElement{Name: xml.Name{Space: bindSpace, Local: "bind"}}))
	w := s.TokenWriter()
	defer func() { _ = w.Close() }()
	if _, err := xmlstream.Copy(w, request); err != nil {
		return jid.JID{}, err
	}
	if err := w.Flush(); err != nil {
		return jid.JID{}, err
	}
	r := s.TokenReader()
	defer func() { _ = r.Close() }()
	var a bindAnswer
	if err := xml.NewTokenDecoder(r).Decode(&a); err != nil {
		return jid.JID{}, err
	}
	if a.Type != string(stanza.ResultIQ) || a.ID != iq.ID {
		return jid.JID{}, errors.New("the server gives no resource")
	}
	return jid.Parse(a.JID)
}
