// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/uspgate/uspgate/internal/inventory"
	"github.com/uspgate/uspgate/usp"
)

// Bounds of what /api/v1/devices shows at once.
const (
	DefaultDevices = 100
	MaxDevices     = 10_000
)

// Devices is what the API asks about CPE. A device is named by its identity,
// OUI-ProductClass-SerialNumber, or by the Endpoint ID of its Virtual Agent. Safe for
// concurrent use.
type Devices interface {
	// List returns one page, sorted by identity.
	List(ctx context.Context, f DeviceFilter) (DevicePage, error)
	// Show returns all of one; nil: it is neither known nor listed.
	Show(ctx context.Context, device string) (*DeviceDetail, error)
	// Values returns what is known of the parameters that a path of Device:2 means, at most
	// limit of them; the CPE is asked nothing. It returns nil for one that Show does not
	// know; an error may wrap ErrBadPath or be ErrElsewhere.
	Values(ctx context.Context, device, path string, limit int) (*DeviceValues, error)
	// Import takes a file in; nothing is kept with dry. One that is under way makes
	// another fail with ErrBusy.
	Import(ctx context.Context, file io.Reader, format inventory.Format, dry bool) (Imported, error)
	// ForgetLogin takes back the login of a CPE, Unlist everything that was imported of
	// it. They report whether there was any.
	ForgetLogin(ctx context.Context, device string) (bool, error)
	Unlist(ctx context.Context, device string) (bool, error)
	// Wake asks a CPE for a session, until one has come or ctx ends. It returns nil for
	// one that Show does not know.
	Wake(ctx context.Context, device string) (*Woken, error)
}

// The states of a Device.
const (
	StateSession  = "session"  // it has a session
	StateWaking   = "waking"   // it is being asked for one
	StateAsleep   = "asleep"   // neither
	StateExpected = "expected" // it was imported and has never come
)

// DeviceFilter chooses devices; the zero value is the first page of all.
type DeviceFilter struct {
	OUI, ProductClass string
	Serial            string // the beginning of it
	State             string
	Tag               string
	Quarantined       bool   // those only
	After             string // only those that come after this identity
	Limit             int
}

// DevicePage is the answer of /api/v1/devices.
type DevicePage struct {
	Devices []Device `json:"devices"`
	// Next is the parameter after of the next page; empty: there is none.
	Next string `json:"next,omitempty"`
}

// Device is a CPE.
type Device struct {
	ID           string         `json:"device"` // its identity
	EndpointID   usp.EndpointID `json:"endpoint_id"`
	Manufacturer string         `json:"manufacturer,omitempty"`
	OUI          string         `json:"oui"`
	ProductClass string         `json:"product_class,omitempty"`
	SerialNumber string         `json:"serial"`
	State        string         `json:"state"`
	Quarantined  bool           `json:"quarantined"`
	// LastInform is when its last session began, since this process runs.
	LastInform time.Time `json:"last_inform,omitzero"`
	Waiting    int       `json:"waiting"`         // RPCs that wait for a session
	Login      string    `json:"login,omitempty"` // imported or learned; empty: none of its own
	Tags       []string  `json:"tags,omitempty"`
}

// DeviceDetail is the answer of /api/v1/devices/show.
type DeviceDetail struct {
	Device

	SoftwareVersion string   `json:"software_version,omitempty"`
	Events          []string `json:"events,omitempty"` // of the last Inform
	Source          string   `json:"source,omitempty"` // address of the last session
	OnWire          string   `json:"on_wire,omitempty"`
	ParameterKey    string   `json:"parameter_key,omitempty"`
	// ACSLogin is how the CPE logs in, ConnectionRequest how it is called.
	ACSLogin          *DeviceLogin `json:"acs_login,omitempty"`
	ConnectionRequest Call         `json:"connection_request"`
	// Commands are those of its Virtual Agent that are under way, transfers among them.
	Commands []DeviceCommand `json:"commands,omitempty"`
	// Profile is how the gateway treats the CPE, other than the standard has it.
	Profile []Trait `json:"profile,omitempty"`
	// Defaults are those of translate.defaults that are for it, or were given to its Virtual
	// Agent.
	Defaults []DeviceDefaults `json:"defaults,omitempty"`
	// Lacks are objects that others of its model support and it does not, 64 at most.
	Lacks []string `json:"lacks,omitempty"`
	// Boxes are those that share the identity, where it is in quarantine.
	Boxes []string `json:"boxes,omitempty"`
}

