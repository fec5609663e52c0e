// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// conversation is a file of testdata: steps, each followed by what the native Agent
// answers, and, where exceptions say so, by what a Virtual Agent answers instead:
//
//	models: NAME…          the CPE that it is held with
//	usp> MESSAGE …         a Message to the Agent, see request and malformed
//	usp< …                 the Message from the Agent, see canon
//	virtual< …             that of a Virtual Agent
//	do> await N [WHAT]     the next N Notifies, sorted
//	do> device PATH VALUE  somebody changes a value at the device
//	do> version 1.N        the Records that follow are of that version
//
// A Message that ends in -> $NAME gives a name to the first path that its answer has made;
// the name stands for that path in what follows. $files is the URL of a server for files.
type conversation struct {
	name   string
	models []string
	steps  []*step
}

// step is one line that does something, with what is expected of it.
type step struct {
	before          []string // comments and blank lines
	line            string   // usp> … or do> …
	words           []string
	name            string // $NAME, or empty
	native, virtual string // the blocks below it
}

func conversations(t *testing.T) []*conversation {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	var list []*conversation
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := &conversation{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
		if err := c.parse(string(text)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, c)
	}
	return list
}

func (c *conversation) parse(text string) error {
	var before []string
	var block *string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		verb, rest, isVerb := strings.Cut(line, " ")
		switch {
		case verb == "models:":
			c.models = strings.Fields(rest)
		case isVerb && (verb == "usp>" || verb == "do>"):
			s := &step{before: before, line: line, words: split(rest)}
			if n := len(s.words); n > 2 && s.words[n-2] == "->" {
				s.name, s.words = s.words[n-1], s.words[:n-2]
			}
			c.steps = append(c.steps, s)
			before, block = nil, nil
		case verb == "usp<" && len(c.steps) > 0:
			block = &c.steps[len(c.steps)-1].native
			*block += rest + "\n"
		case verb == "virtual<" && len(c.steps) > 0:
			block = &c.steps[len(c.steps)-1].virtual
			*block += rest + "\n"
		case block != nil && strings.HasPrefix(line, "    "):
			*block += line[4:] + "\n"
		case line == "" || strings.HasPrefix(line, "#"):
			before, block = append(before, line), nil
		default:
			return fmt.Errorf("line %q is none", line)
		}
	}
	if len(c.models) == 0 {
		return fmt.Errorf("no models")
	}
	return nil
}

// String is the file.
func (c *conversation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "models: %s\n", strings.Join(c.models, " "))
	for _, s := range c.steps {
		for _, line := range s.before {
			b.WriteString(line + "\n")
		}
		b.WriteString(s.line + "\n" + indent("usp<", s.native) + indent("virtual<", s.virtual))
	}
	return b.String()
}

// indent is a block of the file.
func indent(verb, block string) string {
	if block == "" {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(block, "\n"), "\n")
	return verb + " " + strings.Join(lines, "\n    ") + "\n"
}

// split takes a line apart at spaces that are not in quotes or brackets.
func split(line string) []string {
	var words []string
	quoted, depth := false, 0
	word := ""
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '[' && !quoted:
			depth++
		case r == ']' && !quoted:
			depth--
		case r == ' ' && !quoted && depth == 0:
			if word != "" {
				words = append(words, word)
			}
			word = ""
			continue
		}
		word += string(r)
	}
	return words
}

