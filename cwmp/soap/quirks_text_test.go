// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

// The quirks of texts: blanks, characters, character sets, what is around the
// envelope.

func TestQuirk15WhiteSpace(t *testing.T) {
	t.Parallel()
	wantValues(t, map[string]string{
		"\n    x y\n  ":           "x y",
		"\r\n\tx\r\n":             "x",
		"\n":                      "",
		"  x ":                    "  x ",
		" ":                       " ",
		"x\n":                     "x\n",
		"&#10;x ":                 "\nx ",
		"\n &#32;x&#9;\n":         " x\t",
		"\n<![CDATA[ x ]]>\n":     " x ",
		"\n<!-- c -->\n  x\n":     "x",
		"\n a<!-- c --> b \n":     "a b",
		"<![CDATA[\nx]]> ":        "\nx ",
		"\n \u00a0x\u00a0\n":      "\u00a0x\u00a0",
		"first\r\nsecond\rthird":  "first\nsecond\nthird",
		"a&#13;&#10;b&#13;":       "a\r\nb\r",
		"<![CDATA[a\r\nb]]>\r\nc": "a\nb\nc",
	})
	doc := document("<cwmp:Inform>\n<DeviceId><OUI>\n 00A0B1 \n</OUI><SerialNumber>\n 1\n</SerialNumber>" +
		"<ProductClass> P </ProductClass></DeviceId><Event><EventStruct><EventCode>\n 1 BOOT\n</EventCode>" +
		"<CommandKey>\n k\n</CommandKey></EventStruct></Event><RetryCount>\n 3\n</RetryCount><ParameterList>" +
		"<ParameterValueStruct><Name>\n\tA.B \n</Name><Value type='xsd:boolean'> 1 </Value></ParameterValueStruct>" +
		"</ParameterList></cwmp:Inform>")
	want := &cwmp.Inform{
		DeviceID: cwmp.DeviceID{OUI: "00A0B1", SerialNumber: "1", ProductClass: " P "},
		Events:   []cwmp.Event{{Code: "1 BOOT", CommandKey: "k"}}, RetryCount: 3,
		Params: []cwmp.ParameterValue{{Name: "A.B", Value: "1", Type: cwmp.TypeBoolean}},
	}
	if got := decode(t, doc).Body; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestQuirk16ControlCharacters(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"a\tb": "a\tb", "&#9;&#xA;&#xd;": "\t\n\r", "&#x2;": "\uFFFD", "&#0;": "\uFFFD", "&#31;x": "\uFFFDx",
		"&#xD800;": "\uFFFD", "&#x110000;": "\uFFFD", "&#xFFFE;": "\uFFFD", "\uFFFE\uFFFF": "\uFFFD\uFFFD",
		"&#99999999;": "\uFFFD", "\x7F": "\x7F", "<![CDATA[\x02]]>": "\uFFFD", "ｆｕｌｌ": "ｆｕｌｌ", "&#x1F600;": "😀",
	}
	for c := range 0x20 {
		if c != '\t' && c != '\n' && c != '\r' {
			rows[fmt.Sprintf("12345678%c9", c)] = "12345678\uFFFD9"
		}
	}
	wantValues(t, rows)
}

func TestQuirk17Charsets(t *testing.T) {
	t.Parallel()
	utf16 := []byte("\xFF\xFE")
	for _, c := range gpvOf("ü€") {
		utf16 = append(utf16, byte(c), byte(c>>8))
	}
	for _, tt := range []struct{ name, contentType, doc, want string }{
		{"nothing said, UTF-8", "", gpvOf("Zürich"), "Zürich"},
		{"nothing said, not UTF-8", "", gpvOf("Z\xFCrich"), "Zürich"},
		{"HTTP says Latin-1", "text/xml; charset=ISO-8859-1", gpvOf("Z\xFCrich"), "Zürich"},
		{
			"HTTP comes before the declaration", `text/xml; charset="iso-8859-1"`,
			`<?xml version="1.0" encoding="utf-8"?>` + gpvOf("\xC3\xBC"), "Ã¼",
		},
		{"the declaration", "text/xml", `<?xml version='1.0' encoding='ISO-8859-1' ?>` + gpvOf("\xFC"), "ü"},
		{"declared UTF-8, is not", "text/xml; charset=utf-8", gpvOf("\xFC"), "ü"},
		{"other charset", "text/xml; charset=windows-1251", gpvOf("\xC4\xE0"), "Да"},
		{"other charset, declared", "", `<?xml version="1.0" encoding="gb2312"?>` + gpvOf("\xD6\xD0"), "中"},
		{"nobody knows it", "text/xml; charset=x-klingon", gpvOf("ü"), "ü"},
		{"badly written", "text/xml;; charset = ; Charset=latin1", gpvOf("\xFC"), "ü"},
		{"UTF-16", "text/xml", string(utf16), "ü€"},
		{"UTF-16 claimed, is not", "", `<?xml version="1.0" encoding="utf-16"?>` + gpvOf("ü"), "ü"},
		{"UTF-8 with its mark", "text/xml", "\xEF\xBB\xBF" + gpvOf("ü"), "ü"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := params(decodeAs(t, tt.doc, tt.contentType))[0].Value; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestQuirk18BareAmpersandAndLess(t *testing.T) {
	t.Parallel()
	wantValues(t, map[string]string{
		"Tom & Jerry":                  "Tom & Jerry",
		"a&b;c":                        "a&b;c",
		"&":                            "&",
		"&&amp;&":                      "&&&",
		"&amp;amp;":                    "&amp;",
		"&lt;&gt;&quot;&apos;&#38;":    `<>"'&`,
		"&#x;&#;&#xZZ;&#12":            "&#x;&#;&#xZZ;&#12",
		"i <3 u":                       "i <3 u",
		"a<":                           "a<",
		"<<>>":                         "<<>>",
		"pass<word":                    "pass<word",
		`p<x"y`:                        `p<x"y`,
		"<free> wifi":                  "<free> wifi",
		"&lt;x <free> &amp; wifi":      "<x <free> & wifi",
		"<![CDATA[<a>&amp;]]>":         "<a>&amp;",
		"a<![CDATA[b]]>c<![CDATA[]]>d": "abcd",
		"&nbsp;":                       "&nbsp;",
	})
}

func TestQuirk19AroundTheEnvelope(t *testing.T) {
	t.Parallel()
	doc := gpvOf("x")
	for _, around := range []string{
		"%s", "\r\n%s", "\n \t%s\n", "\xEF\xBB\xBF%s", "%s\x00\x00\x00", "%s<?", "%s garbage <", "\x00%s",
		`<?xml version="1.0"?>` + "\n%s", "<!-- <Envelope> -->%s", "\n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n%s",
	} {
		wantParams(t, strings.Replace(around, "%s", doc, 1), str("A.B", "x"))
	}
}
