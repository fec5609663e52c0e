// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
)

// View shows one CPE's raw tree as the USP variant of Device:2. It owns no
// slice that is passed to it, but keeps the strings. Not safe for concurrent
// use, reading included.
type View struct{}

// NewView returns the view of a CPE that nothing is known of yet. The View adds
// to inst; a nil inst means a new one.
func NewView(r *Rules, root Root, inst *InstanceMap) *View { return &View{} }

// Root returns the CPE's root.
func (v *View) Root() Root { return TR181 }

// SetNames takes the result of GetParameterNames with NextLevel false: infos is
// the complete subtree under the CPE's object path under ("" is the root), what
// is not in it is gone. Values of what stays are kept.
func (v *View) SetNames(under string, infos []cwmp.ParameterInfo) Delta { return Delta{} }

// SetValues takes the result of GetParameterValues for the CPE's names under.
// Below a partial path rows that have no value any more are gone, and rows that
// are new appear; a parameter that is missing while its row is there is not
// gone [quirk 22].
func (v *View) SetValues(under []string, vals []cwmp.ParameterValue) Delta { return Delta{} }

// Observe takes values seen in passing, of an Inform or of a write of ours: it
// updates, and learns what it did not know, but removes nothing.
func (v *View) Observe(vals []cwmp.ParameterValue) Delta { return Delta{} }

// Supported returns the supported data model: what the rules can show of this
// CPE, and what its tree has shown. The result is shared until the tree changes
// its shape; the caller must not change it.
func (v *View) Supported() *Supported { return &Supported{} }

// Object returns an instantiated object ("Device.WiFi.SSID.1.") or table
// ("Device.WiFi.SSID.").
func (v *View) Object(path string) (Object, bool) { return Object{}, false }

// Instances returns the instance numbers of an instantiated table path, in
// ascending order; nil where there are none.
func (v *View) Instances(table string) []uint32 { return nil }

// Param returns an instantiated parameter.
func (v *View) Param(path string) (Param, bool) { return Param{}, false }

// Walk calls f for an instantiated object (or table, or "Device.") and for the
// objects below it that exist, each with its own parameters, in data-model
// order. Depth counts as max_depth does: 0 is everything, 1 the object alone,
// and instances are not a level of their own [R-GET.5]. A table is not reported
// itself. It stops when f returns false. The slice is f's only until it returns.
func (v *View) Walk(object string, depth int, f func(object string, params []Param) bool) {}

// Sources returns the CPE names to read with GetParameterValues so that the
// parameter or everything under the object path is fresh; partial paths where
// that is less, none covering another. An empty result means that nothing of it
// comes from the CPE.
func (v *View) Sources(path string) []string { return nil }

// PlanSet turns all settings of one request into one SetParameterValues list,
// typed as the CPE reported each parameter. If there are errors the values are
// those of the other settings. A setting that changes nothing on the CPE plans
// nothing: a reference that is already so, or an Alias that only the gateway
// keeps. Such an Alias is kept by this call.
func (v *View) PlanSet(settings []Setting) ([]cwmp.ParameterValue, []SettingError) { return nil, nil }

// PlanAdd finds the CPE's table for a new row of an instantiated Device:2 table
// ("Device.NAT.PortMapping."). The error is a *usp.Error.
func (v *View) PlanAdd(table string, settings []Setting) (AddPlan, error) {
	return AddPlan{}, &usp.Error{Code: usp.CodeNonCreatable, Path: table, Text: "not implemented"}
}

// Added takes the instance number of AddObjectResponse and returns the path of
// the new row, ending in a dot. The row exists in the View from then on and may
// be given to PlanSet at once, before its names are read. The error is a
// *usp.Error.
func (v *View) Added(plan AddPlan, instance uint32) (string, error) {
	return "", &usp.Error{Code: usp.CodeObjectNotCreated, Text: "not implemented"}
}

// PlanDelete returns the CPE's instances to delete for one instantiated Device:2
// row, each for one DeleteObject. The error is a *usp.Error.
func (v *View) PlanDelete(instance string) ([]string, error) {
	return nil, &usp.Error{Code: usp.CodeObjectDoesNotExist, Path: instance, Text: "not implemented"}
}

// Explain says in a few lines where a Device:2 path, or a path of the CPE,
// comes from and goes to.
func (v *View) Explain(path string) string { return "" }
