// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cli"
	"github.com/uspgate/uspgate/internal/config"
)

// patience is how long one command may take.
const patience = 60 * time.Second

// session executes the console blocks of one document, in order, as somebody
// with several terminals would. What runs until it is interrupted goes on in
// the background until the end of the document. Listeners have free ports
// instead of the documented ones: addresses are translated on the way in and
// out.
type session struct {
	t       *testing.T
	addr    map[string]string // documented host:port to the real one
	gateway *process
	data    string // its data directory
	running []*process
	code    int // of the last command
	failed  string
}

// process is a command in the background.
type process struct {
	step   step
	cancel context.CancelFunc
	done   chan int

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// rank is when the process is ended.
func (p *process) rank() int {
	switch {
	case strings.Contains(p.step.command, "uspgate serve"):
		return 1
	case strings.Contains(p.step.command, "uspgate sim"):
		return 2
	default:
		return 0
	}
}

// do executes one step.
func (s *session) do(st step) error {
	args, err := words(st.command)
	if err != nil {
		return err
	}
	if st.command == "echo $?" {
		s.failed = ""
		return match(st.want, strconv.Itoa(s.code)+"\n")
	}
	if s.failed != "" {
		return fmt.Errorf("the command before ended with %d:\n%s", s.code, s.failed)
	}
	var environ []string
	for len(args) > 0 && strings.HasPrefix(args[0], "USPGATE_") {
		environ, args = append(environ, args[0]), args[1:]
	}
	switch {
	case len(args) == 2 && args[0] == "make" && args[1] == "build":
		return nil // this process is the build
	case len(args) == 2 && args[0] == "make" && args[1] == "demo":
		return s.foreground(st, environ, []string{"demo"})
	case len(args) > 2 && args[0] == "curl" && args[1] == "-s":
		return s.curl(st, args[2:])
	case len(args) > 0 && (args[0] == "uspgate" || args[0] == "bin/uspgate"):
		return s.uspgate(st, environ, args[1:])
	default:
		return fmt.Errorf("this test cannot run %q", st.command)
	}
}

func (s *session) uspgate(st step, environ, args []string) error {
	switch verb := strings.Join(args[:min(2, len(args))], " "); {
	case args[0] == "serve":
		return s.serve(st, environ, args)
	case verb == "sim cpe":
		return s.simulate(st, args)
	case verb == "sim agent":
		return s.native(st, s.via(args))
	case verb == "usp subscribe" && !slices.Contains(args, "--count"):
		return s.subscribe(st, s.via(args))
	case args[0] == "usp":
		return s.foreground(st, environ, s.via(args))
	default:
		return s.foreground(st, environ, s.asked(args))
	}
}

// via names the gateway to a verb that would use the default address.
func (s *session) via(args []string) []string {
	if slices.Contains(args, "--via") {
		return args
	}
	return append(slices.Clone(args), "--via", "ws://127.0.0.1:8080/usp")
}

// foreground runs the command line to its end.
func (s *session) foreground(st step, environ, args []string) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	var mu sync.Mutex
	w := writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	})
	s.code = cli.Run(ctx, cli.Env{Version: "test", Stdout: w, Stderr: w, Environ: environ}, s.real(args))
	text := s.documented(out.String())
	if s.code != 0 {
		s.failed = text
	}
	return match(st.want, text)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// background starts the command line.
func (s *session) background(st step, environ, args []string) *process {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	p := &process{step: st, cancel: cancel, done: make(chan int, 1)}
	args = s.real(args)
	go func() {
		p.done <- cli.Run(ctx, cli.Env{Version: "test", Stdout: p, Stderr: p, Environ: environ}, args)
	}()
	s.running = append(s.running, p)
	return p
}

var listening = regexp.MustCompile(`listening\s+\{"listener": "([^"]+)", "address": "([^"]+)"\}`)

