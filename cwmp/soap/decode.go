// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Decode reads one envelope from r, which is read until its end or until the
// envelope has exceeded lim.MaxBytes. contentType is the HTTP header of that
// name; its charset parameter comes before the encoding of the XML declaration
// [quirk 17]. What follows the end of the Envelope is ignored [quirk 19].
//
// An envelope that ends before its end tag is malformed, however much of it
// there is: the rest of a list that was cut off would pass for deleted.
//
// The strings of the result share memory, up to that of the whole envelope, but
// for the Namespace, the ID and the DeviceID: clone what is kept for long.
// Errors wrap ErrMalformed, ErrLimit or what r returned. Safe for concurrent
// use.
func Decode(r io.Reader, contentType string, lim Limits) (*cwmp.Envelope, error) {
	b, err := io.ReadAll(io.LimitReader(r, lim.withDefaults().MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("soap: read envelope: %w", err)
	}
	return DecodeBytes(b, contentType, lim)
}

// DecodeBytes is Decode for an envelope in memory. It does not retain b.
func DecodeBytes(b []byte, contentType string, lim Limits) (*cwmp.Envelope, error) {
	lim = lim.withDefaults()
	if int64(len(b)) > lim.MaxBytes {
		return nil, fmt.Errorf("%w: envelope of more than %d bytes", ErrLimit, lim.MaxBytes)
	}
	d := newDecoder(lim)
	var shared bool
	d.s, shared = toUTF8(b, contentType)
	d.made = newCopies(len(d.s))
	if shared {
		texts := newCopies(len(d.s))
		d.texts = &texts
	}
	return d.decode()
}

// decoder reads one envelope. It goes by local names, takes children in any
// order [quirk 20] and passes over what it does not know.
type decoder struct {
	scanner
	lim    Limits
	env    cwmp.Envelope
	params int // entries of lists so far
	lists  Lists
	kept   *copies // of the strings of long lists; nil: they stay where they are
}

func newDecoder(lim Limits) decoder {
	d := decoder{lim: lim}
	d.maxDepth, d.maxValue = lim.MaxDepth, lim.MaxValue
	return d
}

// decode reads the envelope. The result does not keep d.
func (d *decoder) decode() (*cwmp.Envelope, error) {
	if err := d.envelope(); err != nil {
		if m, ok := errors.AsType[*mismatch](err); ok {
			m.own()
		}
		return nil, err
	}
	env := d.env
	return &env, nil
}

func (d *decoder) envelope() error {
	name, err := d.root()
	if err != nil {
		return err
	}
	if name != "Envelope" {
		return d.malformed(fmt.Sprintf("<%.64s> instead of an Envelope", name))
	}
	d.env.NoID = true
	hasBody := false
	outer := d.attrs
	err = d.each(func(name string) error {
		switch name {
		case "Header":
			return d.header(outer)
		case "Body":
			hasBody = true
			return d.body(outer)
		default:
			return nil
		}
	})
	if err == nil && !hasBody {
		err = d.malformed("no Body")
	}
	return err
}

func (d *decoder) header(envelope string) error {
	d.namespace("", envelope, d.attrs)
	return d.each(func(name string) error {
		d.namespace("", d.attrs)
		var text string
		var err error
		switch {
		case name == "ID":
			d.env.NoID = false
			d.env.ID, err = d.text(trimPretty)
			d.env.ID = strings.Clone(d.env.ID)
		case name == "HoldRequests":
			text, err = d.text(trimAll)
			d.env.HoldRequests = parseBool(text)
		case strings.EqualFold(name, "SessionTimeout"):
			text, err = d.text(trimAll)
			d.env.SessionTimeout = parseUint32(text)
		case name == "SupportedCWMPVersions":
			text, err = d.text(trimAll)
			d.env.SupportedVersions = strings.Clone(text)
		case name == "UseCWMPVersion":
			text, err = d.text(trimAll)
			d.env.UseVersion = strings.Clone(text)
		}
		return err
	})
}

func (d *decoder) body(envelope string) error {
	body := d.attrs
	return d.each(func(name string) error {
		if d.env.Body != nil {
			return nil
		}
		prefix, _, _ := strings.Cut(d.open[len(d.open)-1], ":")
		d.namespace(prefix, envelope, body, d.attrs)
		m, err := d.message(name)
		d.env.Body = m
		return err
	})
}

// namespace looks for a declaration of a cwmp namespace in attribute texts,
// the outermost first. One that binds prefix replaces one found before; any
// other counts only if none was.
func (d *decoder) namespace(prefix string, attrs ...string) {
	const stem = "urn:dslforum-org:cwmp-1-"
	for _, rest := range attrs {
		if !strings.Contains(rest, stem) {
			continue
		}
		for {
			name, value, next, ok := nextAttr(rest)
			if !ok {
				break
			}
			rest = next
			bound, isDecl := strings.CutPrefix(name, "xmlns")
			value = trimSpace(value)
			if !isDecl || !strings.HasPrefix(value, stem) || !isVersion(value[len(stem):]) {
				continue
			}
			if d.env.Namespace == "" || prefix != "" && strings.TrimPrefix(bound, ":") == prefix {
				d.env.Namespace = strings.Clone(value)
			}
		}
	}
}

func isVersion(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 2
}

// message reads the content of the element in the Body.
func (d *decoder) message(name string) (cwmp.Message, error) {
	if read, ok := readers[name]; ok {
		return read(d)
	}
	if len(name) > d.lim.MaxName {
		return nil, d.limit("name too long")
	}
	return &cwmp.Unknown{Name: strings.Clone(name)}, nil
}

// readers has one entry per RPC, in the order of TR-069 annex A.
var readers = map[string]func(*decoder) (cwmp.Message, error){
	"GetRPCMethods":                  none(func() cwmp.Message { return &cwmp.GetRPCMethods{} }),
	"GetRPCMethodsResponse":          (*decoder).getRPCMethodsResponse,
	"SetParameterValues":             (*decoder).setParameterValues,
	"SetParameterValuesResponse":     (*decoder).setParameterValuesResponse,
	"GetParameterValues":             (*decoder).getParameterValues,
	"GetParameterValuesResponse":     (*decoder).getParameterValuesResponse,
	"GetParameterNames":              (*decoder).getParameterNames,
	"GetParameterNamesResponse":      (*decoder).getParameterNamesResponse,
	"SetParameterAttributes":         (*decoder).setParameterAttributes,
	"SetParameterAttributesResponse": none(func() cwmp.Message { return &cwmp.SetParameterAttributesResponse{} }),
	"GetParameterAttributes":         (*decoder).getParameterAttributes,
	"GetParameterAttributesResponse": (*decoder).getParameterAttributesResponse,
	"AddObject":                      (*decoder).addObject,
	"AddObjectResponse":              (*decoder).addObjectResponse,
	"DeleteObject":                   (*decoder).deleteObject,
	"DeleteObjectResponse":           (*decoder).deleteObjectResponse,
	"Reboot":                         (*decoder).reboot,
	"RebootResponse":                 none(func() cwmp.Message { return &cwmp.RebootResponse{} }),
	"FactoryReset":                   none(func() cwmp.Message { return &cwmp.FactoryReset{} }),
	"FactoryResetResponse":           none(func() cwmp.Message { return &cwmp.FactoryResetResponse{} }),
	"Download":                       (*decoder).download,
	"DownloadResponse":               (*decoder).downloadResponse,
	"GetQueuedTransfers":             none(func() cwmp.Message { return &cwmp.GetQueuedTransfers{} }),
	"GetQueuedTransfersResponse":     (*decoder).getQueuedTransfersResponse,
	"ScheduleInform":                 (*decoder).scheduleInform,
	"ScheduleInformResponse":         none(func() cwmp.Message { return &cwmp.ScheduleInformResponse{} }),
	"SetVouchers":                    (*decoder).setVouchers,
	"SetVouchersResponse":            none(func() cwmp.Message { return &cwmp.SetVouchersResponse{} }),
	"GetOptions":                     (*decoder).getOptions,
	"GetOptionsResponse":             (*decoder).getOptionsResponse,
	"Upload":                         (*decoder).upload,
	"UploadResponse":                 (*decoder).uploadResponse,
	"GetAllQueuedTransfers":          none(func() cwmp.Message { return &cwmp.GetAllQueuedTransfers{} }),
	"GetAllQueuedTransfersResponse":  (*decoder).getAllQueuedTransfersResponse,
	"ScheduleDownload":               (*decoder).scheduleDownload,
	"ScheduleDownloadResponse":       none(func() cwmp.Message { return &cwmp.ScheduleDownloadResponse{} }),
	"CancelTransfer":                 (*decoder).cancelTransfer,
	"CancelTransferResponse":         none(func() cwmp.Message { return &cwmp.CancelTransferResponse{} }),
	"ChangeDUState":                  (*decoder).changeDUState,
	"ChangeDUStateResponse":          none(func() cwmp.Message { return &cwmp.ChangeDUStateResponse{} }),
	"Inform":                         (*decoder).inform,
	"InformResponse":                 (*decoder).informResponse,
	"TransferComplete":               (*decoder).transferComplete,
	"TransferCompleteResponse":       none(func() cwmp.Message { return &cwmp.TransferCompleteResponse{} }),
	"AutonomousTransferComplete":     (*decoder).autonomousTransferComplete,
	"AutonomousTransferCompleteResponse": none(func() cwmp.Message {
		return &cwmp.AutonomousTransferCompleteResponse{}
	}),
	"Kicked":                  (*decoder).kicked,
	"KickedResponse":          (*decoder).kickedResponse,
	"RequestDownload":         (*decoder).requestDownload,
	"RequestDownloadResponse": none(func() cwmp.Message { return &cwmp.RequestDownloadResponse{} }),
	"DUStateChangeComplete":   (*decoder).duStateChangeComplete,
	"DUStateChangeCompleteResponse": none(func() cwmp.Message {
		return &cwmp.DUStateChangeCompleteResponse{}
	}),
	"AutonomousDUStateChangeComplete": (*decoder).autonomousDUStateChangeComplete,
	"AutonomousDUStateChangeCompleteResponse": none(func() cwmp.Message {
		return &cwmp.AutonomousDUStateChangeCompleteResponse{}
	}),
	"Fault": (*decoder).fault,
}

// none reads a message without arguments.
func none(m func() cwmp.Message) func(*decoder) (cwmp.Message, error) {
	return func(*decoder) (cwmp.Message, error) { return m(), nil }
}
