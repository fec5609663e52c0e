// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bulk_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/translate/bulk"
	"github.com/uspgate/uspgate/usp/path"
)

func TestName(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ reference, name, full, want string }{
		{"Device.DeviceInfo.UpTime", "", "Device.DeviceInfo.UpTime", "Device.DeviceInfo.UpTime"},
		{"Device.DeviceInfo.UpTime", "up", "Device.DeviceInfo.UpTime", "up"},
		{"Device.WiFi.SSID.*.SSID", "", "Device.WiFi.SSID.3.SSID", "Device.WiFi.SSID.3.SSID"},
		// [R-BULK.9]
		{"Device.WiFi.SSID.*.SSID", "ssid", "Device.WiFi.SSID.3.SSID", "ssid.3"},
		{"Device.A.*.B.2.C.*.D", "d", "Device.A.4.B.2.C.7.D", "d.4.7"},
		// [R-BULK.10]
		{"Device.WiFi.SSID.1.", "w", "Device.WiFi.SSID.1.Stats.BytesSent", "w.Stats.BytesSent"},
		{"Device.WiFi.SSID.", "w", "Device.WiFi.SSID.1.SSID", "w.1.SSID"},
		{"Device.WiFi.SSID.*.Stats.", "w", "Device.WiFi.SSID.1.Stats.BytesSent", "w.1.BytesSent"},
	} {
		if got := bulk.Name(row.reference, row.name, row.full); got != row.want {
			t.Errorf("%s as %q of %s: got %q, want %q", row.full, row.name, row.reference, got, row.want)
		}
	}
}

// at is when the reports of the tests were collected: 1792843200.
func at() time.Time { return time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC) }

func sample() []bulk.Param {
	return []bulk.Param{
		{Name: "Device.DeviceInfo.UpTime", Value: "+0070", Type: path.TypeUnsignedInt},
		{Name: "Device.WiFi.SSID.1.Enable", Value: "1", Type: path.TypeBoolean},
		{Name: "Device.WiFi.SSID.1.SSID", Value: `a "b", c`, Type: path.TypeString},
		{Name: "ratio", Value: "-0.5", Type: path.TypeDecimal},
		{Name: "ratio", Value: "again", Type: path.TypeString},
		{Name: "list", Value: "1,2", Type: path.TypeInt | path.List},
	}
}

const csvHead = `ReportTimestamp,Device.DeviceInfo.UpTime,Device.WiFi.SSID.1.Enable,Device.WiFi.SSID.1.SSID,ratio,list`

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		encoder bulk.Encoder
		params  []bulk.Param
		want    string
	}{
		{
			"hierarchy",
			bulk.JSON{Format: bulk.ObjectHierarchy, Timestamp: bulk.UnixEpoch},
			sample(),
			`{"Report":[{"CollectionTime":1792843200,"Device":{"DeviceInfo":{"UpTime":70},` +
				`"WiFi":{"SSID":{"1":{"Enable":true,"SSID":"a \"b\", c"}}}},"ratio":"-0.5","list":"1,2"}]}`,
		},
		{
			"pairs",
			bulk.JSON{Format: bulk.NameValuePair, Timestamp: bulk.ISO8601},
			sample()[:2],
			`{"Report":[{"CollectionTime":"2026-10-24T12:00:00Z","Device.DeviceInfo.UpTime":70,` +
				`"Device.WiFi.SSID.1.Enable":true}]}`,
		},
		{"empty", bulk.JSON{}, nil, `{"Report":[{}]}`},
		{
			"taken",
			bulk.JSON{Timestamp: bulk.UnixEpoch},
			[]bulk.Param{{Name: "CollectionTime", Value: "mine"}, {Name: "CollectionTime.x", Value: "mine"}},
			`{"Report":[{"CollectionTime":1792843200,"CollectionTime.x":"mine"}]}`,
		},
		{
			"a name behind a name",
			bulk.JSON{},
			[]bulk.Param{{Name: "A.B.C", Value: "1"}, {Name: "A.B", Value: "2"}, {Name: "A.D.C", Value: "3"}},
			`{"Report":[{"A":{"B.C":"1","B":"2","D":{"C":"3"}}}]}`,
		},
		{
			"not of its type",
			bulk.JSON{},
			[]bulk.Param{
				{Name: "a", Value: "yes", Type: path.TypeBoolean},
				{Name: "b", Value: "", Type: path.TypeInt},
				{Name: "c", Value: "-007", Type: path.TypeInt},
				{Name: "d", Value: "-0", Type: path.TypeLong},
				{Name: "e", Value: "99999999999", Type: path.TypeInt},
				{Name: "f", Value: "0", Type: path.TypeBoolean},
			},
			`{"Report":[{"a":"yes","b":"","c":-7,"d":0,"e":"99999999999","f":false}]}`,
		},
		{
			"columns",
			bulk.CSV{Format: bulk.ParameterPerColumn, Timestamp: bulk.UnixEpoch},
			sample(),
			csvHead + "\r\n1792843200,+0070,1,\"a \"\"b\"\", c\",-0.5,\"1,2\"\r\n",
		},
		{
			"rows",
			bulk.CSV{Format: bulk.ParameterPerRow, Timestamp: bulk.ISO8601},
			sample()[1:],
			"ReportTimestamp,ParameterName,ParameterValue,ParameterType\r\n" +
				"2026-10-24T12:00:00Z,Device.WiFi.SSID.1.Enable,1,boolean\r\n" +
				"2026-10-24T12:00:00Z,Device.WiFi.SSID.1.SSID,\"a \"\"b\"\", c\",string\r\n" +
				"2026-10-24T12:00:00Z,ratio,-0.5,decimal\r\n" +
				"2026-10-24T12:00:00Z,list,\"1,2\",string\r\n",
		},
		{
			"separators",
			bulk.CSV{
				FieldSeparator: ";", RowSeparator: "&#10;", EscapeCharacter: "'", Format: bulk.ParameterPerRow,
			},
			[]bulk.Param{{Name: "a", Value: "1,2"}, {Name: "b", Value: "it's;"}},
			"ParameterName;ParameterValue;ParameterType\na;1,2;string\nb;'it''s;';string\n",
		},
	} {
		got, err := row.encoder.Encode(row.params, at(), len(row.want))
		if err != nil || got != row.want {
			t.Errorf("%s: got %v\n%s\nwant\n%s", row.name, err, got, row.want)
		}
		if got, err := row.encoder.Encode(row.params, at(), len(row.want)-1); !errors.Is(err, bulk.ErrTooLarge) || got != "" {
			t.Errorf("%s: got %q, %v with a byte less, want ErrTooLarge", row.name, got, err)
		}
	}
}

