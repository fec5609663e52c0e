// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Append appends env as one SOAP 1.1 envelope to dst and returns the extended
// slice. It writes any Message of package cwmp, in both directions, and an
// empty Body for nil. On an error dst is returned as it was. It does not
// retain env. Safe for concurrent use.
//
// The form is the one that the strictest peers need: no XML declaration, five
// prefixes declared on the Envelope, the RPC element with prefix and its
// children without, exact array counts, mandatory elements also where they are
// zero. Characters that XML 1.0 cannot hold are written as U+FFFD.
func Append(dst []byte, env *cwmp.Envelope) ([]byte, error) {
	return Style{}.Append(dst, env)
}

func (w *writer) envelope(env *cwmp.Envelope) error {
	w.raw(`<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"` +
		` xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/"` +
		` xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="`)
	ns, rest, quoted := strings.Cut(cmp.Or(env.Namespace, cwmp.Namespace10), `"`)
	for w.b = appendEscaped(w.b, ns); quoted; w.b = appendEscaped(w.b, ns) {
		w.raw("&quot;")
		ns, rest, quoted = strings.Cut(rest, `"`)
	}
	w.raw(`">`)
	w.header(env)
	w.open("soap-env:Body")
	if err := w.body(env.Body); err != nil {
		return err
	}
	w.close("soap-env:Body")
	w.close("soap-env:Envelope")
	return nil
}

// header writes the header elements that go with the Body, and no Header if
// there are none.
func (w *writer) header(env *cwmp.Envelope) {
	start := len(w.b)
	w.open("soap-env:Header")
	empty := len(w.b)
	if !env.NoID {
		w.headerElement("cwmp:ID", true, env.ID)
	}
	if env.HoldRequests {
		w.headerElement("cwmp:HoldRequests", true, w.style.bool(true))
	}
	switch env.Body.(type) {
	case *cwmp.Inform:
		if env.SessionTimeout != 0 {
			w.headerElement("cwmp:SessionTimeout", false, strconv.FormatUint(uint64(env.SessionTimeout), 10))
		}
		if env.SupportedVersions != "" {
			w.headerElement("cwmp:SupportedCWMPVersions", false, env.SupportedVersions)
		}
	case *cwmp.InformResponse:
		if env.UseVersion != "" {
			w.headerElement("cwmp:UseCWMPVersion", true, env.UseVersion)
		}
	}
	if len(w.b) == empty {
		w.b = w.b[:start]
		return
	}
	w.close("soap-env:Header")
}

func (w *writer) headerElement(n string, mustUnderstand bool, s string) {
	w.raw("<")
	w.raw(n)
	w.raw(` soap-env:mustUnderstand="`)
	if mustUnderstand {
		w.raw(`1">`)
	} else {
		w.raw(`0">`)
	}
	w.b = appendEscaped(w.b, s)
	w.close(n)
}

// body writes the RPC element, or the SOAP Fault.
func (w *writer) body(m cwmp.Message) error {
	switch m := m.(type) {
	case nil:
		return nil
	case *cwmp.Fault:
		w.fault(m)
		return nil
	case *cwmp.Unknown:
		if !isName(m.Name) {
			return fmt.Errorf("soap: write envelope: %q is no element name", m.Name)
		}
	}
	n := "cwmp:" + m.Method()
	w.open(n)
	if !w.request(m) && !w.response(m) {
		return errors.New("soap: write envelope: no wire form for " + m.Method())
	}
	w.close(n)
	return nil
}

// request writes the arguments of a request, if m is one that it knows.
func (w *writer) request(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.SetParameterValues:
		w.setParameterValues(m)
	case *cwmp.GetParameterValues:
		w.strings("ParameterNames", m.Names)
	case *cwmp.GetParameterNames:
		w.getParameterNames(m)
	case *cwmp.SetParameterAttributes:
		w.setParameterAttributes(m)
	case *cwmp.GetParameterAttributes:
		w.strings("ParameterNames", m.Names)
	case *cwmp.AddObject:
		w.object(m.ObjectName, m.ParameterKey)
	case *cwmp.DeleteObject:
		w.object(m.ObjectName, m.ParameterKey)
	case *cwmp.Download:
		w.download(m)
	case *cwmp.Reboot:
		w.text("CommandKey", m.CommandKey)
	case *cwmp.GetRPCMethods, *cwmp.FactoryReset, *cwmp.Unknown:
	default:
		return w.optionalRequest(m) || w.requestOfCPE(m)
	}
	return true
}

