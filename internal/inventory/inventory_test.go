// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/inventory"
)

// read is Read of a text.
func read(text string, o inventory.Options) (devices []inventory.Device, problems []inventory.Problem, err error) {
	err = inventory.Read(strings.NewReader(text), o,
		func(d inventory.Device) error { devices = append(devices, d); return nil },
		func(p inventory.Problem) { problems = append(problems, p) })
	return devices, problems, err
}

var full = inventory.Device{
	Line:                 2,
	ID:                   cwmp.DeviceID{Manufacturer: "Acme", OUI: "00256D", ProductClass: "Box 1", SerialNumber: "A-7"},
	ACS:                  inventory.Login{Username: "cpe7", Password: `se"cret, ;x`},
	ConnectionRequest:    inventory.Login{Username: "cr", Password: " pw "},
	ConnectionRequestURL: "http://192.0.2.7:7547/x",
	Tags:                 []string{"north", "vip"},
}

// One CPE, in each way to write it.
func TestCSV(t *testing.T) {
	t.Parallel()
	const head = "oui,product_class,serial,manufacturer,username,password,connection_request_username," +
		"connection_request_password,connection_request_url,tags"
	const row = `00256d,Box 1, A-7 ,Acme,cpe7,"se""cret, ;x",cr, pw ,http://192.0.2.7:7547/x,north| vip|`
	const quoted = `"se""cret, ;x"` // keeps its comma
	semicolons := strings.NewReplacer(quoted, quoted, ",", ";").Replace(row)
	for name, text := range map[string]string{
		"plain":      head + "\n" + row + "\n",
		"no end":     head + "\r\n" + row,
		"BOM":        "\xef\xbb\xbf" + head + "\r\n" + row + "\r\n",
		"semicolons": strings.ReplaceAll(head, ",", ";") + "\n" + semicolons + "\n",
		"names": strings.NewReplacer("product_class", "ProductClass", "serial", "Serial Number", "oui", "OUI",
			",username", ",ACS-Username").Replace(head) + "\n" + row + "\n",
	} {
		got, problems, err := read(text, inventory.Options{})
		if err != nil || len(problems) > 0 || !reflect.DeepEqual(got, []inventory.Device{full}) {
			t.Errorf("%s: got %#v, %v, %v, want %#v", name, got, problems, err, full)
		}
	}
	got, problems, err := read("serial,oui\n1,AABBCC\n\n\n2,AABBCC\n", inventory.Options{Format: inventory.CSV})
	if err != nil || len(problems) > 0 || len(got) != 2 || got[1].Line != 5 || got[0].Tags != nil {
		t.Errorf("got %#v, %v, %v, want two with nothing but their identity", got, problems, err)
	}
}

// The same CPE as GenieACS has it: with mongoexport, as an array, by its API, and
// of Device:2.
func TestGenieACS(t *testing.T) {
	t.Parallel()
	const doc = `{"_id":"00256D-Box%201-A%2D7","_lastInform":{"$date":"2026-01-01T00:00:00Z"},
"_deviceId":{"_Manufacturer":"Acme","_OUI":"00256D","_ProductClass":"Box 1","_SerialNumber":"A-7"},
"_tags":["north","vip"],"ROOT":{"DeviceInfo":{"UpTime":{"_value":{"$numberLong":"7"},"_type":"xsd:unsignedInt"}},
"ManagementServer":{"_object":true,"Username":{"_value":"cpe7"},"Password":{"_value":"se\"cret, ;x"},
"ConnectionRequestURL":{"_value":"http://192.0.2.7:7547/x","_writable":false},
"ConnectionRequestUsername":{"_value":"cr"},"ConnectionRequestPassword":{"_value":" pw "}}}}`
	igd := strings.Replace(doc, "ROOT", "InternetGatewayDevice", 1)
	for name, text := range map[string]string{
		"lines": "\n" + strings.ReplaceAll(igd, "\n", "") + "\n", "array": "[\n" + igd + "\n]\n",
		"Device:2": " \n" + strings.Replace(doc, "ROOT", "Device", 1),
		"no parts": "\n" + strings.Replace(igd, `"_SerialNumber"`, `"_Other"`, 1),
	} {
		got, problems, err := read(text, inventory.Options{Format: inventory.GenieACS})
		if err != nil || len(problems) > 0 || !reflect.DeepEqual(got, []inventory.Device{full}) {
			t.Errorf("%s: got %#v, %v, %v, want %#v", name, got, problems, err, full)
		}
	}
	bare := `{"_id":"AABBCC-1","InternetGatewayDevice":{"ManagementServer":{"Username":{"_value":"u"},` +
		`"Password":{"_value":""},"ConnectionRequestURL":{"_value":"none"},"ConnectionRequestUsername":{"_value":5}}}}`
	got, problems, err := read(bare, inventory.Options{})
	want := inventory.Device{Line: 1, ID: cwmp.DeviceID{OUI: "AABBCC", SerialNumber: "1"}}
	if err != nil || len(problems) > 0 || !reflect.DeepEqual(got, []inventory.Device{want}) {
		t.Errorf("half a login: got %#v, %v, %v, want nothing of it", got, problems, err)
	}
}

