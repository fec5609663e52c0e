// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"encoding/json"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// Rest is by what the Informs are told that need not wake the Observer of a Device that
// sleeps. The zero value is that of none: all of them do. It is plain data, and means
// the same to every process.
type Rest struct {
	// Whole is of the last Inform: one that has it says nothing new. 0: it is not known.
	Whole Sum `json:"whole,omitempty"`
	// Core is of what the Observer would hear of it: one that has it differs from the last
	// one at most in the address that it comes from, and in the values of the parameters
	// that Deaf says, bit i for the i-th. These are kept until the Observer is back, see
	// Device.Told.
	Core Sum    `json:"core,omitempty"`
	Deaf uint64 `json:"deaf,omitempty"`
}

// Sum tells Informs apart by what they say of the CPE, not by their events: equal ones
// have the same. 0 is that of none.
type Sum uint64

// likeness is an Inform, and where it came from, as what Sums are made of.
type likeness struct {
	from, who uint64
	names     []uint64 // with their types
	values    []uint64
}

// maxLike is how many parameters an Inform may have that a Core is made of.
const maxLike = 64

// likeness returns that of an Inform.
func (f *Fleet) likeness(in *cwmp.Inform, info *acs.Info) *likeness {
	n := len(in.Params)
	sums := make([]uint64, 2*n)
	l := &likeness{
		who: text(word(basis, f.opts.Epoch), in.DeviceID.Manufacturer), from: basis, names: sums[:n], values: sums[n:],
	}
	for _, b := range info.Remote.Addr().As16() {
		l.from = octet(l.from, b)
	}
	for i := range in.Params {
		p := &in.Params[i]
		l.names[i], l.values[i] = octet(text(basis, p.Name), byte(p.Type)), text(basis, p.Value)
	}
	return l
}

// whole is of all that it says.
func (l *likeness) whole() Sum { return l.sum(l.from, 0) }

// core is of what is heard by who is deaf to some values.
func (l *likeness) core(deaf uint64) Sum { return l.sum(basis, deaf) }

func (l *likeness) sum(h, deaf uint64) Sum {
	h = word(h, l.who)
	for i := range l.names {
		h = word(h, l.names[i])
		if i >= maxLike || deaf>>i&1 == 0 {
			h = word(h, l.values[i])
		}
	}
	return Sum(max(1, h))
}

// The hash is FNV-1a: a Sum is stored, and means the same to the next version.
const (
	basis = 14695981039346656037
	prime = 1099511628211
)

func octet(h uint64, b byte) uint64 { return (h ^ uint64(b)) * prime }

func word(h, n uint64) uint64 {
	for range 8 {
		h, n = octet(h, byte(n)), n>>8
	}
	return h
}

// text hashes a string with its length, so that none runs into the next.
func text(h uint64, s string) uint64 {
	h = word(h, uint64(len(s)))
	for i := range len(s) {
		h = octet(h, s[i])
	}
	return h
}

// Rest returns that of the last Inform for an Observer that is deaf to the values of
// some of its parameters, bit i for the i-th of at most 64; the zero value if one more
// like it would be news to the Device.
func (d *Device) Rest(deaf uint64) Rest {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil {
		return Rest{}
	}
	r := Rest{Whole: d.last.whole()}
	if len(d.last.names) <= maxLike {
		r.Core, r.Deaf = d.last.core(deaf), deaf
	}
	return r
}

// said notes an Inform that has been taken in and stored as a whole.
func (d *Device) said(in *cwmp.Inform, info *acs.Info, s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.login == nil && !info.InformLoop && d.fleet.opts.Resting != nil {
		d.last = d.fleet.likeness(in, info)
	}
}

// Told returns what Informs have said while the Observer slept that it has not heard of;
// nil for nothing. An Observer that has stored it calls ToldKept.
func (d *Device) Told() []cwmp.ParameterValue {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known.Told.values()
}

// ToldKept says that the Observer has stored what Told returned. It blocks as the Keeper
// does; where that fails it is told again.
func (d *Device) ToldKept() error {
	d.mu.Lock()
	d.unsaved = d.unsaved || d.known.Told != ""
	d.known.Told = ""
	d.mu.Unlock()
	return d.save()
}

// Told is values that Informs have brought, as JSON; empty for none.
type Told string

// maxTold bounds a Told in bytes: an Inform that would bring more wakes the Observer.
const maxTold = 8 << 10

// toldValue is one of them.
type toldValue struct {
	Name  string    `json:"n"`
	Value string    `json:"v"`
	Type  cwmp.Type `json:"t"`
}

// toldOf returns the parameters of an Inform that deaf says; ok is false if that is more
// than is kept.
func toldOf(params []cwmp.ParameterValue, deaf uint64) (t Told, ok bool) {
	var all []toldValue
	for i := range params[:min(len(params), maxLike)] {
		if deaf>>i&1 != 0 {
			all = append(all, toldValue{params[i].Name, params[i].Value, params[i].Type})
		}
	}
	if len(all) == 0 {
		return "", true
	}
	b, err := json.Marshal(all)
	return Told(b), err == nil && len(b) <= maxTold
}

func (t Told) values() []cwmp.ParameterValue {
	var all []toldValue
	if t == "" || json.Unmarshal([]byte(t), &all) != nil {
		return nil
	}
	out := make([]cwmp.ParameterValue, len(all))
	for i, v := range all {
		out[i] = cwmp.ParameterValue{Name: v.Name, Value: v.Value, Type: v.Type}
	}
	return out
}
