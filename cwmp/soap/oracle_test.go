// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"encoding/xml"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/wsdl"
)

// oracleEnvelope reads an envelope with encoding/xml into the types that
// gowsdl made of the WSDL: the second opinion on every document that
// encoding/xml can read.
type oracleEnvelope struct {
	XMLName xml.Name `xml:"Envelope"`
	Header  struct {
		ID             *string `xml:"ID"`
		HoldRequests   bool    `xml:"HoldRequests"`
		SessionTimeout uint32  `xml:"SessionTimeout"`
	} `xml:"Header"`
	Body oracleBody `xml:"Body"`
}

type oracleBody struct {
	GetRPCMethods                           *wsdl.GetRPCMethods
	GetRPCMethodsResponse                   *wsdl.GetRPCMethodsResponse
	SetParameterValues                      *wsdl.SetParameterValues
	SetParameterValuesResponse              *wsdl.SetParameterValuesResponse
	GetParameterValues                      *wsdl.GetParameterValues
	GetParameterValuesResponse              *wsdl.GetParameterValuesResponse
	GetParameterNames                       *wsdl.GetParameterNames
	GetParameterNamesResponse               *wsdl.GetParameterNamesResponse
	SetParameterAttributes                  *wsdl.SetParameterAttributes
	SetParameterAttributesResponse          *wsdl.SetParameterAttributesResponse
	GetParameterAttributes                  *wsdl.GetParameterAttributes
	GetParameterAttributesResponse          *wsdl.GetParameterAttributesResponse
	AddObject                               *wsdl.AddObject
	AddObjectResponse                       *wsdl.AddObjectResponse
	DeleteObject                            *wsdl.DeleteObject
	DeleteObjectResponse                    *wsdl.DeleteObjectResponse
	Download                                *wsdl.Download
	DownloadResponse                        *wsdl.DownloadResponse
	Reboot                                  *wsdl.Reboot
	RebootResponse                          *wsdl.RebootResponse
	FactoryReset                            *wsdl.FactoryReset
	FactoryResetResponse                    *wsdl.FactoryResetResponse
	Inform                                  *wsdl.Inform
	InformResponse                          *wsdl.InformResponse
	TransferComplete                        *wsdl.TransferComplete
	TransferCompleteResponse                *wsdl.TransferCompleteResponse
	GetQueuedTransfers                      *wsdl.GetQueuedTransfers
	GetQueuedTransfersResponse              *wsdl.GetQueuedTransfersResponse
	ScheduleInform                          *wsdl.ScheduleInform
	ScheduleInformResponse                  *wsdl.ScheduleInformResponse
	SetVouchers                             *wsdl.SetVouchers
	SetVouchersResponse                     *wsdl.SetVouchersResponse
	GetOptions                              *wsdl.GetOptions
	GetOptionsResponse                      *wsdl.GetOptionsResponse
	Upload                                  *wsdl.Upload
	UploadResponse                          *wsdl.UploadResponse
	GetAllQueuedTransfers                   *wsdl.GetAllQueuedTransfers
	GetAllQueuedTransfersResponse           *wsdl.GetAllQueuedTransfersResponse
	ScheduleDownload                        *wsdl.ScheduleDownload
	ScheduleDownloadResponse                *wsdl.ScheduleDownloadResponse
	CancelTransfer                          *wsdl.CancelTransfer
	CancelTransferResponse                  *wsdl.CancelTransferResponse
	ChangeDUState                           *wsdl.ChangeDUState
	ChangeDUStateResponse                   *wsdl.ChangeDUStateResponse
	AutonomousTransferComplete              *wsdl.AutonomousTransferComplete
	AutonomousTransferCompleteResponse      *wsdl.AutonomousTransferCompleteResponse
	Kicked                                  *wsdl.Kicked
	KickedResponse                          *wsdl.KickedResponse
	RequestDownload                         *wsdl.RequestDownload
	RequestDownloadResponse                 *wsdl.RequestDownloadResponse
	DUStateChangeComplete                   *wsdl.DUStateChangeComplete
	DUStateChangeCompleteResponse           *wsdl.DUStateChangeCompleteResponse
	AutonomousDUStateChangeComplete         *wsdl.AutonomousDUStateChangeComplete
	AutonomousDUStateChangeCompleteResponse *wsdl.AutonomousDUStateChangeCompleteResponse
	Fault                                   *struct {
		Detail struct {
			Fault wsdl.Fault `xml:"Fault"`
		} `xml:"detail"`
	} `xml:"Fault"`
	Any *struct{ XMLName xml.Name } `xml:",any"`

	// pretty is whether a line break at the beginning of a value was written as
	// one, and not as a reference, which encoding/xml does not tell.
	pretty bool
}

