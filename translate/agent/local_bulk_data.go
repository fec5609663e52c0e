// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/uspgate/uspgate/translate/bulk"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const (
	bulkRoot     = "Device.BulkData."
	profileTable = bulkRoot + "Profile."
)

// The one protocol and the encodings of a Profile, by the names of TR-181.
const (
	protocolEventNotif = "USPEventNotif"
	encodingJSON       = "JSON"
	encodingCSV        = "CSV"
)

// bulkObjects is Device.BulkData. [TR-181 BulkDataColl:1, BulkDataReports:1,
// BulkDataJSONEncoding:1, BulkDataCSVEncoding:1]. Reports leave as Push! only: the Agent
// has no HTTP or MQTT client of its own. What a CPE has there is about reports of its own
// and is not shown.
func bulkObjects() []*localObject {
	root := obj(bulkRoot,
		rw("Enable", path.TypeBoolean, "true"),
		calc("Status", path.TypeString, func(a *Agent, _ string) string {
			if a.local.isTrue(bulkRoot + "Enable") {
				return "Enabled"
			}
			return "Disabled"
		}),
		calc("MinReportingInterval", path.TypeUnsignedInt, func(a *Agent, _ string) string {
			return number(int(a.host.opts.BulkInterval.Seconds()))
		}),
		ro("Protocols", path.TypeString|path.List, protocolEventNotif),
		ro("EncodingTypes", path.TypeString|path.List, encodingCSV+","+encodingJSON),
		ro("ParameterWildCardSupported", path.TypeBoolean, "true"),
		calc("MaxNumberOfProfiles", path.TypeInt, func(a *Agent, _ string) string {
			return number(a.host.opts.BulkProfiles)
		}),
		calc("MaxNumberOfParameterReferences", path.TypeInt, func(a *Agent, _ string) string {
			return number(a.host.opts.BulkReferences)
		}),
		count("Profile"),
	)
	root.columns["Status"].still = true // it says what Enable does
	return append(profileObjects(), root)
}

func profileObjects() []*localObject {
	p := obj(profileTable+"{i}.",
		rw("Enable", path.TypeBoolean, "false"),
		alias(),
		rw("Name", path.TypeString, "", maxLen(255)),
		rw("NumberOfRetainedFailedReports", path.TypeInt, "0", fromMinusOne),
		rw("Protocol", path.TypeString, "", oneOf(protocolEventNotif)),
		rw("EncodingType", path.TypeString, "", oneOf(encodingCSV, encodingJSON)),
		rw("ReportingInterval", path.TypeUnsignedInt, "86400", between(1, 1<<32-1)),
		rw("TimeReference", path.TypeDateTime, unknownTime),
		count("Parameter"),
		ro("Controller", path.TypeString, ""),
	).keyed([]string{"Alias"}).rows()
	p.commands = []*command{forceCollectionCommand()}
	p.events = []event{{"Push!", []string{"Data"}}}
	p.added = func(t *tx, row string, by usp.EndpointID) {
		t.set(row+"Controller", strings.TrimSuffix(t.l.agent.controllerRow(by), "."))
	}
	p.check = checkProfile
	param := obj(p.Path+"Parameter.{i}.",
		rw("Name", path.TypeString, "", maxLen(64)),
		rw("Reference", path.TypeString, "", maxLen(256)),
		rw("Exclude", path.TypeBoolean, "false"),
	).rows()
	param.check = checkBulkParameter
	stamp := oneOf(string(bulk.UnixEpoch), string(bulk.ISO8601), string(bulk.NoTimestamp))
	csv := obj(p.Path+"CSVEncoding.",
		rw("FieldSeparator", path.TypeString, ",", checkSeparator),
		// CR LF, as TR-369 writes it: the blank that is the default in the XML of TR-181 is
		// what is left of that.
		rw("RowSeparator", path.TypeString, "&#13;&#10;", checkSeparator),
		rw("EscapeCharacter", path.TypeString, `"`, checkEscape),
		rw("ReportFormat", path.TypeString, string(bulk.ParameterPerColumn),
			oneOf(string(bulk.ParameterPerRow), string(bulk.ParameterPerColumn))),
		rw("RowTimestamp", path.TypeString, string(bulk.UnixEpoch), stamp),
	)
	json := obj(p.Path+"JSONEncoding.",
		rw("ReportFormat", path.TypeString, string(bulk.ObjectHierarchy),
			oneOf(string(bulk.ObjectHierarchy), string(bulk.NameValuePair))),
		rw("ReportTimestamp", path.TypeString, string(bulk.UnixEpoch), stamp),
	)
	return []*localObject{p, param, csv, json}
}

// fromMinusOne takes what is not below -1, of what is an int.
func fromMinusOne(v string) *usp.Error {
	if n, minus := strings.CutPrefix(v, "-"); minus && strings.Trim(n, "0") != "" && strings.TrimLeft(n, "0") != "1" {
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "out of range"}
	}
	return nil
}

// checkSeparator takes a separator of at most 32 characters, character references among
// them.
func checkSeparator(v string) *usp.Error {
	if v == "" {
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "a separator cannot be empty"}
	}
	return maxLen(32)(v)
}

func checkEscape(v string) *usp.Error {
	if utf8.RuneCountInString(v) != 1 {
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "want one character"}
	}
	return nil
}

// checkProfile looks at a Profile as a whole. One that cannot make reports cannot be
// enabled: Protocol and EncodingType have no default among their values.
func checkProfile(l *local, row string) *usp.Error {
	if len(l.rows[profileTable]) > l.agent.host.opts.BulkProfiles {
		return invalid(usp.CodeResourcesExceeded, row, "more than MaxNumberOfProfiles")
	}
	if l.seconds(row+"ReportingInterval") < l.agent.host.opts.BulkInterval {
		return invalid(usp.CodeInvalidValue, row+"ReportingInterval", "less than MinReportingInterval")
	}
	for _, name := range []string{"Protocol", "EncodingType"} {
		if l.isTrue(row+"Enable") && l.get(row+name) == "" {
			return invalid(usp.CodeInvalidValue, row+"Enable", "a Profile without "+name+" cannot be enabled")
		}
	}
	return nil
}

// checkBulkParameter looks at what a row of Profile.{i}.Parameter. is about. A reference
// is checked against the supported data model here, against the rows that are there in
// each report.
func checkBulkParameter(l *local, row string) *usp.Error {
	all := 0
	l.each(profileTable, func(profile string) { all += len(l.rows[profile+"Parameter."]) })
	if all > l.agent.host.opts.BulkReferences {
		return invalid(usp.CodeResourcesExceeded, row, "more than MaxNumberOfParameterReferences")
	}
	ref := l.get(row + "Reference")
	if ref == "" {
		return nil
	}
	blame := func(text string) *usp.Error { return invalid(usp.CodeInvalidValue, row+"Reference", ref+" "+text) }
	p, err := path.Parse(ref)
	switch {
	case err != nil:
		return blame(uspError(err).Text)
	case hasExpression(p):
		return blame("has more than wildcards in it")
	case !slices.Contains([]path.Kind{path.Parameter, path.Object, path.Instance}, p.Kind()):
		return blame("has no value")
	case !l.agent.mayExist(p):
		return blame("is not in the supported data model")
	}
	return nil
}
