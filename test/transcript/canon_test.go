// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// canon prints a Message as text that is the same for Messages that say the same:
// every field that is there, but for msg_id, texts of errors, and the values of
// unsettled; what is repeated is sorted, for its order means nothing.
func canon(m *uspmsg.Msg) string {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(m.GetHeader().GetMsgType().String(), "Header_") + "\n")
	writeMessage(&b, "  ", m.GetBody().ProtoReflect())
	return b.String()
}

func writeMessage(b *strings.Builder, in string, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := string(f.Name())
		if !m.Has(f) || name == "err_msg" {
			continue
		}
		v := m.Get(f)
		switch {
		case f.IsMap():
			fmt.Fprintf(b, "%s%s\n", in, name)
			b.WriteString(entries(in+"  ", v.Map()))
		case f.IsList():
			b.WriteString(list(in, f, v.List()))
		case f.Kind() == protoreflect.MessageKind:
			fmt.Fprintf(b, "%s%s\n", in, name)
			writeMessage(b, in+"  ", v.Message())
		default:
			fmt.Fprintf(b, "%s%s %s\n", in, name, scalar(f, v))
		}
	}
}

func list(in string, f protoreflect.FieldDescriptor, l protoreflect.List) string {
	items := make([]string, l.Len())
	for i := range items {
		if p, ok := l.Get(i).Interface().(protoreflect.Message); ok && isVendorParam(p) {
			continue
		}
		if f.Kind() != protoreflect.MessageKind {
			items[i] = fmt.Sprintf("%s%s %s\n", in, f.Name(), scalar(f, l.Get(i)))
			continue
		}
		var item strings.Builder
		fmt.Fprintf(&item, "%s%s\n", in, f.Name())
		writeMessage(&item, in+"  ", l.Get(i).Message())
		items[i] = item.String()
	}
	slices.Sort(items)
	return strings.Join(items, "")
}

func isVendorParam(m protoreflect.Message) bool {
	p, ok := m.Interface().(*uspmsg.GetSupportedDMResp_SupportedParamResult)
	return ok && isVendor(p.GetParamName())
}

func entries(in string, m protoreflect.Map) string {
	var lines []string
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if isVendor(k.String()) {
			return true
		}
		lines = append(lines, fmt.Sprintf("%s%s = %s\n", in, k.String(), typed(k.String(), v.String())))
		return true
	})
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func scalar(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Kind() == protoreflect.EnumKind {
		return string(f.Enum().Values().ByNumber(v.Enum()).Name())
	}
	switch f.Name() {
	case "oui", "product_class", "serial_number": // of an OnBoardRequest
		return "<string>"
	case "param_value":
		return typed("", v.String())
	default:
		return v.String()
	}
}

// isVendor reports a parameter of a vendor, which any Agent may have.
func isVendor(param string) bool { return strings.HasPrefix(param, "X_") }

// typed replaces a value that differs from run to run by its type.
func typed(name, v string) string {
	switch {
	case dateTime.MatchString(v) && !strings.HasPrefix(v, "0001-"):
		return "<dateTime>"
	case unsettled.MatchString(name) && number.MatchString(v):
		return "<number>"
	case unsettled.MatchString(name):
		return "<string>"
	case generated.MatchString(v):
		return "cpe-<number>"
	default:
		return v
	}
}

//nolint:gochecknoglobals // constants
var (
	dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$`)
	number   = regexp.MustCompile(`^-?\d+(\.\d+)?$`)
	// generated is an Alias that an Agent has made up.
	generated = regexp.MustCompile(`^cpe-\d+$`)
	// unsettled are parameters and arguments whose values are the Agent's own affair.
	unsettled = regexp.MustCompile(`^(UpTime|RootDataModelVersion|EndpointID|SoftwareVersion|MACAddress|BSSID` +
		`|IPAddressUsed|SuccessCount|FailureCount|.*ResponseTime(Detailed)?|Reason` +
		`|SupportedNumberOfSubscriptions|SupportedProtocols|agent_supported_protocol_versions)$`)
)
