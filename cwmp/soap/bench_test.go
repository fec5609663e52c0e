// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// gpvResponse returns an envelope with n parameters, of some 214 bytes each
// on the wire, as a CPE writes it: indented, types mixed.
func gpvResponse(n int) []byte {
	b := []byte(`<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"` +
		` xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-2">
<soapenv:Header><cwmp:ID soapenv:mustUnderstand="1">42</cwmp:ID></soapenv:Header>
<soapenv:Body><cwmp:GetParameterValuesResponse>
`)
	b = fmt.Appendf(b, "<ParameterList soapenc:arrayType=\"cwmp:ParameterValueStruct[%d]\">\n", n)
	types := []string{"string", "unsignedInt", "boolean", "dateTime"}
	values := []string{"Guest &amp; Home network", "1234567", "1", "2024-02-29T12:34:56Z"}
	for i := range n {
		b = fmt.Appendf(b, "  <ParameterValueStruct>\n"+
			"    <Name>InternetGatewayDevice.LANDevice.1.WLANConfiguration.%d.AssociatedDevice.7.X_0000C5_Statistic</Name>\n"+
			"    <Value xsi:type=\"xsd:%s\">%s</Value>\n  </ParameterValueStruct>\n", i, types[i%4], values[i%4])
	}
	return append(b, "</ParameterList>\n</cwmp:GetParameterValuesResponse></soapenv:Body></soapenv:Envelope>\n"...)
}

func informOf(n int) *cwmp.Envelope {
	in := &cwmp.Inform{
		DeviceID:    cwmp.DeviceID{Manufacturer: "Example", OUI: "001122", ProductClass: "Box", SerialNumber: "S1"},
		Events:      []cwmp.Event{{Code: cwmp.EventPeriodic}, {Code: cwmp.EventValueChange}},
		CurrentTime: "2024-02-29T12:34:56Z", MaxEnvelopes: 1,
	}
	for i := range n {
		in.Params = append(in.Params, cwmp.ParameterValue{
			Name: fmt.Sprintf("InternetGatewayDevice.DeviceInfo.X_Parameter%d", i), Value: "value", Type: cwmp.TypeString,
		})
	}
	return &cwmp.Envelope{Namespace: cwmp.Namespace12, ID: "1", Body: in}
}

// BenchmarkDecodeGPVResponse1000 prints beside the peer's time how often ours
// fits into it: on the average, and the best of one into the best of the other,
// which a busy machine does not change.
func BenchmarkDecodeGPVResponse1000(b *testing.B) {
	doc := gpvResponse(1000)
	var own, other timing
	b.Run("soap", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		own.measure(b, func() error {
			_, err := soap.DecodeBytes(doc, "text/xml; charset=utf-8", soap.Limits{})
			return err
		})
	})
	b.Run("gowsdl", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		other.measure(b, func() error {
			var env oracleEnvelope
			return xml.Unmarshal(doc, &env)
		})
		b.ReportMetric(float64(other.mean)/float64(own.mean), "x-slower-than-soap")
		b.ReportMetric(float64(other.best)/float64(own.best), "x-slower-at-best")
	})
}

// timing is how long one decoding takes.
type timing struct{ mean, best time.Duration }

func (m *timing) measure(b *testing.B, decode func() error) {
	b.Helper()
	m.best = time.Hour
	for b.Loop() {
		began := time.Now()
		if err := decode(); err != nil {
			b.Fatal(err)
		}
		m.best = min(m.best, time.Since(began))
	}
	m.mean = b.Elapsed() / time.Duration(b.N)
}

func BenchmarkDecodeInform(b *testing.B) {
	doc, err := soap.Append(nil, informOf(8))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := soap.DecodeBytes(doc, "text/xml", soap.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendInform(b *testing.B) {
	env := informOf(8)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = soap.Append(buf[:0], env); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeStream is BenchmarkDecodeGPVResponse1000 from a reader, with
// the entries handed out.
func BenchmarkDecodeStream(b *testing.B) {
	doc := gpvResponse(1000)
	lists := soap.Lists{Value: func(cwmp.ParameterValue) error { return nil }}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := soap.DecodeStream(bytes.NewReader(doc), "text/xml; charset=utf-8", soap.Limits{}, lists)
		if err != nil {
			b.Fatal(err)
		}
	}
}
