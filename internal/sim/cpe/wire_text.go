// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"regexp"
	"strconv"
	"strings"
)

// longID begins the IDs of quirk 84.
var longID = strings.Repeat("0123456789", 10)

// edit is one change of the text of an envelope, which is in the form that
// cwmp/soap writes.
type edit struct {
	on bool
	do func(s string) string
}

// text is the envelope as the CPE writes it.
func (w *wire) text(m message) []byte {
	if len(m.body) == 0 {
		return m.body
	}
	s := string(m.body)
	for _, list := range [][]edit{w.values(), w.messages(m), w.envelopes(m), w.bytes()} {
		for _, e := range list {
			if e.on {
				s = e.do(s)
			}
		}
	}
	return []byte(s)
}

var (
	timeValue     = regexp.MustCompile(`xsd:dateTime">([^<]*)<`)
	numberValue   = regexp.MustCompile(`xsd:unsignedInt">(\d+)<`)
	emptyValue    = regexp.MustCompile(`<Value [^>]*></Value>`)
	modelName     = regexp.MustCompile(`(\.ModelName</Name><Value [^>]*>)([^<]*)`)
	anyStruct     = regexp.MustCompile(`(?s)<ParameterValueStruct>.*?</ParameterValueStruct>`)
	standardValue = regexp.MustCompile(`(WLANConfiguration\.\d+\.Standard</Name><Value [^>]*>)[^<]*`)
	accessType    = regexp.MustCompile(`(WANAccessType</Name><Value [^>]*>)[^<]*`)
	standards     = regexp.MustCompile(`(OperatingStandards</Name><Value [^>]*>)[^<]*`)
)

// values are the edits of the values of parameters.
func (w *wire) values() []edit {
	q := w.q
	return []edit{
		{q.BooleanDigits, func(s string) string {
			return strings.NewReplacer(`boolean">true<`, `boolean">1<`, `boolean">false<`, `boolean">0<`).Replace(s)
		}},
		{q.BooleanWords, func(s string) string {
			return strings.NewReplacer(`boolean">1<`, `boolean">true<`, `boolean">0<`, `boolean">false<`).Replace(s)
		}},
		{q.OddTimes, func(s string) string {
			n := 0
			return timeValue.ReplaceAllStringFunc(s, func(string) string {
				n++
				return `xsd:dateTime">` + []string{"0000-00-00T00:00:00", "2019-03-05T11:54::14"}[n%2] + "<"
			})
		}},
		{q.OddNumbers, func(s string) string {
			s = strings.ReplaceAll(s, `xsd:unsignedInt">0<`, `xsd:unsignedInt">00<`)
			return numberValue.ReplaceAllString(s, `xsd:unsignedInt">+$1<`)
		}},
		{q.OddEnums, func(s string) string {
			s = standardValue.ReplaceAllString(s, "${1}b,g,n,ac")
			return standards.ReplaceAllString(accessType.ReplaceAllString(s, "${1}GPON"), "${1}11ac")
		}},
		{q.ControlCharacters, func(s string) string { return modelName.ReplaceAllString(s, "$1$2&#x2;\x02") }},
		{q.Latin1 || q.Latin1Unsaid, func(s string) string { return modelName.ReplaceAllString(s, "$1${2}é") }},
		{q.BareAmpersand, func(s string) string {
			return strings.ReplaceAll(modelName.ReplaceAllString(s, "$1$2 R&amp;D"), "&amp;", "&")
		}},
		{q.NoEmptyValue, func(s string) string { return emptyValue.ReplaceAllString(s, "") }},
		{q.NoValueType, func(s string) string { return xsiType.ReplaceAllString(s, "") }},
		{q.OddValueType, func(s string) string {
			return strings.NewReplacer(`"xsd:string"`, `"xsd:"`, `"xsd:unsignedInt"`, `"xsd:unsignedint"`).Replace(s)
		}},
	}
}