// message converts what the oracle read, with its strings as they are, to the
// message that soap should have read. It is the field-by-field statement of
// how the two sets of types correspond.
func (b *oracleBody) message() cwmp.Message {
	if m := b.parameterMessage(); m != nil {
		return m
	}
	if m := b.optionalMessage(); m != nil {
		return m
	}
	if m := b.softwareMessage(); m != nil {
		return m
	}
	switch {
	case b.GetRPCMethods != nil:
		return &cwmp.GetRPCMethods{}
	case b.GetRPCMethodsResponse != nil:
		return &cwmp.GetRPCMethodsResponse{Methods: words(b.GetRPCMethodsResponse.MethodList)}
	case b.Download != nil:
		m := b.Download
		return &cwmp.Download{
			CommandKey: m.CommandKey, FileType: m.FileType, URL: m.URL, Username: m.Username, Password: m.Password,
			FileSize: m.FileSize, TargetFileName: m.TargetFileName, DelaySeconds: m.DelaySeconds,
			SuccessURL: m.SuccessURL, FailureURL: m.FailureURL,
		}
	case b.DownloadResponse != nil:
		m := b.DownloadResponse
		return &cwmp.DownloadResponse{Status: int(m.Status), StartTime: m.StartTime, CompleteTime: m.CompleteTime}
	case b.Reboot != nil:
		return &cwmp.Reboot{CommandKey: b.Reboot.CommandKey}
	case b.RebootResponse != nil:
		return &cwmp.RebootResponse{}
	case b.FactoryReset != nil:
		return &cwmp.FactoryReset{}
	case b.FactoryResetResponse != nil:
		return &cwmp.FactoryResetResponse{}
	case b.Inform != nil:
		return b.informMessage(b.Inform)
	case b.InformResponse != nil:
		return &cwmp.InformResponse{MaxEnvelopes: b.InformResponse.MaxEnvelopes}
	case b.TransferComplete != nil:
		m := b.TransferComplete
		return &cwmp.TransferComplete{
			CommandKey: m.CommandKey, Fault: outcome(m.FaultStruct), StartTime: m.StartTime, CompleteTime: m.CompleteTime,
		}
	case b.TransferCompleteResponse != nil:
		return &cwmp.TransferCompleteResponse{}
	case b.Fault != nil:
		return faultMessage(&b.Fault.Detail.Fault)
	case b.Any != nil:
		return &cwmp.Unknown{Name: b.Any.XMLName.Local}
	default:
		return nil
	}
}

