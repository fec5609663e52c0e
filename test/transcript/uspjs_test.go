// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

package transcript_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// jsStep is a step as transcript.js takes it.
type jsStep struct {
	Verb     string            `json:"verb"`
	Name     string            `json:"name,omitempty"`
	Paths    []string          `json:"paths,omitempty"`
	Objects  []jsObject        `json:"objects,omitempty"`
	Partial  bool              `json:"partial"`
	Depth    uint32            `json:"depth"`
	First    bool              `json:"first"`
	Params   bool              `json:"params"`
	Commands bool              `json:"commands"`
	Events   bool              `json:"events"`
	Command  string            `json:"command,omitempty"`
	Args     map[string]string `json:"args,omitempty"`
	line     string
}

type jsObject struct {
	Path   string    `json:"path"`
	Params []jsParam `json:"params"`
}

type jsParam struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Required bool   `json:"required"`
}

// jsSteps are the steps that usp-js has words for.
func jsSteps(t *testing.T, c *conversation) []jsStep {
	t.Helper()
	var out []jsStep
	for _, s := range c.steps {
		if completes(s) {
			out = append(out, jsStep{Verb: "Settle", Paths: []string{requestCount}, line: s.line})
		}
		if !isPlain(s) {
			continue
		}
		req, err := request(s.words)
		if err != nil {
			t.Fatal(err)
		}
		j := jsStep{Verb: s.words[0], Name: s.name, line: s.line}
		g := req.GetGetSupportedDm()
		j.First, j.Params = g.GetFirstLevelOnly() || req.GetGetInstances().GetFirstLevelOnly(), g.GetReturnParams()
		j.Commands, j.Events = g.GetReturnCommands(), g.GetReturnEvents()
		j.Depth = req.GetGet().GetMaxDepth()
		j.Paths = slices.Concat(req.GetGet().GetParamPaths(), req.GetGetInstances().GetObjPaths(), g.GetObjPaths(),
			req.GetDelete().GetObjPaths())
		j.Partial = req.GetSet().GetAllowPartial() || req.GetAdd().GetAllowPartial() || req.GetDelete().GetAllowPartial()
		for _, o := range req.GetSet().GetUpdateObjs() {
			obj := jsObject{Path: o.GetObjPath()}
			for _, p := range o.GetParamSettings() {
				obj.Params = append(obj.Params, jsParam{p.GetParam(), p.GetValue(), p.GetRequired()})
			}
			j.Objects = append(j.Objects, obj)
		}
		for _, o := range req.GetAdd().GetCreateObjs() {
			obj := jsObject{Path: o.GetObjPath()}
			for _, p := range o.GetParamSettings() {
				obj.Params = append(obj.Params, jsParam{p.GetParam(), p.GetValue(), p.GetRequired()})
			}
			j.Objects = append(j.Objects, obj)
		}
		j.Command, j.Args = req.GetOperate().GetCommand(), req.GetOperate().GetInputArgs()
		out = append(out, j)
	}
	return out
}

// nameless are rows that the library was not told of: for an AddResp with a failure in it
// it has the failure only.
var nameless = regexp.MustCompile(`(Device\.NAT\.PortMapping\.)\d+`)

// uspjs has usp-js hold a conversation with an Agent and returns what it makes of the
// answers.
func uspjs(t *testing.T, gw *harness.Gateway, agent usp.EndpointID, steps []jsStep) []string {
	t.Helper()
	files := fileServer(t)
	text, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(gw.Addr("mqtt"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "transcript.js")
	cmd.Dir = "../interop/uspjs"
	cmd.Env = append(os.Environ(),
		"HOST="+host, "PORT="+port, "AGENT="+string(agent), "FILES="+files, "STEPS="+string(text))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("usp-js: %v\n%s%s", err, out, errs.Bytes())
	}
	names := &named{}
	names.add(files, "$files")
	var answers []string
	for line := range bytes.Lines(out) {
		line, ours := bytes.CutPrefix(line, []byte("said "))
		if !ours {
			continue
		}
		var a struct {
			Result, Error any
			Path          string
		}
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatalf("usp-js said %s: %v", line, err)
		}
		if a.Path != "" {
			names.add(a.Path, steps[len(answers)].Name)
		}
		text := names.hide(canonJSON(map[string]any{"error": a.Error, "result": a.Result}))
		answers = append(answers, nameless.ReplaceAllString(text, "${1}<number>"))
	}
	if len(answers) != len(steps) {
		t.Fatalf("usp-js: got %d answers, want %d\n%s%s", len(answers), len(steps), out, errs.Bytes())
	}
	return answers
}

// TestUSPJS: the Controller library usp-js cannot tell them apart either.
func TestUSPJS(t *testing.T) {
	for _, c := range conversations(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			steps := jsSteps(t, c)
			gw := harness.Start(t, "")
			s := newSpeaker(t, gw, "mqtt", native)
			nativeAgent(t, gw, "mqtt")
			if err := s.await(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := uspjs(t, gw, native, steps)
			for _, model := range c.models {
				t.Run(model, func(t *testing.T) {
					gw := harness.Start(t, "")
					box := gw.CPE(model, func(o *cpe.Options) { o.Serial = serial })
					for i, got := range uspjs(t, gw, box.Agent, steps) {
						if got != want[i] && !excepted(c.name, steps[i].line, model) {
							t.Errorf("%s: the Virtual Agent: %s", steps[i].line, difference(got, want[i]))
						}
					}
				})
			}
		})
	}
}
