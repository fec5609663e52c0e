// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package trace prints CWMP envelopes in one stable text form, for logs,
// golden files, the demo and the trace command. Values that a log must not
// hold are masked. The form is for people; nothing parses it.
package trace

import (
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Envelope prints a line with the headers, "cwmp-1-0 id=\"1\"", and then the
// message in the form of Message. The text has no line break at its end.
func Envelope(env *cwmp.Envelope) string {
	p := printer{}
	ns := env.Namespace
	if ns == "" {
		ns = "no-namespace"
	}
	p.b.WriteString(clean(strings.TrimPrefix(ns, "urn:dslforum-org:")))
	if !env.NoID {
		p.arg("id", env.ID)
	}
	if env.HoldRequests {
		p.b.WriteString(" HoldRequests=1")
	}
	if env.SessionTimeout != 0 {
		p.num("SessionTimeout", int64(env.SessionTimeout))
	}
	p.argIf("SupportedCWMPVersions", env.SupportedVersions)
	p.argIf("UseCWMPVersion", env.UseVersion)
	p.b.WriteByte('\n')
	p.message(env.Body)
	return p.b.String()
}

// Message prints the method and its arguments in the order of the wire. One
// entry of a list stands on the same line; several stand on lines of their
// own, indented:
//
//	SetParameterValues Device.WiFi.SSID.1.SSID="x"
//	GetParameterNames "Device.WiFi." NextLevel=1
//	GetParameterValuesResponse
//	  Device.WiFi.SSID.1.Enable="1" boolean
//	  Device.WiFi.SSID.1.SSID="x"
//
// The type of a value is printed where it is not a string. Arguments that are
// empty or 0 are left out unless they say something. A nil message is an empty
// Body. The text has no line break at its end.
func Message(m cwmp.Message) string {
	p := printer{}
	p.message(m)
	return p.b.String()
}

type printer struct{ b strings.Builder }

func (p *printer) message(m cwmp.Message) {
	if m == nil {
		p.b.WriteString("(empty)")
		return
	}
	p.b.WriteString(clean(m.Method()))
	switch m := m.(type) {
	case *cwmp.Inform:
		p.inform(m)
	case *cwmp.InformResponse:
	case *cwmp.Fault:
		p.fault(m)
	default:
		if !p.parameters(m) && !p.transfers(m) && !p.software(m) {
			p.command(m)
		}
	}
}

// parameters prints the messages about the data model.
func (p *printer) parameters(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.SetParameterValues:
		p.argIf("ParameterKey", m.ParameterKey)
		p.values(m.Params)
	case *cwmp.SetParameterValuesResponse:
		p.num("Status", int64(m.Status))
	case *cwmp.GetParameterValues:
		list(p, m.Names, (*printer).word)
	case *cwmp.GetParameterValuesResponse:
		p.values(m.Params)
	case *cwmp.GetParameterNames:
		p.b.WriteString(" " + strconv.Quote(m.Path))
		p.flag("NextLevel", m.NextLevel)
	case *cwmp.GetParameterNamesResponse:
		list(p, m.Params, (*printer).info)
	case *cwmp.SetParameterAttributes:
		list(p, m.Params, (*printer).setAttribute)
	case *cwmp.GetParameterAttributes:
		list(p, m.Names, (*printer).word)
	case *cwmp.GetParameterAttributesResponse:
		list(p, m.Params, (*printer).attribute)
	case *cwmp.AddObject:
		p.object(m.ObjectName, m.ParameterKey)
	case *cwmp.AddObjectResponse:
		p.num("InstanceNumber", int64(m.InstanceNumber))
		p.num("Status", int64(m.Status))
	case *cwmp.DeleteObject:
		p.object(m.ObjectName, m.ParameterKey)
	case *cwmp.DeleteObjectResponse:
		p.num("Status", int64(m.Status))
	default:
		return false
	}
	return true
}

// command prints the others; what it does not know has no arguments.
func (p *printer) command(m cwmp.Message) {
	switch m := m.(type) {
	case *cwmp.GetRPCMethodsResponse:
		list(p, m.Methods, (*printer).word)
	case *cwmp.Reboot:
		p.argIf("CommandKey", m.CommandKey)
	case *cwmp.ScheduleInform:
		p.num("DelaySeconds", int64(m.DelaySeconds))
		p.argIf("CommandKey", m.CommandKey)
	case *cwmp.Kicked:
		p.arg("Command", m.Command)
		p.argIf("Referer", maskURL(m.Referer))
		p.argIf("Arg", m.Arg)
		p.argIf("Next", maskURL(m.Next))
	case *cwmp.KickedResponse:
		p.arg("NextURL", maskURL(m.NextURL))
	}
}