func (b *oracleBody) parameterMessage() cwmp.Message {
	switch {
	case b.SetParameterValues != nil:
		m := b.SetParameterValues
		return &cwmp.SetParameterValues{Params: b.values(m.ParameterList), ParameterKey: m.ParameterKey}
	case b.SetParameterValuesResponse != nil:
		return &cwmp.SetParameterValuesResponse{Status: int(b.SetParameterValuesResponse.Status)}
	case b.GetParameterValues != nil:
		return &cwmp.GetParameterValues{Names: words(b.GetParameterValues.ParameterNames)}
	case b.GetParameterValuesResponse != nil:
		return &cwmp.GetParameterValuesResponse{Params: b.values(b.GetParameterValuesResponse.ParameterList)}
	case b.GetParameterNames != nil:
		return &cwmp.GetParameterNames{Path: b.GetParameterNames.ParameterPath, NextLevel: b.GetParameterNames.NextLevel}
	case b.GetParameterNamesResponse != nil:
		m := &cwmp.GetParameterNamesResponse{}
		for _, p := range deref(b.GetParameterNamesResponse.ParameterList).ParameterInfoStruct {
			writable := strings.TrimSpace(p.Writable)
			m.Params = append(m.Params, cwmp.ParameterInfo{
				Name: strings.TrimSpace(p.Name), Writable: writable == "1" || writable == "true",
			})
		}
		return m
	case b.SetParameterAttributes != nil:
		m := &cwmp.SetParameterAttributes{}
		for _, p := range deref(b.SetParameterAttributes.ParameterList).SetParameterAttributesStruct {
			m.Params = append(m.Params, cwmp.SetAttribute{
				Name: p.Name, NotificationChange: p.NotificationChange, Notification: int(p.Notification),
				AccessListChange: p.AccessListChange, AccessList: words(p.AccessList),
			})
		}
		return m
	case b.SetParameterAttributesResponse != nil:
		return &cwmp.SetParameterAttributesResponse{}
	case b.GetParameterAttributes != nil:
		return &cwmp.GetParameterAttributes{Names: words(b.GetParameterAttributes.ParameterNames)}
	case b.GetParameterAttributesResponse != nil:
		m := &cwmp.GetParameterAttributesResponse{}
		for _, p := range deref(b.GetParameterAttributesResponse.ParameterList).ParameterAttributeStruct {
			m.Params = append(m.Params, cwmp.ParameterAttribute{
				Name: p.Name, Notification: int(p.Notification), AccessList: words(p.AccessList),
			})
		}
		return m
	case b.AddObject != nil:
		return &cwmp.AddObject{ObjectName: b.AddObject.ObjectName, ParameterKey: b.AddObject.ParameterKey}
	case b.AddObjectResponse != nil:
		m := b.AddObjectResponse
		return &cwmp.AddObjectResponse{InstanceNumber: m.InstanceNumber, Status: int(m.Status)}
	case b.DeleteObject != nil:
		return &cwmp.DeleteObject{ObjectName: b.DeleteObject.ObjectName, ParameterKey: b.DeleteObject.ParameterKey}
	case b.DeleteObjectResponse != nil:
		return &cwmp.DeleteObjectResponse{Status: int(b.DeleteObjectResponse.Status)}
	default:
		return nil
	}
}

func (b *oracleBody) informMessage(m *wsdl.Inform) *cwmp.Inform {
	id := deref(m.DeviceId)
	in := &cwmp.Inform{
		DeviceID: cwmp.DeviceID{
			Manufacturer: id.Manufacturer, OUI: id.OUI, ProductClass: id.ProductClass, SerialNumber: id.SerialNumber,
		},
		MaxEnvelopes: m.MaxEnvelopes, CurrentTime: m.CurrentTime, RetryCount: m.RetryCount,
		Params: b.values(m.ParameterList),
	}
	for _, e := range deref(m.Event).EventStruct {
		in.Events = append(in.Events, cwmp.Event{Code: e.EventCode, CommandKey: e.CommandKey})
	}
	return in
}

func faultMessage(m *wsdl.Fault) *cwmp.Fault {
	f := &cwmp.Fault{Code: int(m.FaultCode), Text: m.FaultString}
	for _, p := range m.SetParameterValuesFault {
		f.Params = append(f.Params, cwmp.ParameterFault{Name: p.ParameterName, Code: int(p.FaultCode), Text: p.FaultString})
	}
	return f
}

func (b *oracleBody) values(list *wsdl.ParameterValueList) (out []cwmp.ParameterValue) {
	if list == nil {
		return nil
	}
	for _, p := range list.ParameterValueStruct {
		value := p.Value
		_, local, _ := strings.Cut(value.Type, ":")
		v := cwmp.ParameterValue{Name: strings.TrimSpace(p.Name), Value: value.Value, Type: cwmp.ParseType(local)}
		if b.pretty && strings.HasPrefix(v.Value, "\n") || v.Type > cwmp.TypeString {
			v.Value = strings.TrimSpace(v.Value) // [quirk 15]
		}
		v.Name = strings.TrimLeft(v.Name, ".") // [quirk 21]
		out = append(out, v)
	}
	return out
}

// deref returns what p points to, and nothing for what is absent.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func words(list *wsdl.StringList) []string {
	if list == nil {
		return nil
	}
	return list.Astring
}