// A report can be parsed again, whatever is in it, and nothing gets lost.
func FuzzEncode(f *testing.F) {
	f.Add("Device.A", "1", "Device.A.B", "x,\"y\"\r\n", uint8(path.TypeInt), false)
	f.Add("A..B", "true", "A.", "\xff", uint8(path.TypeBoolean), true)
	f.Add("CollectionTime", "", "", "&#13;", uint8(0), true)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, typ uint8, flat bool) {
		name1, name2 = strings.ToValidUTF8(name1, "?"), strings.ToValidUTF8(name2, "?")
		if name1 == name2 {
			return
		}
		params := []bulk.Param{{Name: name1, Value: value1, Type: path.Type(typ)}, {Name: name2, Value: value2}}
		form := bulk.JSON{Format: bulk.ObjectHierarchy}
		if flat {
			form.Format = bulk.NameValuePair
		}
		const limit = 1 << 20
		text, err := form.Encode(params, at(), limit)
		if err != nil {
			t.Fatal(err)
		}
		var report struct{ Report []map[string]any }
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			t.Fatalf("got %s, which is no JSON: %v", text, err)
		}
		if got := leaves(report.Report[0]); got != len(params) {
			t.Errorf("got %d values in %s, want %d", got, text, len(params))
		}
		checkCSV(t, params)
	})
}

func leaves(v any) int {
	m, ok := v.(map[string]any)
	if !ok {
		return 1
	}
	n := 0
	for _, below := range m {
		n += leaves(below)
	}
	return n
}

func checkCSV(t *testing.T, params []bulk.Param) {
	t.Helper()
	text, err := bulk.CSV{Format: bulk.ParameterPerRow, Timestamp: bulk.UnixEpoch}.Encode(params, at(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != len(params)+1 {
		t.Fatalf("got %q, %v, want %d rows", text, err, len(params)+1)
	}
	unixLines := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") } // as the reader has it
	for i, p := range params {
		if got := rows[i+1]; got[1] != unixLines(p.Name) || got[2] != unixLines(p.Value) {
			t.Errorf("got %q, want name and value of %q", got, p)
		}
	}
}

// A report of 1,500 parameters.
func BenchmarkEncode(b *testing.B) {
	var params []bulk.Param
	for i := range 1_500 {
		name := fmt.Sprintf("Device.WiFi.AccessPoint.%d.AssociatedDevice.%d.SignalStrength", i/30, i%30)
		params = append(params, bulk.Param{Name: name, Value: "-61", Type: path.TypeInt})
	}
	for name, e := range map[string]bulk.Encoder{
		"json": bulk.JSON{Timestamp: bulk.UnixEpoch}, "csv": bulk.CSV{Format: bulk.ParameterPerRow},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Encode(params, at(), 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