// What is wrong with an entry is said with its line, and without a password; the
// others are read.
func TestProblems(t *testing.T) {
	t.Parallel()
	const head = "oui,serial,username,password,connection_request_password,connection_request_url,tags\n"
	for row, want := range map[string]string{
		",1,,,,,":                                      "there is no OUI",
		"00256D,,,,,,":                                 "there is no serial number",
		"37,1,,,,,":                                    "has lost its zeros",
		"00256D,1.23E+11,,,,,":                         "as a spreadsheet writes",
		"00256D,1,u,,,,":                               "username is there without password",
		"00256D,1,,s3cret,,,":                          "password is there without username",
		"00256D,1,,,s3cret,,":                          "connection_request_password is there without",
		"00256D,1,a:b,s3cret,,,":                       "colon",
		"00256D,1,u,s3cret\xff,,,":                     "not UTF-8",
		"00256D,1,u,\"s3cret\n\",,,":                   "control character",
		"00256D,1,,,,ftp://x,":                         "not http://host:port/path",
		"00256D,1,,,,http://u:s3cret@x/,":              "has a login in it",
		"00256D,1,,,,,,,":                              "there are 9 fields, and 7 names",
		`00256D,1,u,s3"cret,,,`:                        "quotes are not in pairs",
		"00256D,1,,,,," + strings.Repeat("t|", 65):     "65 tags",
		"00256D," + strings.Repeat("9", 300) + ",,,,,": "300 bytes",
	} {
		got, problems, err := read(head+row+"\n00256D,2,,,,,\n", inventory.Options{})
		if err != nil || len(problems) != 1 || problems[0].Line != 2 || !strings.Contains(problems[0].Text, want) ||
			strings.Contains(fmt.Sprint(problems), "s3cret") || len(got) != 1 || got[0].ID.SerialNumber != "2" {
			t.Errorf("%q: got %v, %v, %v, want %q at line 2 and the next CPE", row, got, problems, err, want)
		}
	}
	for doc, want := range map[string]string{
		`{"a":1}`:             "neither _deviceId nor _id",
		`{"_id":"one"}`:       "OUI-ProductClass-SerialNumber",
		`{"_id":"a-%zz"}`:     "no identity",
		`{"Device":"s3cret"}`: "Device is no object",
		`{"_id":s3cret}`:      "no JSON",
	} {
		got, problems, err := read("[\n"+doc+",\n{\"_id\":\"AABBCC-2\"}]", inventory.Options{})
		if err != nil || len(problems) != 1 || problems[0].Line != 2 || !strings.Contains(problems[0].Text, want) ||
			strings.Contains(fmt.Sprint(problems), "s3cret") || len(got) != 1 || got[0].Line != 3 {
			t.Errorf("%q: got %v, %v, %v, want %q at line 2 and the next CPE", doc, got, problems, err, want)
		}
	}
}

// endless repeats a text for ever.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.text), nil }

