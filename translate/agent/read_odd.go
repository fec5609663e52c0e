// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/profile"
)

// The ways of CPE that do not take every request that reads. What worked is tried
// first from then on.

// askNames sends GetParameterNames.
func (a *Agent) askNames(ctx context.Context, call caller, path string, nextLevel bool) (cwmp.Response, error) {
	a.lock()
	words := a.words()
	a.unlock()
	return call(ctx, &cwmp.GetParameterNames{Path: path, NextLevel: nextLevel, Words: words})
}

// otherWords is for a CPE that has taken the arguments of no GetParameterNames at all,
// err being the last it said: NextLevel is written in the other way from now on. It
// reports whether that is worth trying [quirk 49].
func (a *Agent) otherWords(err error) bool {
	if !isFault(err, cwmp.FaultInvalidArguments) {
		return false
	}
	a.lock()
	defer a.unlock()
	if a.words() {
		a.fresh.nextLevel = profile.Digits
	} else {
		a.fresh.nextLevel = profile.Words
	}
	return true
}

// byParameter takes the objects out of a list of names that the CPE gives no values of as
// a whole [quirk 54], or that have something in them that is not to be asked for, and
// reads them; the names of parameters that may be asked for are left. An error means
// that the CPE did not answer.
func (a *Agent) byParameter(ctx context.Context, call caller, names []string, failed unread) ([]string, error) {
	m := a.manner()
	if !m.noObject && len(m.ignore) == 0 {
		return names, nil
	}
	var left []string
	for i, name := range names {
		if m.ignores(name) {
			continue
		}
		if !cwmp.IsPartialPath(name) || !m.noObject && !m.ignoresIn(name) {
			left = append(left, name)
			continue
		}
		if _, err := a.readObject(ctx, call, name, failed); err != nil {
			failed.add(names[i+1:], err)
			return nil, err
		}
	}
	return left, nil
}

// neverByObject reports whether the CPE has never given values by object; if it has, a
// refusal is about that object.
func (a *Agent) neverByObject() bool {
	a.lock()
	defer a.unlock()
	return !a.fresh.objects
}

// enoughRefusals are enough to tell a CPE that gives nothing by object from one of which
// an object is odd.
const enoughRefusals = 2

// readOtherwise is readObject for a CPE that has refused to give the values of an object.
// If it does that again and again and gives them by parameter, that is how it is.
func (a *Agent) readOtherwise(ctx context.Context, call caller, object string, failed unread) error {
	done, err := a.readObject(ctx, call, object, failed)
	a.lock()
	defer a.unlock()
	if done {
		a.fresh.refusals++
	}
	a.fresh.noObjects = !a.fresh.objects && (a.fresh.noObjects || a.fresh.refusals >= enoughRefusals)
	return err
}

// readObject reads the names of an object and then the values of its parameters, as
// GetParameterValues of the object would, and reports whether the CPE has given any.
func (a *Agent) readObject(ctx context.Context, call caller, object string, failed unread) (done bool, err error) {
	infos, err := a.objectNames(ctx, call, object)
	switch {
	case isFault(err, cwmp.FaultInvalidParameterName):
		a.unknownName(object)
		return false, nil
	case err != nil:
		failed.add([]string{object}, err)
		if isFault(err) {
			return false, nil
		}
		return false, err
	}
	var names []string
	for _, info := range infos {
		if !cwmp.IsPartialPath(info.Name) {
			names = append(names, info.Name)
		}
	}
	if err := a.read(ctx, call, names).any(); err != nil && !isFault(err) {
		failed.add([]string{object}, err)
		return false, err
	}
	a.lock()
	defer a.unlock()
	a.fresh.note(object, time.Now())
	return len(names) > 0, nil
}

// objectValues asks for the values of an object, and of a CPE that gives none by object
// for those of its parameters. They are not put into the view.
func (a *Agent) objectValues(ctx context.Context, call caller, object string) ([]cwmp.ParameterValue, error) {
	m := a.manner()
	if !m.noObject {
		vals, err := askValues(ctx, call, []string{object})
		if !isFault(err) || !a.neverByObject() {
			return vals, err
		}
	}
	resp, err := a.askNames(ctx, call, object, false)
	if err != nil {
		return nil, err
	}
	var names []string
	if got, ok := resp.(*cwmp.GetParameterNamesResponse); ok {
		for _, info := range got.Params {
			if !cwmp.IsPartialPath(info.Name) && !m.ignores(info.Name) {
				names = append(names, info.Name)
			}
		}
	}
	var all []cwmp.ParameterValue
	for some := range slices.Chunk(names, max(1, m.batch)) {
		vals, err := askValues(ctx, call, some)
		if err != nil {
			return nil, err
		}
		all = append(all, vals...)
	}
	return all, nil
}

// askValues sends GetParameterValues.
func askValues(ctx context.Context, call caller, names []string) ([]cwmp.ParameterValue, error) {
	resp, err := call(ctx, &cwmp.GetParameterValues{Names: names})
	if err != nil {
		return nil, err
	}
	got, ok := resp.(*cwmp.GetParameterValuesResponse)
	if !ok {
		return nil, &cwmp.Fault{Code: cwmp.FaultInternalError, Text: "another response"}
	}
	return got.Params, nil
}

// objectNames reads the names of an object into the view. As for a read of values,
// it is repeated where a write came between.
func (a *Agent) objectNames(ctx context.Context, call caller, object string) ([]cwmp.ParameterInfo, error) {
	for try := 0; ; try++ {
		departed := a.departed.Load()
		resp, err := a.askNames(ctx, call, object, false)
		if err != nil {
			return nil, err
		}
		got, ok := resp.(*cwmp.GetParameterNamesResponse)
		if !ok {
			return nil, nil
		}
		a.lock()
		if a.settled <= departed || try == maxRereads {
			a.publish(a.view.SetNames(object, got.Params))
			a.unlock()
			return got.Params, nil
		}
		a.unlock()
	}
}
