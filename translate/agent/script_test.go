// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

var update = flag.Bool("update", false, "rewrite the output of the scripts in testdata")

// TestScripts runs the behaviour scripts, testdata/*.txt. A script is a list of
// commands, each followed by what it made happen:
//
//	do> …        something happens to the CPE or the clock; see script.do
//	usp> …       a Message to the Agent, in the form of parseRequest
//	cwmp< …      the RPC that reached the CPE, and cwmp> its answer (cwmp/trace)
//	usp< …       the Message that came from the Agent (usp/trace)
//
// With -update the output is written anew. Time in a script is synthetic.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = runScript(t, string(want), false) })
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("got another transcript than %s has; run with -update and look at the difference\n%s",
					file, firstDifference(got, string(want)))
			}
		})
	}
}

// An Agent that leaves the memory whenever it can is the same to everybody: the
// scripts say the same.
func TestScriptsAsleep(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = runScript(t, string(want), true) })
			if got != string(want) {
				t.Errorf("%s: got another transcript where the Agent sleeps\n%s", file, firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			from := max(0, i-3)
			return fmt.Sprintf("line %d\ngot:\n%s\nwant:\n%s", i+1,
				strings.Join(g[from:min(len(g), i+12)], "\n"), strings.Join(w[from:min(len(w), i+12)], "\n"))
		}
	}
	return fmt.Sprintf("want %d lines more", len(w)-len(g))
}

// script is one running script.
type script struct {
	t   *testing.T
	rig *rig
}

func runScript(t *testing.T, text string, dozing bool) string {
	t.Helper()
	s := &script{t: t}
	defer func() {
		if s.rig != nil {
			s.rig.stop()
		}
	}()
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		command := strings.HasPrefix(line, "do>") || strings.HasPrefix(line, "usp>") || strings.HasPrefix(line, "usp(")
		if !command && !strings.HasPrefix(line, "#") {
			continue
		}
		if out.Len() > 0 && !strings.HasSuffix(out.String(), "\n\n") && !strings.HasPrefix(lastLine(out.String()), "#") {
			out.WriteString("\n")
		}
		out.WriteString(line + "\n")
		if command {
			s.command(line)
			out.WriteString(s.rig.takeTranscript())
			if dozing {
				s.rig.host.PutToSleep()
				synctest.Wait()
			}
		}
	}
	return out.String()
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

func (s *script) command(line string) {
	s.t.Helper()
	verb, rest, _ := strings.Cut(line, ">")
	words := split(rest)
	for i, w := range words { // @ca is the text of testdata/certificates/ca.b64
		if before, name, ok := strings.Cut(w, "=@"); ok {
			words[i] = before + "=" + certificateText(s.t, name)
		}
	}
	if verb == "do" {
		s.do(words)
	} else {
		opts := make(map[string]string)
		for opt := range strings.SplitSeq(strings.Trim(strings.TrimPrefix(verb, "usp"), "()"), ",") {
			name, value, _ := strings.Cut(opt, "=")
			opts[name] = value
		}
		if opts["session"] != "" {
			s.rig.sendSession(opts, opts["id"], words)
		} else {
			s.rig.send(cmp.Or(usp.EndpointID(opts["from"]), "self::ctl"), opts["id"], words)
		}
	}
	synctest.Wait()
}