// serve starts a gateway on free ports and learns which.
func (s *session) serve(st step, environ, args []string) error {
	file := ""
	if i := slices.Index(args, "-c"); i >= 0 {
		file = args[i+1]
	}
	cfg, err := config.Load(file, environ)
	if err != nil {
		return err
	}
	wanted := map[string]string{
		"cwmp": cfg.CWMP.Listen, "metrics": cfg.Metrics.Listen, "admin": cfg.Admin.Listen,
	}
	s.data = s.t.TempDir()
	environ = append(environ, "USPGATE_CWMP__LISTEN=127.0.0.1:0", "USPGATE_METRICS__LISTEN=127.0.0.1:0",
		"USPGATE_ADMIN__LISTEN=127.0.0.1:0", "USPGATE_DATA_DIR="+s.data)
	for i, m := range cfg.MTP {
		wanted[m.Name] = m.Listen
		environ = append(environ, fmt.Sprintf("USPGATE_MTP__%d__LISTEN=127.0.0.1:0", i))
	}
	s.gateway = s.background(st, environ, args)
	err = s.wait(func() error {
		found := listening.FindAllStringSubmatch(s.gateway.output(), -1)
		if len(found) < len(wanted) {
			return errors.New("not every listener is up")
		}
		for _, m := range found {
			s.addr[loopback(wanted[m[1]])] = m[2]
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.shows(s.gateway)
}

// loopback names an address as a client on this host does.
func loopback(listen string) string {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	return "127.0.0.1:" + port
}

// asked completes the arguments of a verb that asks the administrator's API.
func (s *session) asked(args []string) []string {
	if len(args) > 0 && slices.Contains([]string{"devices", "endpoints", "routes", "queues"}, args[0]) {
		args = append(slices.Clone(args),
			"--admin", "http://127.0.0.1:7557", "--token-file", filepath.Join(s.data, "admin.token"))
	}
	return args
}

var virtualAgent = regexp.MustCompile(`\b(?:ops|os|uuid)::\S+`)

// simulate starts CPE and waits until the gateway knows what they can do.
func (s *session) simulate(st step, args []string) error {
	if !slices.Contains(args, "--acs") {
		args = append(slices.Clone(args), "--acs", "http://127.0.0.1:7547")
	}
	p := s.background(st, nil, args)
	if err := s.shows(p); err != nil {
		return err
	}
	return s.wait(func() error {
		for _, id := range virtualAgent.FindAllString(strings.Join(st.want, "\n"), -1) {
			if !strings.Contains(s.gateway.output(), `CPE discovered  {"endpoint_id": "`+id+`"`) {
				return fmt.Errorf("%s has not been discovered", id)
			}
		}
		return nil
	})
}

// native starts native Agents and waits until the gateway has heard of them.
func (s *session) native(st step, args []string) error {
	p := s.background(st, nil, args)
	if err := s.shows(p); err != nil {
		return err
	}
	return s.wait(func() error {
		for _, id := range virtualAgent.FindAllString(strings.Join(st.want, "\n"), -1) {
			if !strings.Contains(s.gateway.output(), `"endpoint_id": "`+id+`"`) {
				return fmt.Errorf("%s has not come", id)
			}
		}
		return nil
	})
}

// subscribe starts a subscription and waits until the Agent has it. What it
// prints is looked at when the document is over.
func (s *session) subscribe(st step, args []string) error {
	to := args[slices.Index(args, "--to")+1]
	before, err := s.subscriptions(to)
	if err != nil {
		return err
	}
	s.background(st, nil, args)
	return s.wait(func() error {
		now, err := s.subscriptions(to)
		if err == nil && now <= before {
			err = errors.New("the Subscription has not been made")
		}
		return err
	})
}

func (s *session) subscriptions(to string) (int, error) {
	var out bytes.Buffer
	const param = "Device.LocalAgent.SubscriptionNumberOfEntries"
	code := cli.Run(s.t.Context(), cli.Env{Stdout: &out, Stderr: &out}, s.real(s.via(
		[]string{"usp", "get", "--from", "self::docs", "--to", to, param})))
	fields := strings.Fields(out.String())
	if code != 0 || len(fields) == 0 {
		return 0, fmt.Errorf("%d: %s", code, out.String())
	}
	return strconv.Atoi(fields[len(fields)-1])
}

// curl gets a URL, and filters its lines like grep if that follows.
func (s *session) curl(st step, args []string) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.real(args[:1])[0], http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	text := string(body)
	if len(args) == 4 && args[1] == "|" && args[2] == "grep" {
		re, err := regexp.Compile(args[3])
		if err != nil {
			return err
		}
		var kept strings.Builder
		for line := range strings.Lines(text) {
			if re.MatchString(line) {
				kept.WriteString(line)
			}
		}
		text = kept.String()
	} else if len(args) > 1 {
		return fmt.Errorf("this test cannot run %q", st.command)
	}
	return match(st.want, s.documented(text))
}

// real puts the real addresses into arguments, documented takes them out.
func (s *session) real(args []string) []string {
	out := slices.Clone(args)
	for doc, addr := range s.addr {
		for i := range out {
			out[i] = strings.ReplaceAll(out[i], doc, addr)
		}
	}
	return out
}

func (s *session) documented(text string) string {
	for doc, addr := range s.addr {
		text = strings.ReplaceAll(text, addr, doc)
	}
	return text
}

// match compares output with what is said; nothing said is not compared.
func match(want []string, got string) error {
	if len(want) == 0 || pattern(want).MatchString(got) {
		return nil
	}
	return fmt.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
}

// shows waits until a command in the background has printed each line that it
// is said to print, in any order.
func (s *session) shows(p *process) error {
	return s.wait(func() error {
		got := s.documented(p.output())
		for _, line := range p.step.want {
			if !regexp.MustCompile(`(?m)^` + linePattern(line) + `[ ]*$`).MatchString(got) {
				return fmt.Errorf("got\n%s\nwant %s", got, line)
			}
		}
		return nil
	})
}

// wait polls f until it returns nil.
func (s *session) wait(f func() error) error {
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return fmt.Errorf("not within %v: %w", patience, err)
		}
	}
}

// end interrupts what runs: Controllers, then the gateway, then the CPE, so
// that it can end their sessions.
func (s *session) end() {
	slices.SortStableFunc(s.running, func(a, b *process) int { return cmp.Compare(a.rank(), b.rank()) })
	for _, p := range s.running {
		p.cancel()
		if code := <-p.done; code != 0 {
			s.t.Errorf("line %d: %s: got exit code %d after an interrupt, want 0\n%s",
				p.step.line, p.step.command, code, p.output())
		}
	}
}
