// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/inventory"
)

// devices knows one CPE, and notes what it is asked.
type devices struct {
	mu     sync.Mutex
	filter admin.DeviceFilter
	file   string
	format inventory.Format
	dry    bool
	err    error
}

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func oneDevice() admin.Device {
	return admin.Device{
		ID: "00D09E-Box-1", EndpointID: "ops::00D09E-Box-1", Manufacturer: "Acme", OUI: "00D09E", ProductClass: "Box",
		SerialNumber: "1", State: admin.StateAsleep, Quarantined: true, LastInform: someTime, Waiting: 1,
		Login: "imported", Tags: []string{"a"},
	}
}

func oneWake() *admin.Woken {
	return &admin.Woken{
		Session: true, Began: someTime, Ended: someTime, Method: "http", Reason: "because",
		Steps: []admin.Rung{{At: someTime, Method: "http", To: "u", Username: "n", Result: "session", Detail: "d"}},
	}
}

func (d *devices) List(_ context.Context, f admin.DeviceFilter) (admin.DevicePage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.filter = f
	return admin.DevicePage{Devices: []admin.Device{oneDevice()}, Next: "x"}, d.err
}

func (d *devices) Show(_ context.Context, device string) (*admin.DeviceDetail, error) {
	if device != "00D09E-Box-1" {
		return nil, d.err
	}
	return &admin.DeviceDetail{
		Device: oneDevice(), SoftwareVersion: "1", Events: []string{"2 PERIODIC"}, Source: "192.0.2.1", OnWire: "Reboot",
		ParameterKey: "k", ACSLogin: &admin.DeviceLogin{Username: "u", From: "learned", Since: someTime},
		ConnectionRequest: admin.Call{
			URL: "u", URLFrom: "inform", UDPAddress: "a", JID: "j", Methods: "m", Usernames: []string{"n"},
			Provisioning: "done", WokenBy: "http", Last: oneWake(),
		},
		Commands: []admin.DeviceCommand{{Command: "c", CommandKey: "k", Originator: "o", Status: "s"}},
		Profile:  []admin.Trait{{Name: "a", Value: "b", From: "c"}}, Boxes: []string{"one", "two"},
		Defaults: []admin.DeviceDefaults{{Name: "d", Fits: true, Given: 1, Of: 2}},
	}, d.err
}

func (d *devices) Values(_ context.Context, device, path string, limit int) (*admin.DeviceValues, error) {
	if device != "00D09E-Box-1" {
		return nil, d.err
	}
	return &admin.DeviceValues{More: limit == 5, Values: []admin.DeviceValue{
		{Path: path, Value: "v", ReadAt: someTime, Freshness: "5m", Fresh: true},
	}}, d.err
}

func (d *devices) Import(
	_ context.Context, file io.Reader, format inventory.Format, dry bool,
) (admin.Imported, error) {
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.file, d.format, d.dry = string(text), format, dry
	return admin.Imported{
		Problems: []admin.Problem{{Line: 1, Device: "d", Text: "t"}}, Failed: "f", Notes: []string{"n"},
	}, errors.Join(err, d.err)
}

func (d *devices) ForgetLogin(context.Context, string) (bool, error) { return true, d.err }
func (d *devices) Unlist(context.Context, string) (bool, error)      { return false, d.err }

func (d *devices) Wake(_ context.Context, device string) (*admin.Woken, error) {
	if device != "00D09E-Box-1" {
		return nil, d.err
	}
	return oneWake(), d.err
}

// A list is asked for by all that can be said of it.
func TestDeviceFilter(t *testing.T) {
	t.Parallel()
	token, path := tokenOf(t)
	d := &devices{}
	s := serve(t, admin.Options{TokenFile: path, Devices: d})
	for query, want := range map[string]admin.DeviceFilter{
		"": {Limit: 100},
		"?oui=00D09E&product_class=Box%201&serial=A&state=asleep&tag=t&quarantined=true&after=x&limit=10000": {
			OUI: "00D09E", ProductClass: "Box 1", Serial: "A", State: "asleep", Tag: "t", Quarantined: true, After: "x",
			Limit: 10_000,
		},
	} {
		var page admin.DevicePage
		get(t, s, token, "/api/v1/devices"+query, &page)
		if d.filter != want || len(page.Devices) != 1 || !reflect.DeepEqual(page.Devices[0], oneDevice()) {
			t.Errorf("%s: got %+v, %+v, want %+v", query, d.filter, page, want)
		}
	}
	for _, bad := range []string{"?state=away", "?quarantined=no", "?limit=0", "?limit=10001", "?limit=x"} {
		if got := ask(t, s, token, "/api/v1/devices"+bad, nil); got.status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", bad, got.status)
		}
	}
}

