// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// outcome is what an answer says of one request.
type outcome struct {
	tree     tree     // that there has to be then
	failed   []bool   // by object
	whole    bool     // an Error Message
	code     uint32   // of it
	text     string   // all that is said of failures
	doubtful []string // paths of which the outcome is unknown: 7800
}

// read applies what an answer says to the tree of before. The error is that it says
// what cannot be.
func (r *request) read(before tree, msg *uspmsg.Msg) (*outcome, error) {
	out := &outcome{tree: maps.Clone(before), failed: make([]bool, len(r.objects))}
	if e := msg.GetBody().GetError(); e != nil {
		out.whole, out.code = true, e.GetErrCode()
		out.text = e.GetErrMsg()
		for _, p := range e.GetParamErrs() {
			out.text += "; " + p.GetParamPath() + " " + p.GetErrMsg()
		}
		return out, nil
	}
	resp := msg.GetBody().GetResponse()
	switch r.verb {
	case "Add":
		return out, r.readAdd(before, out, resp.GetAddResp().GetCreatedObjResults())
	case "Set":
		return out, r.readSet(before, out, resp.GetSetResp().GetUpdatedObjResults())
	default:
		return out, r.readDelete(out, resp.GetDeleteResp().GetDeletedObjResults())
	}
}

// failure notes the failure of an object.
func (out *outcome) failure(i int, path string, code uint32, text string) {
	out.failed[i] = true
	out.text += "; " + text
	if code == outcomeUnknown {
		out.doubtful = append(out.doubtful, path)
	}
}

func (r *request) readAdd(before tree, out *outcome, results []*uspmsg.AddResp_CreatedObjectResult) error {
	for i := range r.objects {
		o := &r.objects[i]
		parents := o.match(before)
		for n := range max(1, len(parents)) {
			if len(results) == 0 || results[0].GetRequestedPath() != o.path {
				return fmt.Errorf("result %d of %s: got %v", n, o.path, results)
			}
			st := results[0].GetOperStatus()
			results = results[1:]
			ok := st.GetOperSuccess()
			if ok == nil {
				f := st.GetOperFailure()
				out.failure(i, o.table.path, f.GetErrCode(), f.GetErrMsg())
				if len(parents) == 0 || !strings.Contains(o.path, "[") && !strings.Contains(o.path, "*") {
					break
				}
				continue
			}
			if len(parents) == 0 {
				if ok.GetInstantiatedPath() != "" {
					return fmt.Errorf("%s: got %s, want nothing", o.path, ok.GetInstantiatedPath())
				}
				break
			}
			not := make(map[string]bool)
			for _, e := range ok.GetParamErrs() {
				not[e.GetParam()] = true
			}
			if err := o.made(out.tree, ok.GetInstantiatedPath(), not); err != nil {
				return err
			}
		}
	}
	if len(results) != 0 {
		return fmt.Errorf("got results too many: %v", results)
	}
	return nil
}

// made puts a new row into a tree.
func (o *object) made(t tree, row string, not map[string]bool) error {
	base, number := split(row)
	if number == 0 {
		return fmt.Errorf("instantiated path: got %q", row)
	}
	for i := range o.table.columns {
		c := &o.table.columns[i]
		if _, ok := t[row+c.name]; ok {
			return fmt.Errorf("instantiated path: got %s, which is there already", row)
		}
		t[row+c.name] = strings.ReplaceAll(c.def, "{n}", strconv.Itoa(number))
	}
	for _, sub := range o.table.children {
		t[row+strings.TrimSuffix(strings.TrimPrefix(sub.path, o.table.path+"{i}."), ".")+"NumberOfEntries"] = "0"
	}
	o.table.recount(t, base, 1)
	for _, s := range o.settings {
		if err := o.apply(t, row, s, not[s.name]); err != nil {
			return err
		}
	}
	return nil
}

