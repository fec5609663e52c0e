// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"time"

	"github.com/uspgate/uspgate/translate/profile"
)

// Profile says how models of CPE differ from the standard; see profile.Row.
type Profile struct {
	Manufacturer    string `yaml:"manufacturer" doc:"of CPE of this manufacturer only; * stands for any characters"`
	OUI             string `yaml:"oui" doc:"with this OUI only; * stands for any characters"`
	ProductClass    string `yaml:"product_class" doc:"of this product class only; * stands for any characters"`
	SoftwareVersion string `yaml:"software_version" doc:"with this firmware only; * stands for any characters"`
	Alone           bool   `yaml:"alone" doc:"what the gateway comes with, and the entries before this one, do not count"`

	EndWith200     bool     `yaml:"end_with_200" doc:"end sessions with 200 and an empty body instead of 204"`
	FarewellPosts  int      `yaml:"farewell_posts" doc:"empty POSTs that are answered after the end of a session; 0: one"`
	Cookieless     bool     `yaml:"cookieless" doc:"they return no cookie and use more than one connection"`
	MinimalHeader  bool     `yaml:"minimal_header" doc:"leave out each header that an answer need not have"`
	NoRequests     bool     `yaml:"no_requests" doc:"ask nothing of them; they cannot be managed then"`
	Header         []string `yaml:"header" doc:"headers of every answer, such as \"SOAPServer: uspgate\", spelt as here"`
	SessionTimeout Duration `yaml:"session_timeout" doc:"how long they may be silent within a session; 0: cwmp.session_timeout"`
	Booleans       string   `yaml:"booleans" doc:"digits or words: how booleans are written; empty: as the CPE writes them"`
	WholeSeconds   bool     `yaml:"whole_seconds" doc:"leave fractions of a second out of times"`

	Names      string   `yaml:"names" doc:"root, empty or walk: by which GetParameterNames all names are read first; empty: it is found out"`
	WalkLevels int      `yaml:"walk_levels" doc:"with names: walk, how many levels are asked one by one, and what is below as a whole; 0: all"`
	NextLevel  string   `yaml:"next_level" doc:"digits or words: how NextLevel is written; empty: it is found out"`
	Batch      int      `yaml:"batch" doc:"most names in one GetParameterValues; 0: it is found out"`
	NoPartial  bool     `yaml:"no_partial" doc:"they give no values by the name of an object"`
	Ignore     []string `yaml:"ignore" doc:"names that are never asked for, with {i} for instance numbers: parameters, or objects with all that is in them"`

	Download                   ProfileDownload `yaml:"download" doc:"what they take for a Download"`
	TransferCompleteUnreliable bool            `yaml:"transfer_complete_unreliable" doc:"a transfer is done with another SoftwareVersion, or the file fetched, also if they do not say so"`
	TransferWait               Duration        `yaml:"transfer_wait" doc:"how long they may take until TransferComplete; 0: cwmp.transfers.report_wait"`
	ConnectionRequest          []string        `yaml:"connection_request" doc:"http, udp and xmpp: the ways in which they can be woken; empty: those that they tell"`
}

// ProfileDownload is what models of CPE take for a Download.
type ProfileDownload struct {
	NoPort     bool   `yaml:"no_port" doc:"no URL with a port"`
	NoTLS      bool   `yaml:"no_tls" doc:"no URL of https"`
	NeedSize   bool   `yaml:"need_size" doc:"FileSize must not be 0"`
	NeedTarget bool   `yaml:"need_target" doc:"TargetFileName must not be empty"`
	Extension  string `yaml:"extension" doc:"how the name of the file ends, such as .bin; empty: in any way"`
	MaxURL     int    `yaml:"max_url" doc:"longest URL in bytes; 0: any"`
}

// Row is p as package profile has it.
func (p *Profile) Row() profile.Row {
	return profile.Row{
		For: profile.Model{
			Manufacturer: p.Manufacturer, OUI: p.OUI, ProductClass: p.ProductClass, SoftwareVersion: p.SoftwareVersion,
		},
		Alone: p.Alone,
		Profile: profile.Profile{
			EndWith200: p.EndWith200, FarewellPosts: p.FarewellPosts, Cookieless: p.Cookieless,
			MinimalHeader: p.MinimalHeader, NoRequests: p.NoRequests, Header: p.Header,
			SessionTimeout: time.Duration(p.SessionTimeout), Booleans: profile.Literal(p.Booleans),
			WholeSeconds: p.WholeSeconds, Names: profile.Names(p.Names), WalkLevels: p.WalkLevels,
			NextLevel: profile.Literal(p.NextLevel), Batch: p.Batch, NoPartial: p.NoPartial, Ignore: p.Ignore,
			Download: profile.Download(p.Download), TransferCompleteUnreliable: p.TransferCompleteUnreliable,
			TransferWait: time.Duration(p.TransferWait), ConnectionRequest: p.ConnectionRequest,
		},
	}
}

// maxProfiles bounds the list: each Inform is compared with all of them.
const maxProfiles = 256

// profiles checks cwmp.profiles.
func (d *decoder) profiles(path string, list []Profile) {
	if len(list) > maxProfiles {
		d.invalid(path, fmt.Sprintf("%d entries, %d at most", len(list), maxProfiles), "use * to have one for several models")
	}
	for i := range list {
		row, at := list[i].Row(), fmt.Sprintf("%s[%d]", path, i)
		for _, p := range row.Check() {
			if p.Field == "" {
				d.invalid(at, p.Text, p.Hint)
				continue
			}
			d.invalid(join(at, p.Field), p.Text, p.Hint)
		}
	}
}