func (p *printer) inform(m *cwmp.Inform) {
	p.b.WriteString(" " + m.DeviceID.String())
	for i := range m.Events {
		e := &m.Events[i]
		p.b.WriteString(" [" + clean(e.Code))
		p.argIf("CommandKey", e.CommandKey)
		p.b.WriteByte(']')
	}
	p.argIf("Manufacturer", m.DeviceID.Manufacturer)
	if m.MaxEnvelopes != 1 {
		p.num("MaxEnvelopes", int64(m.MaxEnvelopes))
	}
	p.argIf("CurrentTime", m.CurrentTime)
	p.numIf("RetryCount", int64(m.RetryCount))
	p.values(m.Params)
}

func (p *printer) fault(m *cwmp.Fault) {
	p.b.WriteString(" " + strconv.Itoa(m.Code))
	p.b.WriteString(" " + strconv.Quote(m.Text))
	list(p, m.Params, func(p *printer, f *cwmp.ParameterFault) {
		p.b.WriteString(clean(f.Name) + ": " + strconv.Itoa(f.Code) + " " + strconv.Quote(f.Text))
	})
}

func (p *printer) object(name, key string) {
	p.b.WriteString(" " + clean(name))
	p.argIf("ParameterKey", key)
}

func (p *printer) values(params []cwmp.ParameterValue) { list(p, params, (*printer).value) }

func (p *printer) value(v *cwmp.ParameterValue) {
	if v.NoValue {
		p.b.WriteString(clean(v.Name) + " without value")
		return
	}
	p.assign(v.Name, v.Value)
	switch v.Type {
	case cwmp.TypeString:
	case cwmp.TypeUnknown:
		p.b.WriteString(" untyped")
	default:
		p.b.WriteString(" " + v.Type.String())
	}
}

// assign prints name=value, the value masked if the name is that of a secret.
func (p *printer) assign(name, value string) {
	p.b.WriteString(clean(name))
	if value != "" && Secret(name) {
		p.b.WriteString("=" + mask)
		return
	}
	p.b.WriteString("=" + strconv.Quote(maskURL(value)))
}

func (p *printer) info(i *cwmp.ParameterInfo) {
	p.b.WriteString(clean(i.Name))
	if i.Writable {
		p.b.WriteString(" writable")
	}
}

func (p *printer) attribute(a *cwmp.ParameterAttribute) {
	p.b.WriteString(clean(a.Name))
	p.num("Notification", int64(a.Notification))
	p.accessList(a.AccessList)
}

func (p *printer) setAttribute(a *cwmp.SetAttribute) {
	p.b.WriteString(clean(a.Name))
	if a.NotificationChange {
		p.num("Notification", int64(a.Notification))
	}
	if a.AccessListChange {
		p.accessList(a.AccessList)
	}
}

func (p *printer) accessList(names []string) { p.arg("AccessList", strings.Join(names, ",")) }

func (p *printer) word(s *string) { p.b.WriteString(clean(*s)) }

// list prints entries with f: one on this line, several on lines of their own.
func list[T any](p *printer, entries []T, f func(*printer, *T)) {
	for i := range entries {
		if len(entries) == 1 {
			p.b.WriteByte(' ')
		} else {
			p.b.WriteString("\n  ")
		}
		f(p, &entries[i])
	}
}

func (p *printer) arg(name, value string) { p.b.WriteString(" " + name + "=" + strconv.Quote(value)) }

func (p *printer) argIf(name, value string) {
	if value != "" {
		p.arg(name, value)
	}
}

func (p *printer) num(name string, v int64) {
	p.b.WriteString(" " + name + "=" + strconv.FormatInt(v, 10))
}

func (p *printer) numIf(name string, v int64) {
	if v != 0 {
		p.num(name, v)
	}
}

func (p *printer) flag(name string, v bool) {
	if v {
		p.b.WriteString(" " + name + "=1")
	} else {
		p.b.WriteString(" " + name + "=0")
	}
}

// clean returns s as it is if it is a word or a name, and quoted if it has
// characters that would make a line hard to read or forge another one.
func clean(s string) string {
	if q := strconv.Quote(s); len(q) != len(s)+2 || s == "" {
		return q
	}
	return s
}