// What is wrong with the file ends the reading, within bounds.
func TestFiles(t *testing.T) {
	t.Parallel()
	small := inventory.Options{MaxRow: 1000, MaxDocument: 1000, MaxEntries: 2}
	for text, want := range map[string]string{
		"":                                      "the file is empty",
		"\xff\xfeo\x00":                         "UTF-16",
		"PK\x03\x04":                            "unpack it",
		"\x1f\x8b\x08":                          "unpack it",
		"oui,serial,colour\n":                   `"colour" is not known`,
		"oui,oui,serial\n":                      "there twice",
		"oui,product_class\n":                   "no column serial",
		"00256D,Box,1\n":                        "not known",
		"[{\"_id\":\"A-1\"":                     "cut off",
		"{}\nxyz":                               "line 2: 'x' where a document should begin",
		"serial,oui\n1,A\n2,A\n3,A\n":           "line 4: more than 2 entries",
		"{\"a\":\"" + strings.Repeat("x", 1000): "no end within 1000 bytes",
	} {
		if _, _, err := read(text, small); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	for _, e := range []string{"\"", "{", "x", ","} {
		in := io.MultiReader(strings.NewReader("oui,serial\n\""), endless{e})
		if err := inventory.Read(in, inventory.Options{}, nil, func(inventory.Problem) {}); err == nil {
			t.Errorf("endless %q: got nil, want an error", e)
		}
	}
	stop := errors.New("enough")
	err := inventory.Read(strings.NewReader("oui,serial\nAABBCC,1\n"), inventory.Options{},
		func(inventory.Device) error { return stop }, nil)
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want what take said", err)
	}
}

// An identity is read as it is written.
func TestParseID(t *testing.T) {
	t.Parallel()
	for _, id := range []cwmp.DeviceID{
		{OUI: "00256D", ProductClass: "Box 1-ü", SerialNumber: "A-7/²"}, {OUI: "00256D", SerialNumber: "7"},
	} {
		if got, err := inventory.ParseID(id.String()); err != nil || got != id {
			t.Errorf("got %+v, %v, want %+v", got, err, id)
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s", full, full, full, full.ACS); strings.Contains(got, "cret") {
		t.Errorf("got %s, want no password in it", got)
	}
}

// Whatever the file, nothing that is taken is wrong, and each line has one place.
func FuzzRead(f *testing.F) {
	f.Add("oui,serial,username,password\n00256D,1,u,p\n,2,,\n\"x\n", false)
	f.Add("oui;serial;tags\nAABBCC;\"1\n2\";a|b\n", false)
	f.Add(`[{"_id":"AABBCC-1","_tags":["x"]},{"_id":"A-B-C-D"}]`, true)
	f.Add("{\"_deviceId\":{\"_OUI\":\"A\",\"_SerialNumber\":\"\\u0000\"}}\n{\"a\":\"}{\\\"\"}", true)
	f.Fuzz(func(t *testing.T, text string, genie bool) {
		o := inventory.Options{Format: inventory.CSV, MaxRow: 4096, MaxDocument: 4096, MaxEntries: 100}
		if genie {
			o.Format = inventory.GenieACS
		}
		devices, problems, err := read(text, o)
		last := 0
		for _, d := range devices {
			if d.ID.SerialNumber == "" || d.ID.OUI == "" || d.ID.Key().String() != d.ID.String() || d.Line < last {
				t.Errorf("got %+v after line %d, want an identity, in order", d, last)
			}
			if (d.ACS.Username == "") != (d.ACS.Password == "") || len(d.Tags) > 64 {
				t.Errorf("got %#v, want both or none of a login", d)
			}
			if back, err := inventory.ParseID(d.ID.String()); err != nil || back != d.ID.Key() {
				t.Errorf("got %+v, %v, want %+v", back, err, d.ID.Key())
			}
			last = d.Line
		}
		for _, p := range problems {
			if p.Line < 1 || p.Text == "" {
				t.Errorf("got %+v, want a line and a text", p)
			}
		}
		if err == nil && len(devices) > o.MaxEntries {
			t.Errorf("got %d entries, want %d at most", len(devices), o.MaxEntries)
		}
	})
}
