// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/cwmp/trace"
)

// TestRoundTrip fills every message with anything and wants it back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		roundTrips(t, seed)
	}
}

// FuzzRoundTrip is TestRoundTrip for any seed.
func FuzzRoundTrip(f *testing.F) {
	f.Add(uint64(1 << 40))
	f.Fuzz(roundTrips)
}

func roundTrips(t *testing.T, seed uint64) {
	t.Helper()
	s, err := cwmpSchema()
	if err != nil {
		t.Fatal(err)
	}
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	for _, e := range s.Elements {
		m := decode(t, document("<"+e.Name+"/>")).Body
		g.fill(reflect.ValueOf(m).Elem(), "")
		legal(m)
		if n, ok := m.(*cwmp.GetParameterNames); ok {
			n.Words = false // the style says it here
		}
		want := &cwmp.Envelope{Namespace: cwmp.Namespace11, ID: g.text(), Body: m}
		style := soap.Style{Booleans: soap.Booleans(g.IntN(2)) * soap.BooleansWords}
		doc, err := style.Append(nil, want)
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		strictly(t, doc, cwmp.Namespace11)
		if got := decode(t, string(doc)); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got\n%s\n%#v\nwant\n%s\n%#v\n%s", seed, trace.Envelope(got), got.Body,
				trace.Envelope(want), m, doc)
		}
	}
}

// generator makes messages.
type generator struct{ *rand.Rand }

// pieces are what texts are made of. None ends or begins with a blank.
var pieces = []string{
	"a", "Device.", "&", "<", ">", "&amp;", "]]>", "<![CDATA[", "\"", "'", "x y", "x\ty", "x\r\ny", "x\n\ny", "ü", "東",
	"😀", "\u00a0", "\uFFFD", "<Name>", "</Name>", "</Value>", "&#13;", "\u0085", "100 %", "%s", "{i}",
	"2024-02-29T12:34:56Z",
}

func (g generator) text() string {
	var b strings.Builder
	for range g.IntN(6) {
		b.WriteString(pieces[g.IntN(len(pieces))])
	}
	return b.String()
}

// fill sets v to anything that the wire can carry.
func (g generator) fill(v reflect.Value, field string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			g.fill(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Slice:
		for range g.IntN(4) {
			item := reflect.New(v.Type().Elem()).Elem()
			g.fill(item, "")
			v.Set(reflect.Append(v, item))
		}
	case reflect.String:
		s := g.text()
		if strings.HasSuffix(field, "Time") || field == "StartDate" || field == "Text" {
			s = "t" + s // never absent
		}
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(g.IntN(2) == 1)
	case reflect.Int:
		v.SetInt(int64(g.Int32()) - 1<<30)
	case reflect.Uint32:
		v.SetUint(uint64(g.Uint32()))
	case reflect.Uint8:
		v.SetUint(uint64(cwmp.TypeString) + g.Uint64N(uint64(cwmp.TypeHexBinary)))
	default:
		panic(v.Kind())
	}
}

// legal takes back what fill did and no message may have.
func legal(m cwmp.Message) {
	switch m := m.(type) {
	case *cwmp.Inform:
		m.MaxEnvelopes = max(m.MaxEnvelopes, 1)
		withValues(m.Params)
	case *cwmp.InformResponse:
		m.MaxEnvelopes = 1
	case *cwmp.GetParameterValuesResponse:
		withValues(m.Params)
	case *cwmp.SetParameterValues:
		withValues(m.Params)
		for i := range m.Params {
			if m.Params[i].NoValue {
				m.Params[i] = cwmp.ParameterValue{Name: m.Params[i].Name, Type: cwmp.TypeString}
			}
		}
	case *cwmp.AddObject:
		m.ObjectName += "."
		m.ObjectName = strings.TrimLeft(m.ObjectName, ".")
	case *cwmp.DeleteObject:
		m.ObjectName += "."
		m.ObjectName = strings.TrimLeft(m.ObjectName, ".")
	case *cwmp.Fault:
		m.Code |= 1
	case *cwmp.TransferComplete:
		m.Fault.Params = nil
	case *cwmp.AutonomousTransferComplete:
		m.Fault.Params = nil
	case *cwmp.GetQueuedTransfersResponse:
		for i, t := range m.Transfers {
			m.Transfers[i] = cwmp.QueuedTransfer{CommandKey: t.CommandKey, State: t.State}
		}
	case *cwmp.ChangeDUState:
		for i := range m.Operations {
			legalOperation(&m.Operations[i], i)
		}
	case *cwmp.DUStateChangeComplete:
		for i := range m.Results {
			m.Results[i].OperationPerformed, m.Results[i].Fault.Params = "", nil
		}
	case *cwmp.AutonomousDUStateChangeComplete:
		for i := range m.Results {
			m.Results[i].Fault.Params = nil
		}
	}
}

// withValues makes values consistent: none, or one of a type.
func withValues(list []cwmp.ParameterValue) {
	for i := range list {
		if list[i].NoValue {
			list[i].Value, list[i].Type = "", cwmp.TypeUnknown
		}
		if list[i].Type == cwmp.TypeBoolean {
			list[i].Value = "2" // written the same in every style
		}
	}
}

func legalOperation(o *cwmp.DUOperation, i int) {
	switch i % 3 {
	case 0:
		o.Kind, o.Version = cwmp.DUInstall, ""
	case 1:
		o.Kind, o.ExecutionEnvRef = cwmp.DUUpdate, ""
	default:
		o.Kind, o.URL, o.Username, o.Password = cwmp.DUUninstall, "", "", ""
	}
}
