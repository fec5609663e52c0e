// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Quirks are what CPE in the field do that the standard does not have, one
// switch each. The tag of a field is the number of the quirk, a name for the
// command line, and what the CPE does. The zero value is a CPE without any.
type Quirks struct {
	// XML and SOAP.
	OddPrefixes       bool `quirk:"1 odd-prefixes: other prefixes, soap for the encoding"`
	Namespace13       bool `quirk:"2 namespace-1-3: cwmp-1-3, which no standard has"`
	Namespace14       bool `quirk:"2 namespace-1-4: cwmp-1-4, which no standard has"`
	NoNamespace       bool `quirk:"2 no-namespace: the elements of CWMP are in no namespace"`
	NamespaceUnknown  bool `quirk:"3 namespace-unknown: a version of CWMP that nobody knows"`
	NoHeader          bool `quirk:"4 no-header: envelopes without Header, so without ID"`
	EmptyID           bool `quirk:"5 empty-id: the ID is empty"`
	OldID             bool `quirk:"5 old-id: a response has the ID of an earlier request"`
	NoMoreRequests    bool `quirk:"6 no-more-requests: sends the header element that was withdrawn"`
	SessionTimeout10  bool `quirk:"7 session-timeout-1-0: SessionTimeout in a message of CWMP 1.0"`
	PaddedCounts      bool `quirk:"8 padded-counts: counts of arrays are padded with zeros"`
	WrongCounts       bool `quirk:"8 wrong-counts: counts of arrays are wrong"`
	NoArrayType       bool `quirk:"9 no-array-type: lists are not marked as arrays"`
	AnyTypeArrays     bool `quirk:"9 any-type-arrays: all lists are of anyType and have no count"`
	NoValueType       bool `quirk:"10 no-value-type: values do not say their type"`
	OddValueType      bool `quirk:"11 odd-value-type: types of values are cut or in the wrong case"`
	NoEmptyValue      bool `quirk:"12 no-empty-value: leaves the Value of an empty parameter out"`
	BareFault         bool `quirk:"13 bare-fault: faults without detail, the code is in faultstring"`
	MuteFault         bool `quirk:"13 mute-fault: faults without detail and without a code"`
	NoParameterFaults bool `quirk:"14 no-parameter-faults: 9003 does not say which parameter"`
	Blanks            bool `quirk:"15 blanks: line breaks and blanks around every text"`
	ControlCharacters bool `quirk:"16 control-characters: ModelName ends in U+0002"`
	Latin1            bool `quirk:"17 latin-1: ISO-8859-1 without XML declaration, said in the HTTP header"`
	Latin1Unsaid      bool `quirk:"17 latin-1-unsaid: ISO-8859-1 that is said to be UTF-8"`
	BareAmpersand     bool `quirk:"18 bare-ampersand: does not escape the ampersand"`
	Surroundings      bool `quirk:"19 surroundings: byte order mark and blank line before, NUL after the envelope"`
	ElementOrder      bool `quirk:"20 element-order: Event comes after RetryCount"`
	RootlessNames     bool `quirk:"21 rootless-names: a name in the Inform begins with a dot"`
	ExtraParameters   bool `quirk:"22 extra-parameters: one parameter twice, one that was not asked for"`
	FewerParameters   bool `quirk:"22 fewer-parameters: leaves the last of several parameters out"`
	OddSummary        bool `quirk:"23 odd-summary: blanks and empty brackets in DeviceSummary"`
	SingleQuotes      bool `quirk:"24 single-quotes: single quotes around attributes"`
	EncodingStyle     bool `quirk:"25 encoding-style: encodingStyle on Envelope and Body"`
	OddIdentity       bool `quirk:"26 odd-identity: no Manufacturer, no ProductClass, odd signs in the SerialNumber"`
	LongID            bool `quirk:"84 long-id: IDs of 100 characters"`
	FreeTextIdentity  bool `quirk:"84 free-text-identity: an OUI of 24 digits, ProductClass is a sentence"`

	// HTTP and sessions.
	SameSerial      bool `quirk:"27 same-serial: the serial number 000000"`
	NoCookies       bool `quirk:"28 no-cookies: sends no cookie back"`
	CookieByPath    bool `quirk:"29 cookie-by-path: forgets a cookie without Path"`
	OldCookies      bool `quirk:"30 old-cookies: cookies in the form of RFC 2109"`
	StaleCookies    bool `quirk:"31 stale-cookies: others' cookies and that of the session before"`
	HTMLContent     bool `quirk:"32 html-content: Content-Type text/html"`
	NoContentType   bool `quirk:"32 no-content-type: no Content-Type"`
	ExpectContinue  bool `quirk:"33 expect-continue: waits for 100 before each body"`
	HTTP10          bool `quirk:"34 http-1-0: HTTP/1.0, a connection per POST, no length of an empty one"`
	FinalHandshake  bool `quirk:"35 final-handshake: one more empty POST after the end wants an empty answer"`
	No204           bool `quirk:"36 no-204: does not understand 204"`
	Only204         bool `quirk:"36 only-204: does not understand an empty 200"`
	NeedsSOAPServer bool `quirk:"37 needs-soap-server: wants the header SOAPServer in answers"`
	NoChunked       bool `quirk:"38 no-chunked: does not understand chunked answers"`
	NewConnections  bool `quirk:"39 new-connections: a connection per POST"`
	RepeatsInform   bool `quirk:"40 repeats-inform: sends each Inform twice"`
	InformsAnew     bool `quirk:"40 informs-anew: leaves the first session for a second on another connection"`
	InformsForEver  bool `quirk:"41 informs-for-ever: fails at headers that need not be, and at 204"`
	PostsToRoot     bool `quirk:"42 posts-to-root: POST / whatever the URL"`
	AbsoluteURI     bool `quirk:"42 absolute-uri: the whole URL in the request line"`
	DropsAfter401   bool `quirk:"43 drops-after-401: logs in on another connection"`

	DigestNoQOP       bool `quirk:"44 digest-no-qop: answers as RFC 2069"`
	DigestQOPUnknown  bool `quirk:"44 digest-qop-undefined: qop=undefined"`
	DigestAlgorithm   bool `quirk:"44 digest-algorithm: algorithm=MD"`
	DigestQuotedCount bool `quirk:"44 digest-quoted-count: quotes around nc"`
	DigestFullURI     bool `quirk:"44 digest-full-uri: the uri is the whole URL"`
	DigestNoQuery     bool `quirk:"44 digest-no-query: the uri lacks the query"`
	DigestLowerCase   bool `quirk:"44 digest-lower-case: the scheme is written digest"`
	BasicUnasked      bool `quirk:"45 basic-unasked: sends a Basic login before it is asked"`
	Clock1970         bool `quirk:"46 clock-1970: CurrentTime is just after 1970-01-01"`
	GzipUnasked       bool `quirk:"47 gzip-unasked: bodies are compressed"`
	KeepsSession      bool `quirk:"83 keeps-session: takes cookies to another URL of the ACS"`

	// Reading.
	NoRootNames     bool `quirk:"48 no-root-names: GetParameterNames of everything is refused"`
	NextLevelWords  bool `quirk:"49 next-level-words: NextLevel has to be true or false"`
	NextLevelDigits bool `quirk:"49 next-level-digits: NextLevel has to be 1 or 0"`
	NextLevelAll    bool `quirk:"50 next-level-all: NextLevel gives the whole tree"`
	NextLevelSelf   bool `quirk:"50 next-level-self: NextLevel gives the object as well"`
	NextLevelEmpty  bool `quirk:"50 next-level-empty: NextLevel gives nothing"`
	GhostNames      bool `quirk:"51 ghost-names: names that cannot be read"`
	HugeTree        bool `quirk:"52 huge-tree: 10,000 parameters more"`
	FewNames        bool `quirk:"53 few-names: 9004 for more than 8 names"`
	FewNamesCut     bool `quirk:"53 few-names-cut: breaks off at more than 8 names"`
	NoPartialValues bool `quirk:"54 no-partial-values: GetParameterValues of an object is refused"`

	// Writing.
	NeverWritable   bool `quirk:"55 never-writable: nothing is writable, and can be set"`
	OddWritable     bool `quirk:"56 odd-writable: Writable is true or empty"`
	NoParameterKey  bool `quirk:"57 no-parameter-key: the ParameterKey is not kept"`
	ShiftingNames   bool `quirk:"58 shifting-names: has other parameters after each boot"`
	FaultThoughSet  bool `quirk:"59 fault-though-set: 9002, and the values are set"`
	StatusOne       bool `quirk:"59 status-one: Status 1 without reason"`
	NoStatus        bool `quirk:"59 no-status: responses without Status"`
	BooleanDigits   bool `quirk:"60 boolean-digits: booleans are 0 and 1 only"`
	BooleanWords    bool `quirk:"60 boolean-words: booleans are true and false only"`
	OddTimes        bool `quirk:"61 odd-times: dateTimes that are none"`
	WholeSeconds    bool `quirk:"61 whole-seconds: refuses fractions of a second"`
	OddNumbers      bool `quirk:"62 odd-numbers: plus signs and leading zeros"`
	OddEnums        bool `quirk:"63 odd-enums: values that no enumeration has"`
	MisspeltNames   bool `quirk:"64 misspelt-names: names that are almost standard"`
	VendorObjects   bool `quirk:"65 vendor-objects: objects of the vendor without X_"`
	InstanceGaps    bool `quirk:"66 instance-gaps: instance numbers with gaps"`
	LateRows        bool `quirk:"66 late-rows: a row is not there until something is set in it"`
	RenumbersRows   bool `quirk:"66 renumbers-rows: rows have other numbers after a reboot"`
	StatusText      bool `quirk:"67 status-text: Status is OK"`
	CountersChange  bool `quirk:"76 counters-change: takes active notification of counters, and counts"`
	AlwaysBootstrap bool `quirk:"82 always-bootstrap: 0 BOOTSTRAP at each boot"`
	NeverBootstrap  bool `quirk:"82 never-bootstrap: no 0 BOOTSTRAP after a factory reset"`

	// Transfers, and what the device does by itself.
	NoTransferComplete bool `quirk:"68 no-transfer-complete: never reports a transfer"`
	NoCommandKey       bool `quirk:"69 no-command-key: TransferComplete without CommandKey"`
	WrongCommandKey    bool `quirk:"69 wrong-command-key: TransferComplete with another CommandKey"`
	DownloadNoPort     bool `quirk:"71 download-no-port: refuses a URL with port"`
	DownloadNoTLS      bool `quirk:"71 download-no-tls: refuses https"`
	DownloadShortURL   bool `quirk:"71 download-short-url: refuses a URL of more than 128 bytes"`
	DownloadExtension  bool `quirk:"71 download-extension: refuses a URL that does not end in .bin"`
	DownloadSize       bool `quirk:"71 download-size: refuses FileSize 0"`
	DownloadTarget     bool `quirk:"71 download-target: refuses an empty TargetFileName"`
	DownloadFailsOnce  bool `quirk:"72 download-fails-once: 9010 at first, then it works"`
	TransferInSession  bool `quirk:"72 transfer-in-session: transfers begin before the session is over"`
	UploadByPost       bool `quirk:"0 upload-by-post: uploads by POST"`
	UploadChunked      bool `quirk:"0 upload-chunked: uploads without a length"`
	RebootsAtOnce      bool `quirk:"73 reboots-at-once: Reboot and FactoryReset are not answered"`
	TestStaysRequested bool `quirk:"74 test-stays-requested: DiagnosticsState never changes"`
	TestCompleted      bool `quirk:"74 test-completed: the other one of Complete and Completed"`
	TestMute           bool `quirk:"74 test-mute: no 8 DIAGNOSTICS COMPLETE"`
	UnknownMethods     bool `quirk:"75 unknown-methods: calls methods that the ACS does not have"`

	// Connection Requests.
	LateSession     bool `quirk:"77 late-session: the session comes a second after the Connection Request"`
	NoSessionOnce   bool `quirk:"77 no-session-once: no session comes after the first Connection Request"`
	ConnReqCloses   bool `quirk:"78 connreq-closes: closes the connection after 401, without saying so"`
	ConnReqNoQOP    bool `quirk:"78 connreq-no-qop: challenge without qop, with domain, and a realm with blanks"`
	FactoryLogin    bool `quirk:"79 factory-login: Connection Requests need factory/factory whatever was set"`
	PrivateURL      bool `quirk:"80 private-url: ConnectionRequestURL has an address where nobody is"`
	RetryCountGrows bool `quirk:"81 retry-count-grows: RetryCount is never 0 again"`
}