// do executes one do> line:
//
//	cpe MODEL [option=value …]    start over with a CPE of testdata/cpe
//	restart [option=value …]      the gateway restarts; State is kept
//	inform EVENT[:KEY],… [NAME …] the CPE opens a session; NAMEs are added
//	set NAME VALUE                somebody changes a value at the CPE
//	remove PREFIX                 somebody removes a row at the CPE
//	off, on                       the CPE cannot be reached, and can again
//	fault METHOD CODE [skip=N] [always] [NAME CODE …]  the CPE refuses
//	fail METHOD notsent|unknown|lost|busy [skip=N]     the call fails; lost is
//	                              unknown, but the CPE has done it
//	report EVENT[:KEY],… [METHOD] [NAME=VALUE …]       a session with a request of the
//	                              CPE; see rig.report
//	transfers [status=N] [queued=KEY:STATE,…]          how the CPE answers about them
//	file N [whole]                the file server has begun to move its N-th file, or moved it
//	files                         show which of its URLs are open
//	wait DURATION                 time goes by
//	quiet, loud                   hide the RPCs, and show them again
//	meets CONTROLLER [NAME] [open]  a Controller has come by a Link that is protected, or
//	                              open, and shown testdata/certificates/NAME.b64
func (s *script) do(w []string) {
	s.t.Helper()
	switch w[0] {
	case "cpe":
		s.start(w[1], w[2:])
	case "restart":
		s.rig.restart(w[1:]...)
	case "inform":
		s.rig.inform(events(w[1]), w[2:]...)
	case "set":
		s.rig.cpe.set(w[1], strings.Join(w[2:], " "))
	case "remove":
		s.rig.cpe.remove(w[1])
	case "off", "on":
		s.rig.cpe.turn(w[0] == "off")
	case "fault":
		s.rig.cpe.plan(faultPlan(s.t, w[1:]))
	case "fail":
		s.rig.cpe.plan(failPlan(s.t, w[1:]))
	case "wait":
		d, err := time.ParseDuration(w[1])
		if err != nil {
			s.t.Fatal(err)
		}
		<-time.After(d)
	case "report":
		s.rig.report(w[1:])
	case "file":
		s.rig.host.FileEvent(s.rig.agent.EndpointID(), fmt.Sprintf("%032s", w[1]), len(w) > 2)
	case "files":
		s.rig.write("open: "+strings.Join(s.rig.files.list(), " "), "")
	case "transfers":
		s.rig.cpe.transfers.set(s.t, w[1:])
	case "quiet", "loud":
		s.rig.showRPCs(w[0] == "loud")
	case "meets":
		s.meets(w[1:])
	default:
		s.t.Fatalf("do> %s: unknown", w[0])
	}
}

func (s *script) start(model string, options []string) {
	s.t.Helper()
	if s.rig != nil {
		s.rig.stop()
	}
	s.rig = newRig(s.t, model, options...)
}

// certificateText is a certificate of the tests, base64.
func certificateText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "certificates", name+".b64"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func parsedCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(certificateText(t, name))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (s *script) meets(w []string) {
	s.t.Helper()
	var chain []*x509.Certificate
	for _, name := range w[1:] {
		if name != "open" {
			chain = append(chain, parsedCertificate(s.t, name))
		}
	}
	s.rig.host.Meet(usp.EndpointID(w[0]), agent.FingerprintsOf(chain), !slices.Contains(w, "open"))
}

func events(text string) []cwmp.Event {
	var list []cwmp.Event
	for e := range strings.SplitSeq(text, ",") {
		code, key, _ := strings.Cut(e, ":")
		list = append(list, cwmp.Event{Code: strings.ReplaceAll(code, "_", " "), CommandKey: key})
	}
	return list
}

func faultPlan(t *testing.T, w []string) plan {
	t.Helper()
	p := plan{method: w[0]}
	fault := &cwmp.Fault{Code: atoi(t, w[1]), Text: "refused"}
	for i := 2; i < len(w); i++ {
		if n, ok := strings.CutPrefix(w[i], "skip="); ok {
			p.skip = atoi(t, n)
			continue
		}
		if w[i] == "always" {
			p.always = true
			continue
		}
		fault.Params = append(fault.Params, cwmp.ParameterFault{Name: w[i], Code: atoi(t, w[i+1]), Text: "refused"})
		i++
	}
	p.err = fault
	return p
}

func failPlan(t *testing.T, w []string) plan {
	t.Helper()
	p := plan{method: w[0]}
	switch w[1] {
	case "notsent":
		p.err = fmt.Errorf("fake: %w", device.ErrNotSent)
	case "busy":
		p.err = fmt.Errorf("fake: %w", device.ErrBusy)
	case "unknown", "lost":
		p.err, p.apply = fmt.Errorf("fake: %w", device.ErrOutcomeUnknown), w[1] == "lost"
	default:
		p.err = errors.New(w[1])
	}
	for _, o := range w[2:] {
		if n, ok := strings.CutPrefix(o, "skip="); ok {
			p.skip = atoi(t, n)
		}
	}
	return p
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// split splits a line at blanks outside of quotes.
func split(line string) []string {
	var words []string
	var w strings.Builder
	quoted, some := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, some = !quoted, true
			w.WriteRune(r)
		case r == ' ' && !quoted:
			if some {
				words = append(words, w.String())
			}
			w.Reset()
			some = false
		default:
			some = true
			w.WriteRune(r)
		}
	}
	if some {
		words = append(words, w.String())
	}
	return words
}
