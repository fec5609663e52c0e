// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/cwmp/trace"
)

// stackVector is the content of a Body as a device or a server writes it. The
// prefix of RPCs is cwmp.
type stackVector struct {
	body string
	want cwmp.Message
}

// stack is the way in which one family of software writes envelopes.
type stack struct {
	name   string
	prefix string // of RPCs
	head   string // up to the Body, with NS for the namespace
	tail   string
}

func stacks() []stack {
	return []stack{
		{
			name: "gSOAP", prefix: "cwmp:",
			head: `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
				`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"` +
				` xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"` +
				` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
				` xmlns:cwmp="NS"><SOAP-ENV:Header><cwmp:ID SOAP-ENV:mustUnderstand="1">42</cwmp:ID></SOAP-ENV:Header>` +
				`<SOAP-ENV:Body SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`,
			tail: `</SOAP-ENV:Body></SOAP-ENV:Envelope>`,
		},
		{
			name: "printf", prefix: "tns:",
			head: "\r\n<soap_env:Envelope\r\n xmlns:soap_env='http://schemas.xmlsoap.org/soap/envelope/'\r\n" +
				" xmlns:soap='http://schemas.xmlsoap.org/soap/encoding/' xmlns:tns='NS'>\r\n <soap_env:Header>\r\n" +
				"  <tns:ID soap_env:mustUnderstand='1'>42</tns:ID>\r\n  <tns:NoMoreRequests>0</tns:NoMoreRequests>\r\n" +
				" </soap_env:Header>\r\n <soap_env:Body>\r\n  ",
			tail: "\r\n </soap_env:Body>\r\n</soap_env:Envelope>\r\n\x00",
		},
		{
			name: "default namespace", prefix: "",
			head: `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="NS">` +
				"\n\t<Header>\n\t\t<m:ID>42</m:ID>\n\t</Header>\n\t<Body>\n\t\t",
			tail: "\n\t</Body>\n</Envelope>\n",
		},
	}
}

func stackVectors() []stackVector {
	return slices.Concat(stackFromCPE(), stackSoftware(), stackFromACS())
}

// TestStacks reads every message as every stack writes it, in every namespace;
// what is written of it is read as the same.
func TestStacks(t *testing.T) {
	t.Parallel()
	namespaces := []string{
		cwmp.Namespace10, cwmp.Namespace11, cwmp.Namespace12, "urn:dslforum-org:cwmp-1-3", "urn:dslforum-org:cwmp-1-4",
	}
	for _, v := range stackVectors() {
		t.Run(v.want.Method(), func(t *testing.T) {
			t.Parallel()
			for i, s := range stacks() {
				ns := namespaces[i]
				if i == 0 {
					ns = namespaces[len(v.body)%len(namespaces)]
				}
				doc := strings.Replace(s.head, "NS", ns, 1) + strings.ReplaceAll(v.body, "cwmp:", s.prefix) + s.tail
				env := decode(t, doc)
				want := &cwmp.Envelope{Namespace: ns, ID: "42", Body: v.want}
				if !reflect.DeepEqual(env, want) {
					t.Fatalf("%s: got\n%s\n%#v\nwant\n%#v\n%s", s.name, trace.Envelope(env), env.Body, v.want, doc)
				}
				out, err := soap.Append(nil, env)
				if err != nil {
					t.Fatal(err)
				}
				strictly(t, out, ns)
				if again := decode(t, string(out)); !reflect.DeepEqual(again, written(want)) {
					t.Errorf("%s: got\n%#v\nwant\n%#v\n%s", s.name, again.Body, want.Body, out)
				}
			}
		})
	}
}

// written returns env as it is read after it was written: untyped values have
// become strings, times that are absent the unknown time.
func written(env *cwmp.Envelope) *cwmp.Envelope {
	out := *env
	switch m := env.Body.(type) {
	case *cwmp.GetParameterValuesResponse:
		out.Body = &cwmp.GetParameterValuesResponse{Params: typed(m.Params)}
	case *cwmp.Inform:
		in := *m
		in.Params, in.MaxEnvelopes = typed(m.Params), max(m.MaxEnvelopes, 1)
		out.Body = &in
	case *cwmp.DownloadResponse:
		r := *m
		r.StartTime, r.CompleteTime = known(m.StartTime), known(m.CompleteTime)
		out.Body = &r
	case *cwmp.TransferComplete:
		tc := *m
		tc.StartTime, tc.CompleteTime = known(m.StartTime), known(m.CompleteTime)
		out.Body = &tc
	}
	return &out
}

func typed(list []cwmp.ParameterValue) []cwmp.ParameterValue {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Type == cwmp.TypeUnknown && !list[i].NoValue {
			list[i].Type = cwmp.TypeString
		}
	}
	return list
}

func known(when string) string {
	if when == "" {
		return unknownTime
	}
	return when
}

// TestEveryMessageHasAStackVector fails for a message without one.
func TestEveryMessageHasAStackVector(t *testing.T) {
	t.Parallel()
	s, err := cwmpSchema()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, v := range stackVectors() {
		have[v.want.Method()] = true
	}
	for _, e := range s.Elements {
		if !have[e.Name] {
			t.Errorf("%s has no vector", e.Name)
		}
	}
}