var (
	xsiType    = regexp.MustCompile(` xsi:type="[^"]*"`)
	counts     = regexp.MustCompile(`\[(\d+)\]"`)
	arrayType  = regexp.MustCompile(` soap-enc:arrayType="[^"]*"`)
	onlyStatus = regexp.MustCompile(`<Status>\d+</Status></cwmp:`) // no transfer, which has times as well
	soapFault  = regexp.MustCompile(`(?s)<soap-env:Fault>.*?<FaultCode>(\d+)</FaultCode>` +
		`<FaultString>([^<]*)</FaultString>.*</soap-env:Fault>`)
	paramFaults = regexp.MustCompile(`(?s)<SetParameterValuesFault>.*</SetParameterValuesFault>`)
	events      = regexp.MustCompile(`(?s)(<Event .*</Event>)(.*</RetryCount>)`)
	currentTime = regexp.MustCompile(`<CurrentTime>[^<]*`)
	retryCount  = regexp.MustCompile(`<RetryCount>\d+`)
	rootless    = regexp.MustCompile(`<Name>[^<]*(\.(?:ExternalIPAddress|ProvisioningCode)</Name>)`)
	summary     = regexp.MustCompile(`(DeviceSummary</Name><Value [^>]*>)[^<]*`)
)

// messages are the edits of what is in the Body.
func (w *wire) messages(m message) []edit {
	q := w.q
	response := strings.Contains(string(m.body), "<cwmp:GetParameterValuesResponse>")
	return []edit{
		{q.ExtraParameters && response, func(s string) string {
			if one := anyStruct.FindString(s); one != "" {
				extra := `<ParameterValueStruct><Name>` + w.c.model.Root() + `X_SIM_Unasked</Name>` +
					`<Value xsi:type="xsd:string">1</Value></ParameterValueStruct>`
				s = strings.Replace(s, "</ParameterList>", one+extra+"</ParameterList>", 1)
			}
			return s
		}},
		{q.FewerParameters && response, func(s string) string {
			if all := anyStruct.FindAllStringIndex(s, -1); len(all) > 1 {
				last := all[len(all)-1]
				s = s[:last[0]] + s[last[1]:]
			}
			return s
		}},
		{q.OddWritable, func(s string) string {
			return strings.NewReplacer(
				"<Writable>1<", "<Writable>true<", "<Writable>0<", "<Writable><",
			).Replace(s)
		}},
		{q.StatusOne, func(s string) string { return onlyStatus.ReplaceAllString(s, "<Status>1</Status></cwmp:") }},
		{q.NoStatus, func(s string) string { return onlyStatus.ReplaceAllString(s, "</cwmp:") }},
		{q.StatusText, func(s string) string { return strings.ReplaceAll(s, "<Status>0<", "<Status>OK<") }},
		{q.NoParameterFaults, func(s string) string { return paramFaults.ReplaceAllString(s, "") }},
		{q.BareFault, func(s string) string {
			return soapFault.ReplaceAllString(s, "<soap-env:Fault><faultcode>soap-env:Server</faultcode>"+
				"<faultstring>$1 $2</faultstring></soap-env:Fault>")
		}},
		{q.MuteFault, func(s string) string {
			return soapFault.ReplaceAllString(s, "<soap-env:Fault><faultcode>soap-env:Server</faultcode>"+
				"<faultstring>cannot</faultstring></soap-env:Fault>")
		}},
		{q.ElementOrder && m.inform, func(s string) string { return events.ReplaceAllString(s, "$2$1") }},
		{q.AlwaysBootstrap && m.inform, bootstraps},
		{q.Clock1970, func(s string) string {
			return currentTime.ReplaceAllString(s, "<CurrentTime>1970-01-01T00:00:41+00:00")
		}},
		{q.RetryCountGrows && m.inform, func(s string) string {
			return retryCount.ReplaceAllString(s, "<RetryCount>"+strconv.Itoa(1480+w.informs))
		}},
		{q.RootlessNames && m.inform, func(s string) string { return rootless.ReplaceAllString(s, "<Name>$1") }},
		{q.OddSummary, func(s string) string {
			return summary.ReplaceAllString(s, "${1}InternetGatewayDevice:1.1[] (Baseline:1,  EthernetLAN:4,WiFiLAN:1, X_0:1)")
		}},
	}
}

// bootstraps puts 0 BOOTSTRAP before 1 BOOT.
func bootstraps(s string) string {
	const code = "<EventStruct><EventCode>"
	if strings.Contains(s, ">0 BOOTSTRAP<") || !strings.Contains(s, ">1 BOOT<") {
		return s
	}
	events, rest, _ := strings.Cut(s, code)
	i := strings.LastIndexByte(events, '[')
	count, _ := strconv.Atoi(strings.TrimRight(events[i+1:], `]">`)) // our own form
	return events[:i+1] + strconv.Itoa(count+1) + `]">` + code + "0 BOOTSTRAP</EventCode><CommandKey></CommandKey>" +
		"</EventStruct>" + code + rest
}