// DeviceLogin is a login without its password.
type DeviceLogin struct {
	Username string    `json:"username"`
	From     string    `json:"from"` // imported or learned
	Since    time.Time `json:"since,omitzero"`
}

// DeviceCommand is a row of Device.LocalAgent.Request.
type DeviceCommand struct {
	Command    string `json:"command"`
	CommandKey string `json:"command_key,omitempty"`
	Originator string `json:"originator,omitempty"`
	Status     string `json:"status"`
}

// DeviceDefaults is what the Virtual Agent of a CPE has of an entry of translate.defaults.
type DeviceDefaults struct {
	Name string `json:"name"`
	Fits bool   `json:"fits"` // the entry is for this CPE
	// Given of Of things that are given once were given in the form that they have now.
	Given int `json:"given"`
	Of    int `json:"of"`
}

// Call is what is known for Connection Requests.
type Call struct {
	URL          string   `json:"url,omitempty"`
	URLFrom      string   `json:"url_from,omitempty"` // inform or imported
	UDPAddress   string   `json:"udp_address,omitempty"`
	JID          string   `json:"jid,omitempty"`
	Methods      string   `json:"methods,omitempty"`   // SupportedConnReqMethods
	Usernames    []string `json:"usernames,omitempty"` // in the order in which they are tried
	Provisioning string   `json:"provisioning"`        // of the gateway's own login: done, refused, due or off
	WokenBy      string   `json:"woken_by,omitempty"`
	Last         *Woken   `json:"last,omitempty"`
}

// Woken is how a wake went, or goes, and the answer of /api/v1/devices/wake.
type Woken struct {
	Session bool      `json:"session"` // one has come, or was there
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Method  string    `json:"method,omitempty"` // that brought the session
	Steps   []Rung    `json:"steps"`
	Reason  string    `json:"reason,omitempty"` // why none has come
}

// Rung is one Connection Request.
type Rung struct {
	At       time.Time `json:"at"`
	Method   string    `json:"method"`
	To       string    `json:"to"`
	Username string    `json:"username,omitempty"`
	Result   string    `json:"result"`
	Detail   string    `json:"detail,omitempty"`
}

// Trait is a field of a profile.
type Trait struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // where it is from
}

// Imported is the answer of /api/v1/devices/import.
type Imported struct {
	DryRun    bool `json:"dry_run"`
	Added     int  `json:"added"`
	Changed   int  `json:"changed"`
	Unchanged int  `json:"unchanged"`
	// Problems are of entries that were left out, in the order of the file, the first of
	// them; MoreProblems counts the others.
	Problems     []Problem `json:"problems"`
	MoreProblems int       `json:"more_problems"`
	// Failed says why the file was not read to its end; empty: it was.
	Failed string `json:"failed,omitempty"`
	// Notes say what else is to be known.
	Notes []string `json:"notes,omitempty"`
}

// Problem is one of an entry.
type Problem struct {
	Line   int    `json:"line"`
	Device string `json:"device,omitempty"`
	Text   string `json:"text"`
}

// Done is the answer where something is taken away.
type Done struct {
	Done bool `json:"done"` // false: there was nothing
}

