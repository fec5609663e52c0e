// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// newParam returns a parameter with the flags that follow from its name.
func newParam(name, value string, typ cwmp.Type, writable bool) *node {
	n := &node{name: name, value: value, typ: typ, writable: writable, expand: strings.IndexByte(value, '{') >= 0}
	switch name {
	case "UpTime", "Uptime":
		n.live = liveUptime
	case "CurrentLocalTime":
		n.live = liveClock
	case "SoftwareVersion", "ProvisioningCode":
		n.forced, n.notify = true, 2
	case "ConnectionRequestURL", "ExternalIPAddress", "UDPConnectionRequestAddress":
		n.notify = 2 // by default [TR-098]
	}
	n.secret = typ == cwmp.TypeString && isSecret(name)
	n.counter = n.live != liveNone || isCounter(name)
	return n
}

// isSecret reports whether a parameter reads as empty [TR-069 A.3.2.2].
func isSecret(name string) bool {
	for _, s := range [...]string{"Password", "Passphrase", "PassPhrase", "PreSharedKey", "WEPKey", "Secret"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// isCounter reports whether a parameter changes too often for active
// notification, by the words that TR-098 and TR-181 use for such.
func isCounter(name string) bool {
	for _, s := range [...]string{
		"BytesSent", "BytesReceived", "PacketsSent", "PacketsReceived", "ErrorsSent", "ErrorsReceived", "Errors",
		"LeaseTimeRemaining", "NoiseMargin", "Attenuation", "CPUUsage", "SignalStrength", "ShowtimeStart", "Free",
	} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// rule is what a value has to be besides its type: the fifth column of a
// model file.
type rule struct {
	enum     []string
	min, max int64
	length   bool // min and max are of the length
	list     bool // enum holds for each item
}

// parseRule reads a rule: "a|b|c" is an enumeration, "list:a|b" a comma
// separated list of such, "1:65535" a range, "len:8:63" a range of the length.
func parseRule(s string) (*rule, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no rule is no error
	}
	r := &rule{}
	text, isLen := strings.CutPrefix(s, "len:")
	text, r.list = strings.CutPrefix(text, "list:")
	least, most, isRange := strings.Cut(text, ":")
	if !isRange {
		if isLen {
			return nil, fmt.Errorf("rule %q needs len:MIN:MAX", s)
		}
		r.enum = strings.Split(text, "|")
		return r, nil
	}
	var err error
	if r.min, err = strconv.ParseInt(least, 10, 64); err != nil {
		return nil, fmt.Errorf("rule %q: %w", s, err)
	}
	if r.max, err = strconv.ParseInt(most, 10, 64); err != nil {
		return nil, fmt.Errorf("rule %q: %w", s, err)
	}
	r.length = isLen
	return r, nil
}

// allows reports whether v fulfils the rule; a nil rule allows everything.
func (r *rule) allows(v string) bool {
	switch {
	case r == nil:
		return true
	case r.length:
		return int64(len(v)) >= r.min && int64(len(v)) <= r.max
	case r.list:
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item != "" && !slices.Contains(r.enum, item) {
				return false
			}
		}
		return true
	case r.enum != nil:
		return slices.Contains(r.enum, v)
	default:
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && n >= r.min && n <= r.max
	}
}

// valid reports whether v is in the lexical space of t [TR-106 3.2.1].
func valid(t cwmp.Type, v string) bool {
	var err error
	switch t {
	case cwmp.TypeInt:
		_, err = strconv.ParseInt(v, 10, 32)
	case cwmp.TypeUnsignedInt:
		_, err = strconv.ParseUint(strings.TrimPrefix(v, "+"), 10, 32)
	case cwmp.TypeLong:
		_, err = strconv.ParseInt(v, 10, 64)
	case cwmp.TypeUnsignedLong:
		_, err = strconv.ParseUint(strings.TrimPrefix(v, "+"), 10, 64)
	case cwmp.TypeBoolean:
		return v == "0" || v == "1" || v == "true" || v == "false"
	case cwmp.TypeDateTime:
		return validTime(v)
	case cwmp.TypeBase64:
		_, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v), ""))
	case cwmp.TypeHexBinary:
		_, err = hex.DecodeString(v)
	case cwmp.TypeUnknown, cwmp.TypeString:
		return strings.IndexFunc(v, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }) < 0
	}
	return err == nil
}

// validTime accepts ISO 8601 with and without zone and fraction.
func validTime(v string) bool {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05"} {
		if _, err := time.Parse(layout, v); err == nil {
			return true
		}
	}
	return false
}

// canon writes a boolean as the device does, in the style of its old value.
func canon(t cwmp.Type, old, v string) string {
	if t != cwmp.TypeBoolean {
		return v
	}
	yes := v == "1" || v == "true"
	switch old {
	case "0", "1":
		if yes {
			return "1"
		}
		return "0"
	case "true", "false":
		return strconv.FormatBool(yes)
	default:
		return v
	}
}

// blank is the value that a new row's column has where nothing is known but
// an example.
func blank(t cwmp.Type, example string) string {
	switch t {
	case cwmp.TypeInt, cwmp.TypeUnsignedInt, cwmp.TypeLong, cwmp.TypeUnsignedLong:
		return "0"
	case cwmp.TypeBoolean:
		return canon(t, example, "0")
	case cwmp.TypeDateTime:
		return unknownTime
	case cwmp.TypeUnknown, cwmp.TypeString, cwmp.TypeBase64, cwmp.TypeHexBinary:
	}
	return ""
}

// unknownTime is the dateTime of TR-106 for a time that is not known.
const unknownTime = "0001-01-01T00:00:00Z"

// seconds turns the value of a parameter into a duration; 0 if it is none.
func seconds(v string) time.Duration {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, math.MaxInt32)) * time.Second
}
