// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package quirks_test

import (
	"regexp"

	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// base is the configuration of every gateway of the matrix, to which the rest of
// the block cwmp is added; %s is the folder of its files.
const base = `engine: {store: memory}
translate: {freshness: 0s, linger: 50ms}
cwmp:
  files: {listen: "127.0.0.1:0", root: "%[1]s", upload_root: "%[1]s"}
  connection_request:
    session_wait: 5s
    logins: [{username: factory, password: factory}]
  profiles:
    - {product_class: needs-soap-server, header: ["SOAPServer: uspgate"]}
    - {product_class: no-204, end_with_200: true}
`

// What rows have besides in the block cwmp.
const (
	// wantLogin is an ACS that wants Digest, and takes Basic.
	wantLogin = "  auth: {mode: digest, unasked: true, users: [{username: cpe, password: secret}]}\n"
	// impatient does not wait long for a TransferComplete.
	impatient = "  transfers: {report_wait: 2s}\n"
)

// row says what is different for a CPE with a quirk.
type row struct {
	// cwmp is added to the block of that name.
	cwmp string
	// change is for the CPE, besides the quirk.
	change func(*cpe.Options)
	// odd matches the paths in which the Controller sees the quirk, because it
	// should: what the CPE says is passed on.
	odd string
	// refusesDownload: the CPE takes no URL that the tests have.
	refusesDownload bool
	// unsaid: the CPE does not say that a diagnostic is over. The gateway looks after
	// half a minute, which the tests of translate/agent wait for.
	unsaid bool
	// extra is what is done with a CPE of this row alone.
	extra func(b *box)
}

// differs reports whether a path may differ.
func (r row) differs() func(path string) bool {
	if r.odd == "" {
		return func(string) bool { return false }
	}
	return regexp.MustCompile(r.odd).MatchString
}

func login(o *cpe.Options) { o.Username, o.Password = "cpe", "secret" }

const (
	modelName = `\.ModelName$`
	// identity are values with the serial number in them.
	identity = `\.(Manufacturer|ManufacturerOUI|SerialNumber|SSID|Username)$`
	// numbers of interfaces are given as they become known, which is in another
	// order if the first Inform does not tell of the WAN connection, or if the CPE is
	// read in parts.
	numbers = `Interface|InterfaceStack|LowerLayers|\.IP\.|\.NAT\.|\.PPP\.|\.Ethernet\.|\.Routing\.`
)

var rows = map[string]row{
	"control-characters":   {odd: modelName},
	"latin-1":              {odd: modelName},
	"latin-1-unsaid":       {odd: modelName},
	"bare-ampersand":       {odd: modelName},
	"blanks":               {odd: `\.RegulatoryDomain$`},      // "DE ": which blanks are the quirk's?
	"no-value-type":        {odd: `^Device\.X_USPGATE_IGD\.`}, // no model has the types of what has no place in TR-181
	"no-partial-values":    {odd: numbers},
	"test-mute":            {unsaid: true},
	"no-transfer-complete": {cwmp: impatient},
	"keeps-session":        {extra: moved},
	"counters-change":      {extra: stormless},
	"download-no-port":     {refusesDownload: true},
	"odd-summary":          {odd: `\.DeviceSummary$`},
	"odd-enums":            {odd: `\.(OperatingStandards|WANAccessType)$`},
	"odd-times":            {odd: `Date$|Change$|Time$|\.DaylightSavings`},
	"odd-identity":         {odd: identity},
	"same-serial":          {odd: identity},
	"free-text-identity":   {odd: identity},
	"few-names":            {odd: numbers},
	"few-names-cut":        {odd: numbers},
	"rootless-names":       {odd: numbers},
	"digest-no-qop":        {cwmp: wantLogin, change: login},
	"digest-qop-undefined": {cwmp: wantLogin, change: login},
	"digest-algorithm":     {cwmp: wantLogin, change: login},
	"digest-quoted-count":  {cwmp: wantLogin, change: login},
	"digest-full-uri":      {cwmp: wantLogin, change: login},
	"digest-no-query":      {cwmp: wantLogin, change: login},
	"digest-lower-case":    {cwmp: wantLogin, change: login},
	"drops-after-401":      {cwmp: wantLogin, change: login},
	"basic-unasked":        {cwmp: wantLogin, change: login},
	"new-connections":      {cwmp: wantLogin, change: login},
}
