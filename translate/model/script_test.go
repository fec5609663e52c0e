// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// TestScripts runs the scripts in testdata. A script is a sequence of
//
//	command arguments
//	input lines
//	----
//	expected output
//
// separated by blank lines; what stands before a command and begins with # is
// a comment. The commands are those of the script type's run method.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts: %v, %d files", err, len(files))
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, name, string(text))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("%s: got (go test -update rewrites it)\n%s", name, firstDifference(got, string(text)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			from, to := max(0, i-8), min(len(g), i+12)
			return fmt.Sprintf("from line %d on:\n%s", from+1, strings.Join(g[from:to], "\n"))
		}
	}
	return got
}

// runScript returns the script with the output that there is.
func runScript(t *testing.T, name, text string) string {
	t.Helper()
	s := &script{t: t, rules: mustLoad(t)}
	var out, input strings.Builder
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if line == "" || strings.HasPrefix(line, "#") {
			out.WriteString(line + "\n")
			continue
		}
		cmd := line
		input.Reset()
		out.WriteString(cmd + "\n")
		for i++; i < len(lines) && lines[i] != "----"; i++ {
			input.WriteString(lines[i] + "\n")
			out.WriteString(lines[i] + "\n")
		}
		if i == len(lines) {
			t.Fatalf("%s: %q has no ---- line", name, cmd)
		}
		out.WriteString("----\n")
		for i++; i < len(lines) && lines[i] != ""; i++ {
			continue // the expected output
		}
		out.WriteString(s.run(cmd, strings.TrimSuffix(input.String(), "\n")))
		if i < len(lines)-1 {
			out.WriteString("\n")
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func mustLoad(tb testing.TB) *model.Rules {
	tb.Helper()
	r, err := model.Load("")
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// script is the state of one script: a CPE's view.
type script struct {
	t     *testing.T
	rules *model.Rules
	view  *model.View
	root  model.Root
	inst  *model.InstanceMap
}

func (s *script) run(cmd, input string) string {
	args := strings.Fields(cmd)
	arg := ""
	if len(args) > 1 {
		arg = args[1]
	}
	switch args[0] {
	case "load": // load tr098|tr181: a new CPE; lines: name [rw|ro [type [value]]]
		return s.load(arg, input)
	case "restart": // the same CPE, with the stored instance map and nothing else
		return s.restart()
	case "names": // names UNDER: SetNames; lines as load
		infos, _ := s.lines(input)
		return delta(s.view.SetNames(s.full(arg), infos))
	case "values": // values UNDER...: SetValues
		_, vals := s.lines(input)
		under := make([]string, 0, len(args))
		for _, u := range args[1:] {
			under = append(under, s.full(u))
		}
		return delta(s.view.SetValues(under, vals))
	case "observe":
		_, vals := s.lines(input)
		return delta(s.view.Observe(vals))
	case "get": // get PATH [DEPTH]
		return s.get(arg, args[2:])
	case "instances":
		return fmt.Sprintln(s.view.Instances(arg))
	case "object":
		o, ok := s.view.Object(arg)
		return fmt.Sprintf("multi=%t add=%t delete=%t exists=%t\n", o.Multi, o.Add, o.Delete, ok)
	case "set": // lines: path = value
		vals, errs := s.view.PlanSet(settings(input))
		return planned(vals, errs)
	case "add": // add TABLE [INSTANCE]: PlanAdd, and Added
		return s.add(args, settings(input))
	case "delete":
		names, err := s.view.PlanDelete(arg)
		if err != nil {
			return err.Error() + "\n"
		}
		return strings.Join(names, "\n") + "\n"
	case "sources":
		if names := s.view.Sources(arg); len(names) > 0 {
			return strings.Join(names, "\n") + "\n"
		}
		return "nothing\n"
	case "supported":
		return s.supported(arg)
	case "explain":
		return s.view.Explain(arg)
	default:
		s.t.Fatalf("unknown command %q", cmd)
		return ""
	}
}

// full gives a name the CPE's root.
func (s *script) full(rel string) string {
	if rel == "." || rel == "" {
		return s.root.Prefix()
	}
	return s.root.Prefix() + rel
}

// lines reads names with access, type and value.
func (s *script) lines(input string) ([]cwmp.ParameterInfo, []cwmp.ParameterValue) {
	var infos []cwmp.ParameterInfo
	var vals []cwmp.ParameterValue
	prefix := ""
	for line := range strings.SplitSeq(input, "\n") {
		if line == "" {
			continue
		}
		indented := strings.HasPrefix(line, " ")
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		name := f[0]
		if indented {
			name = prefix + name
		} else {
			prefix = name
		}
		infos = append(infos, cwmp.ParameterInfo{Name: s.full(name), Writable: len(f) > 1 && f[1] == "rw"})
		if len(f) > 2 {
			pv := cwmp.ParameterValue{Name: s.full(name), Type: cwmp.ParseType(f[2])}
			if len(f) > 3 {
				pv.Value = f[3]
			}
			vals = append(vals, pv)
		}
	}
	return infos, vals
}

func (s *script) load(root, input string) string {
	s.root = model.TR181
	if root == "tr098" {
		s.root = model.TR098
	}
	s.inst = model.NewInstanceMap()
	s.view = model.NewView(s.rules, s.root, s.inst)
	infos, vals := s.lines(input)
	s.view.SetNames("", infos)
	s.view.SetValues([]string{s.root.Prefix()}, vals)
	return "ok\n"
}

func (s *script) restart() string {
	stored, err := json.Marshal(s.inst)
	if err != nil {
		s.t.Fatal(err)
	}
	s.inst = model.NewInstanceMap()
	if err := json.Unmarshal(stored, s.inst); err != nil {
		s.t.Fatal(err)
	}
	s.view = model.NewView(s.rules, s.root, s.inst)
	return "ok\n"
}

func delta(d model.Delta) string {
	var b strings.Builder
	for _, p := range d.Deleted {
		fmt.Fprintf(&b, "- %s\n", p)
	}
	for _, p := range d.Created {
		fmt.Fprintf(&b, "+ %s\n", p)
	}
	for _, p := range d.Changed {
		fmt.Fprintf(&b, "~ %s = %s\n", p.Path, p.Value)
	}
	if d.Empty() {
		return "nothing\n"
	}
	return b.String()
}

func param(p model.Param) string {
	rw := "ro"
	if p.Writable {
		rw = "rw"
	}
	value := strconv.Quote(p.Value)
	if !p.Known {
		value = "?"
	}
	return fmt.Sprintf("%s = %s %s %s\n", p.Path, value, p.Type, rw)
}

func (s *script) get(p string, more []string) string {
	if !strings.HasSuffix(p, ".") {
		got, ok := s.view.Param(p)
		if !ok {
			return "none\n"
		}
		return param(got)
	}
	depth := 0
	if len(more) > 0 {
		depth, _ = strconv.Atoi(more[0])
	}
	var b strings.Builder
	s.view.Walk(p, depth, func(object string, params []model.Param) bool {
		b.WriteString(object + "\n")
		for _, p := range params {
			p.Path = "  " + strings.TrimPrefix(p.Path, object)
			b.WriteString(param(p))
		}
		return true
	})
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}

func settings(input string) []model.Setting {
	var out []model.Setting
	for line := range strings.SplitSeq(input, "\n") {
		name, value, ok := strings.Cut(line, " =")
		if ok {
			out = append(out, model.Setting{Path: name, Value: strings.TrimPrefix(value, " ")})
		}
	}
	return out
}

func planned(vals []cwmp.ParameterValue, errs []model.SettingError) string {
	var b strings.Builder
	for _, v := range vals {
		fmt.Fprintf(&b, "%s = %q %s\n", v.Name, v.Value, v.Type)
	}
	for _, e := range errs {
		fmt.Fprintf(&b, "error %d: %v\n", e.Index, e.Err)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (s *script) add(args []string, set []model.Setting) string {
	plan, err := s.view.PlanAdd(args[1], set)
	if err != nil {
		return err.Error() + "\n"
	}
	out := "AddObject " + plan.ObjectName + "\n"
	if len(args) < 3 {
		return out
	}
	n, err := strconv.ParseUint(args[2], 10, 32)
	if err != nil {
		s.t.Fatal(err)
	}
	row, err := s.view.Added(plan, uint32(n))
	if err != nil {
		return out + err.Error() + "\n"
	}
	for i := range set {
		set[i].Path = row + set[i].Path
	}
	vals, errs := s.view.PlanSet(set)
	return out + row + "\n" + planned(vals, errs)
}

func (s *script) supported(p string) string {
	o := s.view.Supported().Object(p)
	if o == nil {
		return "none\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s multi=%t add=%t delete=%t keys=%v\n", o.Path, o.Multi, o.Add, o.Delete, o.Keys)
	for _, p := range o.Params {
		fmt.Fprintf(&b, "  %s %s %s\n", p.Name, p.Type, p.Access)
	}
	return b.String()
}