// A file is passed on as it is.
func TestImportedFile(t *testing.T) {
	t.Parallel()
	token, path := tokenOf(t)
	d := &devices{}
	s := serve(t, admin.Options{TokenFile: path, Devices: d})
	send := func(query string) reply {
		return ask(t, s, token, "/api/v1/devices/import"+query, func(r *http.Request) {
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader("the file"))
		})
	}
	var out admin.Imported
	got := send("?format=csv&dry_run=true")
	if err := json.Unmarshal([]byte(got.body), &out); err != nil || got.status != http.StatusOK || out.Failed != "f" ||
		d.file != "the file" || d.format != inventory.CSV || !d.dry {
		t.Errorf("got %d %s with %q, %s, dry %t, want the file as CSV and dry", got.status, got.body, d.file, d.format, d.dry)
	}
	send("")
	if d.format != inventory.Auto || d.dry {
		t.Errorf("got %s, dry %t, want auto and not dry", d.format, d.dry)
	}
	for query, want := range map[string]int{"?format=xml": http.StatusBadRequest, "?dry_run=no": http.StatusBadRequest} {
		if got := send(query); got.status != want {
			t.Errorf("%s: got %d, want %d", query, got.status, want)
		}
	}
	for err, want := range map[error]int{
		admin.ErrBusy: http.StatusConflict, errors.New("no"): http.StatusServiceUnavailable,
	} {
		d.err = err
		if got := send(""); got.status != want {
			t.Errorf("%v: got %d, want %d", err, got.status, want)
		}
	}
}

// What there is not is 404, what can not be told 503.
func TestDevicesRefused(t *testing.T) {
	t.Parallel()
	token, path := tokenOf(t)
	d := &devices{}
	s := serve(t, admin.Options{TokenFile: path, Devices: d})
	post := func(r *http.Request) { r.Method = http.MethodPost }
	check := func(what string, want int, change func(*http.Request)) {
		t.Helper()
		if got := ask(t, s, token, "/api/v1/devices"+what, change); got.status != want {
			t.Errorf("%s: got %d %s, want %d", what, got.status, got.body, want)
		}
	}
	check("/show?device=A-1", http.StatusNotFound, nil)
	check("/wake?device=A-1", http.StatusNotFound, post)
	check("/show", http.StatusBadRequest, nil)
	check("/unlist", http.StatusBadRequest, post)
	check("/unlist?device=x", http.StatusMethodNotAllowed, nil)
	d.err = errors.New("the store is down")
	check("", http.StatusServiceUnavailable, nil)
	check("/show?device=A-1", http.StatusServiceUnavailable, nil)
	check("/wake?device=A-1", http.StatusServiceUnavailable, post)
	check("/forget-login?device=A-1", http.StatusServiceUnavailable, post)
}

// Values are asked for by device and path.
func TestDeviceValues(t *testing.T) {
	t.Parallel()
	token, path := tokenOf(t)
	s := serve(t, admin.Options{TokenFile: path, Devices: &devices{}})
	var v admin.DeviceValues
	get(t, s, token, "/api/v1/devices/values?device=00D09E-Box-1&path=Device.&limit=5", &v)
	if len(v.Values) != 1 || v.Values[0].Path != "Device." || !v.Values[0].ReadAt.Equal(someTime) || !v.More {
		t.Errorf("got %+v, want the value with its time", v)
	}
	for query, want := range map[string]int{
		"":                                     http.StatusBadRequest,
		"?device=00D09E-Box-1":                 http.StatusBadRequest,
		"?device=00D09E-Box-1&path=D.&limit=0": http.StatusBadRequest,
		"?device=00D09E-Box-1&path=D.&limit=10001": http.StatusBadRequest,
		"?device=00D09E-Box-9&path=D.":             http.StatusNotFound,
	} {
		if got := ask(t, s, token, "/api/v1/devices/values"+query, nil); got.status != want {
			t.Errorf("%s: got %d, want %d", query, got.status, want)
		}
	}
	for err, want := range map[error]int{
		admin.ErrBadPath: http.StatusBadRequest, admin.ErrElsewhere: http.StatusConflict,
		errors.New("x"): http.StatusServiceUnavailable,
	} {
		s := serve(t, admin.Options{TokenFile: path, Devices: &devices{err: err}})
		if got := ask(t, s, token, "/api/v1/devices/values?device=x&path=D.", nil); got.status != want {
			t.Errorf("%v: got %d, want %d", err, got.status, want)
		}
	}
}