var (
	header      = regexp.MustCompile(`(?s)<soap-env:Header>.*</soap-env:Header>`)
	idElement   = regexp.MustCompile(`(<cwmp:ID [^>]*>)([^<]*)(</cwmp:ID>)`)
	cwmpXMLNS   = regexp.MustCompile(` xmlns:cwmp="[^"]*"`)
	textBetween = regexp.MustCompile(`>([^<>]+)</`)
	tags        = regexp.MustCompile(`<[^<>]*>`)
)

// envelopes are the edits of the header and the markup.
func (w *wire) envelopes(m message) []edit {
	q := w.q
	return []edit{
		{q.NoMoreRequests, func(s string) string {
			return strings.Replace(s, "</soap-env:Header>", "<cwmp:NoMoreRequests>0</cwmp:NoMoreRequests></soap-env:Header>", 1)
		}},
		{q.SessionTimeout10 && m.inform, func(s string) string {
			return strings.Replace(s, "</soap-env:Header>", "<cwmp:SessionTimeout>60</cwmp:SessionTimeout></soap-env:Header>", 1)
		}},
		{q.EmptyID, func(s string) string { return idElement.ReplaceAllString(s, "$1$3") }},
		{q.LongID && !m.answer, func(s string) string { return idElement.ReplaceAllString(s, "${1}"+longID+"$2$3") }},
		{q.OldID && m.answer, func(s string) string {
			now, last := idElement.FindStringSubmatch(s), w.lastID
			if now == nil {
				return s
			}
			w.lastID = now[2]
			return idElement.ReplaceAllString(s, "${1}"+last+"$3")
		}},
		{q.NoHeader, func(s string) string { return header.ReplaceAllString(s, "") }},
		{q.PaddedCounts, func(s string) string { return counts.ReplaceAllString(s, `[000$1]"`) }},
		{q.WrongCounts, func(s string) string { return counts.ReplaceAllString(s, `[1$1]"`) }},
		{q.NoArrayType, func(s string) string { return arrayType.ReplaceAllString(s, "") }},
		{q.AnyTypeArrays, func(s string) string {
			return arrayType.ReplaceAllString(s, ` soap-enc:arrayType="xsd:anyType[]"`)
		}},
		{q.NamespaceUnknown, func(s string) string {
			return cwmpXMLNS.ReplaceAllString(s, ` xmlns:cwmp="`+q.namespace("")+`"`)
		}},
		{q.NoNamespace, func(s string) string {
			return strings.NewReplacer("<cwmp:", "<", "</cwmp:", "</").Replace(cwmpXMLNS.ReplaceAllString(s, ""))
		}},
		{q.EncodingStyle, func(s string) string {
			const style = ` soap-env:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`
			s = strings.Replace(s, "<soap-env:Body>", "<soap-env:Body"+style, 1)
			return strings.Replace(s, ">", style, 1)
		}},
		{q.Blanks, func(s string) string { return textBetween.ReplaceAllString(s, ">\n      $1\n    </") }},
		{q.OddPrefixes, func(s string) string {
			return strings.NewReplacer(
				"soap-env:", "soap_env:", "xmlns:soap-env=", "xmlns:soap_env=", "soap-enc:", "soap:",
				"xmlns:soap-enc=", "xmlns:soap=", "<cwmp:", "<dsl:", "</cwmp:", "</dsl:", "xmlns:cwmp=", "xmlns:dsl=",
				`"cwmp:`, `"dsl:`, "xsi:type", "i:type", "xmlns:xsi=", "xmlns:i=",
			).Replace(s)
		}},
		{q.SingleQuotes, func(s string) string {
			return tags.ReplaceAllStringFunc(s, func(tag string) string { return strings.ReplaceAll(tag, `"`, `'`) })
		}},
	}
}

// bytes are the edits of what is no longer text.
func (w *wire) bytes() []edit {
	q := w.q
	return []edit{
		{q.Latin1 || q.Latin1Unsaid, latin1},
		{q.Surroundings, func(s string) string { return "\ufeff\r\n" + s + "\x00\x00" }},
	}
}

// latin1 writes s in ISO-8859-1; what that lacks becomes a question mark.
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return string(b)
}
