// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Upper bounds of what the encoding of a Message puts around its strings: tags
// and lengths.
const (
	overString = 5  // one string
	overEntry  = 15 // a map entry and its two strings
	overResult = 24 // the result of a path or an object, with its error code
)

// meter counts what an answer is going to need while it is being built, so that
// nothing is built that cannot be sent. What it counts is not less than the
// encoding.
type meter struct {
	used, limit int
	record      int // unless 0, the MaxUSPRecordSize that limit comes from
}

func (a *Agent) newMeter() *meter { return &meter{limit: a.host.opts.MaxResponse} }

// take counts n bytes more, and refuses what is more than the limit.
func (m *meter) take(n int) *usp.Error {
	if m.used += n; m.used <= m.limit {
		return nil
	}
	if m.record > 0 {
		return invalid(usp.CodeResourcesExceeded, "", tooLarge("may be", m.used, m.record))
	}
	return invalid(usp.CodeResourcesExceeded, "",
		"the answer would be larger than MaxResponse, "+number(m.limit)+" bytes: ask for less at once")
}

// asError makes a protocol error the Error that answers the whole Message.
func asError(err *usp.Error) *uspmsg.Error {
	return &uspmsg.Error{ErrCode: uint32(err.Code), ErrMsg: err.Text}
}

// tooMany refuses a request with more paths or objects than Options.Requested.
func (a *Agent) tooMany(n int) *uspmsg.Error {
	if n <= a.host.opts.Requested {
		return nil
	}
	return asError(invalid(usp.CodeResourcesExceeded, "",
		"more than Requested, "+number(a.host.opts.Requested)+" paths or objects in one request"))
}

// tooManySettings refuses to give more parameters a value than Options.Paths.
func (a *Agent) tooManySettings(n int) *usp.Error {
	if n <= a.host.opts.Paths {
		return nil
	}
	return invalid(usp.CodeResourcesExceeded, "",
		"more than Paths, "+number(a.host.opts.Paths)+" parameters to set in one request")
}

// overSetting is what the answer to a write may need for one parameter beside
// its path and its value: the text of an error.
const overSetting = 128

// takeSettings counts what the answer may need for the settings of one object,
// each with its name, its value, and an error that says both.
func (m *meter) takeSettings(object string, settings []*assignment) *usp.Error {
	need := overResult + len(object)
	if m.record > 0 { // the texts of errors can be left out; see fit
		for _, s := range settings {
			need += overEntry + len(s.rel) + len(s.value)
		}
		return m.take(need)
	}
	for _, s := range settings {
		need += 2*len(s.full()) + len(s.value) + overSetting
	}
	return m.take(need)
}

// sizeOf is at most what a map of strings needs, encoded.
func sizeOf(m map[string]string) int {
	n := 0
	for k, v := range m {
		n += overEntry + len(k) + len(v)
	}
	return n
}