// request makes the Request that the words of a usp> line stand for:
//
//	Get [depth=N] PATH…
//	GetInstances [first] PATH…
//	GetSupportedDM [first] [params] [commands] [events] [keys] PATH…
//	GetSupportedProtocol
//	Set|Add whole|partial PATH [NAME=VALUE…] [; PATH …]   NAME!=VALUE is required
//	Delete whole|partial PATH…
//	Operate COMMAND key=KEY [quiet] [ARG=VALUE…]          quiet: without OperateResp
func request(words []string) (*uspmsg.Request, error) {
	verb, args := words[0], words[1:]
	flag := func(name string) bool {
		at := slices.Index(args, name)
		if at >= 0 {
			args = slices.Delete(slices.Clone(args), at, at+1)
		}
		return at >= 0
	}
	switch verb {
	case "Get":
		g := &uspmsg.Get{}
		if rest, ok := strings.CutPrefix(args[0], "depth="); ok {
			n, err := strconv.ParseUint(rest, 10, 32)
			if err != nil {
				return nil, err
			}
			g.MaxDepth, args = uint32(n), args[1:]
		}
		g.ParamPaths = args
		return &uspmsg.Request{ReqType: &uspmsg.Request_Get{Get: g}}, nil
	case "GetInstances":
		g := &uspmsg.GetInstances{FirstLevelOnly: flag("first")}
		g.ObjPaths = args
		return &uspmsg.Request{ReqType: &uspmsg.Request_GetInstances{GetInstances: g}}, nil
	case "GetSupportedDM":
		g := &uspmsg.GetSupportedDM{
			FirstLevelOnly: flag("first"), ReturnParams: flag("params"), ReturnCommands: flag("commands"),
			ReturnEvents: flag("events"), ReturnUniqueKeySets: flag("keys"),
		}
		g.ObjPaths = args
		return &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedDm{GetSupportedDm: g}}, nil
	case "GetSupportedProtocol":
		return &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedProtocol{
			GetSupportedProtocol: &uspmsg.GetSupportedProtocol{ControllerSupportedProtocolVersions: "1.4"},
		}}, nil
	case "Set", "Add", "Delete", "Operate":
		return writeRequest(verb, args)
	default:
		return nil, fmt.Errorf("unknown Message %s", verb)
	}
}

func writeRequest(verb string, args []string) (*uspmsg.Request, error) {
	partial := args[0] == "partial"
	switch verb {
	case "Operate":
		o := &uspmsg.Operate{Command: args[0], SendResp: true, InputArgs: make(map[string]string)}
		for _, arg := range args[1:] {
			name, value := assignment(arg)
			switch {
			case arg == "quiet":
				o.SendResp = false
			case name == "key":
				o.CommandKey = value
			default:
				o.InputArgs[name] = value
			}
		}
		return &uspmsg.Request{ReqType: &uspmsg.Request_Operate{Operate: o}}, nil
	case "Delete":
		return &uspmsg.Request{ReqType: &uspmsg.Request_Delete{
			Delete: &uspmsg.Delete{AllowPartial: partial, ObjPaths: args[1:]},
		}}, nil
	case "Add":
		a := &uspmsg.Add{AllowPartial: partial}
		for _, o := range objects(args[1:]) {
			c := &uspmsg.Add_CreateObject{ObjPath: o[0]}
			for _, arg := range o[1:] {
				name, value := assignment(arg)
				name, required := strings.CutSuffix(name, "!")
				c.ParamSettings = append(c.ParamSettings,
					&uspmsg.Add_CreateParamSetting{Param: name, Value: value, Required: required})
			}
			a.CreateObjs = append(a.CreateObjs, c)
		}
		return &uspmsg.Request{ReqType: &uspmsg.Request_Add{Add: a}}, nil
	default:
		s := &uspmsg.Set{AllowPartial: partial}
		for _, o := range objects(args[1:]) {
			u := &uspmsg.Set_UpdateObject{ObjPath: o[0]}
			for _, arg := range o[1:] {
				name, value := assignment(arg)
				name, required := strings.CutSuffix(name, "!")
				u.ParamSettings = append(u.ParamSettings,
					&uspmsg.Set_UpdateParamSetting{Param: name, Value: value, Required: required})
			}
			s.UpdateObjs = append(s.UpdateObjs, u)
		}
		return &uspmsg.Request{ReqType: &uspmsg.Request_Set{Set: s}}, nil
	}
}

// objects splits the words of a Set or Add at the semicolons.
func objects(words []string) [][]string {
	var out [][]string
	for {
		at := slices.Index(words, ";")
		if at < 0 {
			return append(out, words)
		}
		out, words = append(out, words[:at]), words[at+1:]
	}
}

// assignment splits NAME=VALUE; quotes round the value go.
func assignment(word string) (name, value string) {
	name, value, _ = strings.Cut(word, "=")
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return name, value
}