// Quirk is one switch of Quirks.
type Quirk struct {
	// Number in the list of quirks; 0 for what is not in it.
	Number int
	// Name is unique.
	Name string
	// Does says what the CPE does.
	Does string

	field int
}

// AllQuirks lists the switches by number.
func AllQuirks() []Quirk {
	t := reflect.TypeFor[Quirks]()
	out := make([]Quirk, 0, t.NumField())
	for i := range t.NumField() {
		head, does, _ := strings.Cut(t.Field(i).Tag.Get("quirk"), ": ")
		number, name, _ := strings.Cut(head, " ")
		n, _ := strconv.Atoi(number) // a test holds that it is one
		out = append(out, Quirk{Number: n, Name: name, Does: does, field: i})
	}
	slices.SortStableFunc(out, func(a, b Quirk) int { return a.Number - b.Number })
	return out
}

// Turn switches on what s names: the name of a switch, or the number of a quirk
// for the first of its switches. It fails for what is neither.
func (q *Quirks) Turn(s string) error {
	for _, k := range AllQuirks() {
		if s == k.Name || k.Number > 0 && s == strconv.Itoa(k.Number) {
			reflect.ValueOf(q).Elem().Field(k.field).SetBool(true)
			return nil
		}
	}
	return fmt.Errorf("sim/cpe: no quirk %q", s)
}