// deviceRoutes are the routes about CPE.
func (s *Server) deviceRoutes() map[string]route {
	return map[string]route{
		"/api/v1/devices":              {http.MethodGet, s.listDevices},
		"/api/v1/devices/show":         {http.MethodGet, s.showDevice},
		"/api/v1/devices/values":       {http.MethodGet, s.deviceValues},
		"/api/v1/devices/import":       {http.MethodPost, s.importDevices},
		"/api/v1/devices/wake":         {http.MethodPost, s.wakeDevice},
		"/api/v1/devices/forget-login": {http.MethodPost, s.forgetLogin},
		"/api/v1/devices/unlist":       {http.MethodPost, s.unlistDevice},
	}
}

func (s *Server) listDevices(w http.ResponseWriter, r *http.Request) {
	q, ok := query(w, r, "oui", "product_class", "serial", "state", "tag", "quarantined", "after", "limit")
	if !ok {
		return
	}
	f := DeviceFilter{
		OUI: q["oui"], ProductClass: q["product_class"], Serial: q["serial"], State: q["state"], Tag: q["tag"],
		After: q["after"], Limit: DefaultDevices,
	}
	switch f.State {
	case "", StateSession, StateWaking, StateAsleep, StateExpected:
	default:
		refuse(w, http.StatusBadRequest, "state: want session, waking, asleep or expected")
		return
	}
	if text, given := q["quarantined"]; given {
		if text != "true" {
			refuse(w, http.StatusBadRequest, "quarantined: want true, or leave it out")
			return
		}
		f.Quarantined = true
	}
	if text, given := q["limit"]; given {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxDevices {
			refuse(w, http.StatusBadRequest, "limit: want a number from 1 to "+strconv.Itoa(MaxDevices))
			return
		}
		f.Limit = n
	}
	page, err := s.o.Devices.List(r.Context(), f)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the devices can not be read: "+err.Error())
		return
	}
	answer(w, http.StatusOK, page)
}

// named returns the parameter device, or has answered.
func named(w http.ResponseWriter, r *http.Request) (string, bool) {
	q, ok := query(w, r, "device")
	if ok && q["device"] == "" {
		refuse(w, http.StatusBadRequest, "the parameter device says which: OUI-ProductClass-SerialNumber or an Endpoint ID")
		return "", false
	}
	return q["device"], ok
}

func unknownDevice(w http.ResponseWriter, name string) {
	refuse(w, http.StatusNotFound, "there is no device "+strconv.Quote(name)+"; uspgate devices list shows them")
}

func failedDevice(w http.ResponseWriter, err error) {
	refuse(w, http.StatusServiceUnavailable, "the device can not be asked for: "+err.Error())
}

func (s *Server) showDevice(w http.ResponseWriter, r *http.Request) {
	name, ok := named(w, r)
	if !ok {
		return
	}
	d, err := s.o.Devices.Show(r.Context(), name)
	switch {
	case err != nil:
		failedDevice(w, err)
	case d == nil:
		unknownDevice(w, name)
	default:
		answer(w, http.StatusOK, d)
	}
}

func (s *Server) wakeDevice(w http.ResponseWriter, r *http.Request) {
	name, ok := named(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wakeTimeout)
	defer cancel()
	woken, err := s.o.Devices.Wake(ctx, name)
	switch {
	case err != nil:
		failedDevice(w, err)
	case woken == nil:
		unknownDevice(w, name)
	default:
		answer(w, http.StatusOK, woken)
	}
}

func (s *Server) forgetLogin(w http.ResponseWriter, r *http.Request) {
	s.take(w, r, s.o.Devices.ForgetLogin)
}

func (s *Server) unlistDevice(w http.ResponseWriter, r *http.Request) {
	s.take(w, r, s.o.Devices.Unlist)
}

// take takes something away, and what it does it does to the end.
func (s *Server) take(w http.ResponseWriter, r *http.Request, f func(context.Context, string) (bool, error)) {
	name, ok := named(w, r)
	if !ok {
		return
	}
	done, err := f(context.WithoutCancel(r.Context()), name)
	if err != nil {
		failedDevice(w, err)
		return
	}
	answer(w, http.StatusOK, Done{done})
}