// optionalRequest is request for the methods that not every CPE has.
func (w *writer) optionalRequest(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.ScheduleInform:
		w.uint32("DelaySeconds", m.DelaySeconds)
		w.text("CommandKey", m.CommandKey)
	case *cwmp.SetVouchers:
		w.setVouchers(m)
	case *cwmp.GetOptions:
		w.text("OptionName", m.OptionName)
	case *cwmp.Upload:
		w.upload(m)
	case *cwmp.ScheduleDownload:
		w.scheduleDownload(m)
	case *cwmp.CancelTransfer:
		w.text("CommandKey", m.CommandKey)
	case *cwmp.ChangeDUState:
		w.changeDUState(m)
	case *cwmp.GetQueuedTransfers, *cwmp.GetAllQueuedTransfers:
	default:
		return false
	}
	return true
}

// requestOfCPE is request for the methods of an ACS.
func (w *writer) requestOfCPE(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.Inform:
		w.inform(m)
	case *cwmp.TransferComplete:
		w.transferComplete(m)
	case *cwmp.AutonomousTransferComplete:
		w.autonomousTransferComplete(m)
	case *cwmp.Kicked:
		w.kicked(m)
	case *cwmp.RequestDownload:
		w.requestDownload(m)
	case *cwmp.DUStateChangeComplete:
		w.duResults(m.Results, false)
		w.text("CommandKey", m.CommandKey)
	case *cwmp.AutonomousDUStateChangeComplete:
		w.duResults(m.Results, true)
	default:
		return false
	}
	return true
}

// response writes the arguments of a response, if m is one that it knows.
func (w *writer) response(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.InformResponse:
		w.uint32("MaxEnvelopes", 1)
	case *cwmp.GetRPCMethodsResponse:
		w.strings("MethodList", m.Methods)
	case *cwmp.SetParameterValuesResponse:
		w.int("Status", m.Status)
	case *cwmp.GetParameterValuesResponse:
		w.parameterValues(m.Params, true)
	case *cwmp.GetParameterNamesResponse:
		w.getParameterNamesResponse(m)
	case *cwmp.GetParameterAttributesResponse:
		w.getParameterAttributesResponse(m)
	case *cwmp.AddObjectResponse:
		w.uint32("InstanceNumber", m.InstanceNumber)
		w.int("Status", m.Status)
	case *cwmp.DeleteObjectResponse:
		w.int("Status", m.Status)
	case *cwmp.DownloadResponse:
		w.transferStatus(m.Status, m.StartTime, m.CompleteTime)
	case *cwmp.UploadResponse:
		w.transferStatus(m.Status, m.StartTime, m.CompleteTime)
	case *cwmp.GetQueuedTransfersResponse:
		w.getQueuedTransfersResponse(m)
	case *cwmp.GetAllQueuedTransfersResponse:
		w.getAllQueuedTransfersResponse(m)
	case *cwmp.GetOptionsResponse:
		w.getOptionsResponse(m)
	case *cwmp.KickedResponse:
		w.text("NextURL", m.NextURL)
	default:
		return isEmptyResponse(m)
	}
	return true
}

// isEmptyResponse reports whether m is a response without arguments.
func isEmptyResponse(m cwmp.Message) bool {
	switch m.(type) {
	case *cwmp.SetParameterAttributesResponse, *cwmp.RebootResponse, *cwmp.FactoryResetResponse,
		*cwmp.ScheduleInformResponse, *cwmp.SetVouchersResponse, *cwmp.ScheduleDownloadResponse,
		*cwmp.CancelTransferResponse, *cwmp.ChangeDUStateResponse, *cwmp.TransferCompleteResponse,
		*cwmp.AutonomousTransferCompleteResponse, *cwmp.RequestDownloadResponse,
		*cwmp.DUStateChangeCompleteResponse, *cwmp.AutonomousDUStateChangeCompleteResponse:
		return true
	default:
		return false
	}
}

// isName reports whether s can follow "cwmp:" in a tag.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isNameStart(c) && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) || c == ':' {
			return false
		}
	}
	return s != "" && isXML(s)
}
