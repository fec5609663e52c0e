// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// isPlain reports a step that is a Request which wants an answer.
func isPlain(s *step) bool {
	if strings.HasPrefix(s.line, "do>") || slices.Contains(s.words, "quiet") {
		return false
	}
	_, err := request(s.words)
	return err == nil
}

// verb makes the arguments of the command line that say a step, and false if there are
// none: usp set and usp add want everything that they name.
func verb(words []string) ([]string, bool) {
	req, err := request(words)
	if err != nil {
		return nil, false
	}
	switch words[0] {
	case "Get":
		return append([]string{"get", "--max-depth", strconv.Itoa(int(req.GetGet().GetMaxDepth()))},
			req.GetGet().GetParamPaths()...), true
	case "GetInstances":
		return append([]string{"instances", level(req.GetGetInstances().GetFirstLevelOnly())},
			req.GetGetInstances().GetObjPaths()...), true
	case "GetSupportedDM":
		return append([]string{"supported-dm", level(req.GetGetSupportedDm().GetFirstLevelOnly())},
			req.GetGetSupportedDm().GetObjPaths()...), true
	case "GetSupportedProtocol":
		return []string{"supported-protocol"}, true
	case "Delete":
		return append([]string{"delete", partial(req.GetDelete().GetAllowPartial())},
			req.GetDelete().GetObjPaths()...), true
	case "Operate":
		args := []string{"operate", req.GetOperate().GetCommand(), "--key", req.GetOperate().GetCommandKey()}
		for name, value := range req.GetOperate().GetInputArgs() {
			args = append(args, name+"="+value)
		}
		return args, true
	case "Add":
		a := req.GetAdd()
		if len(a.GetCreateObjs()) != 1 {
			return nil, false
		}
		args := []string{"add", partial(a.GetAllowPartial()), a.GetCreateObjs()[0].GetObjPath()}
		for _, p := range a.GetCreateObjs()[0].GetParamSettings() {
			args = append(args, p.GetParam()+"="+p.GetValue())
		}
		return args, true
	default:
		args := []string{"set", partial(req.GetSet().GetAllowPartial())}
		for _, o := range req.GetSet().GetUpdateObjs() {
			for _, p := range o.GetParamSettings() {
				args = append(args, o.GetObjPath()+p.GetParam()+"="+p.GetValue())
			}
		}
		return args, len(req.GetSet().GetUpdateObjs()) == 1
	}
}

func level(first bool) string   { return "--first-level=" + strconv.FormatBool(first) }
func partial(allow bool) string { return "--allow-partial=" + strconv.FormatBool(allow) }

// commandLine holds a conversation with `uspgate usp`, and returns what it prints, with
// the exit code.
func commandLine(t *testing.T, gw *harness.Gateway, via string, to usp.EndpointID, c *conversation) []string {
	t.Helper()
	url := map[string]string{"ws": gw.WS(), "mqtt": gw.MQTT()}[via]
	names := &named{}
	names.add(fileServer(t), "$files")
	var out []string
	for _, s := range c.steps {
		if completes(s) {
			settle(t, url, to)
		}
		if !isPlain(s) {
			continue
		}
		words := make([]string, len(s.words))
		for i, w := range s.words {
			words[i] = names.show(w)
		}
		args, ok := verb(words)
		if !ok {
			continue
		}
		args = append([]string{"usp"}, append(args, "--via", url, "--to", string(to), "--from", string(me), "-o", "json")...)
		code, stdout, _ := harness.Command(t, args...)
		var said any
		if err := json.Unmarshal([]byte(stdout), &said); err != nil {
			t.Fatalf("%s: got %q: %v", s.line, stdout, err)
		}
		if s.name != "" {
			names.add(madeBy(said), s.name)
		}
		out = append(out, fmt.Sprintf("%s\nexit code %d\n%s", s.line, code, names.hide(canonJSON(said))))
	}
	return out
}

// completes reports a step that awaits the end of a command.
func completes(s *step) bool {
	return strings.HasPrefix(s.line, "do>") && strings.HasSuffix(s.line, "()")
}

// settle waits until no command is under way: who does not hear Notifies has no other
// way to know.
func settle(t *testing.T, url string, to usp.EndpointID) {
	t.Helper()
	harness.Eventually(t, func() error {
		_, out, errs := harness.Command(t, "usp", "get", requestCount, "--via", url, "--to", string(to), "--from", string(me),
			"-o", "json")
		if !strings.Contains(out, requestCount+`": "0"`) {
			return fmt.Errorf("commands are under way: %s%s", out, errs)
		}
		return nil
	})
}

// requestCount says how many commands are under way.
const requestCount = "Device.LocalAgent.RequestNumberOfEntries"

// madeBy finds the path of what an Add or Operate has made.
func madeBy(v any) string {
	m, _ := v.(map[string]any)
	for _, list := range []string{"created", "operations"} {
		rows, _ := m[list].([]any)
		for _, r := range rows {
			row, _ := r.(map[string]any)
			for _, key := range []string{"path", "request"} {
				if p, ok := row[key].(string); ok && p != "" {
					return p
				}
			}
		}
	}
	return "?"
}

// TestCommandLine: nor can `uspgate usp` tell them apart.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range conversations(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const via = "ws"
			gw := harness.Start(t, "")
			s := newSpeaker(t, gw, via, native)
			nativeAgent(t, gw, via)
			if err := s.await(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := commandLine(t, gw, via, native, c)
			for _, model := range c.models {
				gw := harness.Start(t, "")
				box := gw.CPE(model, func(o *cpe.Options) { o.Serial = serial })
				for i, got := range commandLine(t, gw, via, box.Agent, c) {
					line, _, _ := strings.Cut(got, "\n")
					if got != want[i] && !excepted(c.name, line, model) {
						t.Errorf("%s with %s: the Virtual Agent: %s", line, model, difference(got, want[i]))
					}
				}
			}
		})
	}
}