// apply sets one parameter, unless it is said that it was not.
func (o *object) apply(t tree, row string, s setting, not bool) error {
	switch {
	case not && !s.bad && !o.faulty, not && s.required:
		return fmt.Errorf("%s%s: got a param_err for a good or required value %q", row, s.name, s.value)
	case !not && s.bad:
		return fmt.Errorf("%s%s: got no param_err for the value %q", row, s.name, short(s.value))
	case !not:
		t[row+s.name] = s.value
	}
	return nil
}

// split cuts the number of a row off its path.
func split(row string) (table string, number int) {
	i := strings.LastIndexByte(strings.TrimSuffix(row, "."), '.')
	number, err := strconv.Atoi(strings.TrimSuffix(row[i+1:], "."))
	if err != nil {
		return "", 0
	}
	return row[:i+1], number
}

// recount changes the number of entries of a table at a path.
func (t *table) recount(tr tree, at string, by int) {
	if t.count == "" {
		return
	}
	name := strings.TrimSuffix(at, ".") + "NumberOfEntries"
	n, err := strconv.Atoi(tr[name])
	if err != nil {
		panic(err)
	}
	tr[name] = strconv.Itoa(n + by)
}

func (r *request) readSet(before tree, out *outcome, results []*uspmsg.SetResp_UpdatedObjectResult) error {
	if len(results) != len(r.objects) {
		return fmt.Errorf("got %d results, want %d", len(results), len(r.objects))
	}
	for i, res := range results {
		o := &r.objects[i]
		if f := res.GetOperStatus().GetOperFailure(); f != nil {
			out.failure(i, o.table.path, f.GetErrCode(), f.GetErrMsg())
			continue
		}
		var want, got []string
		for _, n := range o.match(before) {
			want = append(want, o.table.row(n, false))
		}
		for _, u := range res.GetOperStatus().GetOperSuccess().GetUpdatedInstResults() {
			got = append(got, u.GetAffectedPath())
			not := make(map[string]bool)
			for _, e := range u.GetParamErrs() {
				not[e.GetParam()] = true
			}
			for _, s := range o.settings {
				if err := o.apply(out.tree, u.GetAffectedPath(), s, not[s.name]); err != nil {
					return err
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s: got affected paths %q, want %q", o.path, got, want)
		}
	}
	return nil
}

func (r *request) readDelete(out *outcome, results []*uspmsg.DeleteResp_DeletedObjectResult) error {
	if len(results) != len(r.objects) {
		return fmt.Errorf("got %d results, want %d", len(results), len(r.objects))
	}
	for i, res := range results {
		o := &r.objects[i]
		if f := res.GetOperStatus().GetOperFailure(); f != nil {
			out.failure(i, o.table.path, f.GetErrCode(), f.GetErrMsg())
			continue
		}
		ok := res.GetOperStatus().GetOperSuccess()
		for _, u := range ok.GetUnaffectedPathErrs() {
			out.failure(i, o.table.path, u.GetErrCode(), u.GetErrMsg())
		}
		for _, row := range ok.GetAffectedPaths() {
			o.table.remove(out.tree, row)
		}
	}
	return nil
}

// remove takes a row out of a tree, with what is below it.
func (t *table) remove(tr tree, row string) {
	if _, ok := tr[row+t.columns[0].name]; !ok {
		return
	}
	maps.DeleteFunc(tr, func(path, _ string) bool { return strings.HasPrefix(path, row) })
	base, _ := split(row)
	t.recount(tr, base, -1)
}

// differences says where two trees are not equal: "" if they are.
func differences(got, want tree) string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[path]; !ok {
			out = append(out, fmt.Sprintf("%s: not there, want %q", path, want[path]))
		} else if v != want[path] {
			out = append(out, fmt.Sprintf("%s: got %q, want %q", path, v, want[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[path]; !ok {
			out = append(out, fmt.Sprintf("%s: got %q, want none", path, got[path]))
		}
	}
	return strings.Join(out[:min(len(out), 10)], "\n")
}

// outcomeUnknown is the code after which a write may have happened.
const outcomeUnknown = 7800
