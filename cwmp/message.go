// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// Message is the RPC element in the Body of an envelope.
type Message interface {
	// Method is the local name of the element: "Inform", "InformResponse",
	// "Fault".
	Method() string
}

// Request is a Message that calls a method of the other side.
type Request interface {
	Message
	isRequest()
}

// Response is a Message that answers a Request: the method's own response or
// a *Fault.
type Response interface {
	Message
	isResponse()
}

// The Namespaces of CWMP 1.0, 1.1 and 1.2; versions 1.3 and 1.4 use that of
// 1.2.
const (
	Namespace10 = "urn:dslforum-org:cwmp-1-0"
	Namespace11 = "urn:dslforum-org:cwmp-1-1"
	Namespace12 = "urn:dslforum-org:cwmp-1-2"
)

// Envelope is one SOAP envelope. The header NoMoreRequests of the first version
// of CWMP has no field: it is ignored on input and never sent [quirk 6].
type Envelope struct {
	// Namespace is the cwmp namespace as found, echoed in every answer of the
	// session. Empty on output means Namespace10.
	Namespace string
	// ID is the header element of that name; NoID is true if there was none,
	// and keeps an answer from having one.
	ID   string
	NoID bool
	// HoldRequests is sent by an ACS only.
	HoldRequests bool
	// SessionTimeout in seconds, 0 if absent; in an Inform only.
	SessionTimeout uint32
	// SupportedVersions is the text of SupportedCWMPVersions; in an Inform only.
	SupportedVersions string
	// UseVersion is sent with an InformResponse only; see Negotiate.
	UseVersion string
	// Body is nil for an envelope with an empty Body.
	Body Message
}

// Unknown is a Request for a method that this package does not know; it is
// answered with Fault 8000 or 9000.
type Unknown struct{ Name string }

// Method returns the name as found.
func (u *Unknown) Method() string { return u.Name }
func (*Unknown) isRequest()       {}
func (*Unknown) isResponse()      {}
