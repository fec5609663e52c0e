// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Build makes the program with the Go tool, without the race detector, and
// returns its path in dir.
func Build(dir string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "uspgate")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/uspgate") //nolint:noctx,gosec // a test's path
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return program, nil
}

// Process is `uspgate serve` as a process of its own, which can be killed and
// started again with the same configuration, ports and data. Not safe for
// concurrent use, but for Log, Admin and Metrics.
type Process struct {
	// Data is the data_dir.
	Data string
	// Probes, AdminAt and CWMP are host:port of the metrics, the administrator's
	// API and the ACS.
	Probes, AdminAt, CWMP string
	// Environ is added to the environment.
	Environ []string
	// Wrap is what runs the program, for example {"nsenter", "--mount", …}; none: nothing.
	Wrap []string
	// Root is where the files of the program are seen from here, if it has a
	// root of its own.
	Root string

	t       *testing.T
	program string
	config  string
	log     said
	cmd     *exec.Cmd
	ended   chan struct{}
	state   *os.ProcessState // after ended
}

// NewProcess prepares a gateway with that data_dir; empty: one of its own. The
// YAML is added to a configuration with data_dir, admin, metrics, cwmp and log,
// but for the keys that it has itself. The process ends with the test, which
// shows the end of its log if it has failed.
func NewProcess(t *testing.T, program, data, yaml string) *Process {
	t.Helper()
	dir := t.TempDir()
	if data == "" {
		data = filepath.Join(dir, "data")
	}
	p := &Process{
		Data: data, Probes: FreeAddr(t), AdminAt: FreeAddr(t), CWMP: FreeAddr(t),
		t: t, program: program, config: filepath.Join(dir, "uspgate.yaml"),
	}
	for key, value := range map[string]string{
		"data_dir": p.Data, "metrics": "{listen: \"" + p.Probes + "\"}", "admin": "{listen: \"" + p.AdminAt + "\"}",
		"cwmp": "{listen: \"" + p.CWMP + "\"}", "log": "{format: json}",
	} {
		if !strings.HasPrefix(yaml, key+":") && !strings.Contains(yaml, "\n"+key+":") {
			yaml += key + ": " + value + "\n"
		}
	}
	if err := os.WriteFile(p.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the gateway said last:\n%s", p.log.tail())
		}
	})
	return p
}

// Launch starts the process and does not wait until it serves.
func (p *Process) Launch() {
	p.t.Helper()
	args := append(append([]string{}, p.Wrap...), p.program, "serve", "-c", p.config)
	p.cmd = exec.Command(args[0], args[1:]...) //nolint:noctx,gosec // Kill ends it; a test says what it is
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.Env = append(os.Environ(), p.Environ...)
	p.cmd.WaitDelay = time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd, ended := p.cmd, make(chan struct{})
	p.ended = ended
	go func() { // ends with the process, for which Kill waits
		_ = cmd.Wait() // how it ended is in ProcessState
		p.state = cmd.ProcessState
		close(ended)
	}()
}

// Start starts the process and returns how long it took until it was ready.
func (p *Process) Start() time.Duration {
	p.t.Helper()
	begin := time.Now()
	p.Launch()
	Eventually(p.t, func() error {
		select {
		case <-p.ended:
			p.t.Fatalf("the gateway has ended with exit code %d: %s", p.state.ExitCode(), p.log.tail())
		default:
		}
		code, text, err := p.Probe("/readyz")
		if err == nil && code != http.StatusOK {
			err = errors.New(text)
		}
		return err
	})
	return time.Since(begin)
}

// Kill ends the process at once, if it runs, and waits for its end.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-p.ended
	p.cmd = nil
}

// Stop asks the process to end, and returns its exit code and how long it
// took. After limit it is killed, and the code is -1.
func (p *Process) Stop(limit time.Duration) (code int, took time.Duration) {
	p.t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	if !p.Wait(limit) {
		p.Kill()
		return -1, time.Since(begin)
	}
	p.cmd = nil
	return p.state.ExitCode(), time.Since(begin)
}

// Wait reports whether the process ended by itself within limit.
func (p *Process) Wait(limit time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// ExitCode is that of a process that has ended, -1 after a signal.
func (p *Process) ExitCode() int { return p.state.ExitCode() }

// Pid is that of the running process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log is what the process, with those before it, has said.
func (p *Process) Log() string { return p.log.String() }

// Probe asks a path of the metrics listener.
func (p *Process) Probe(path string) (code int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout/3)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Probes+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return resp.StatusCode, string(text), errors.Join(err, resp.Body.Close())
}

// Metrics returns every metric by its name with its labels, as the process
// prints them.
func (p *Process) Metrics() map[string]float64 {
	p.t.Helper()
	code, text, err := p.Probe("/metrics")
	if err != nil || code != http.StatusOK {
		p.t.Fatalf("metrics: got %d, %v", code, err)
	}
	out := make(map[string]float64)
	for line := range strings.Lines(text) {
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64); err == nil {
			out[line[:i]] = v
		}
	}
	return out
}

// Ask runs a verb of the command line that asks the administrator's API, and
// returns what it prints.
func (p *Process) Ask(args ...string) (string, error) {
	code, out, errs := Command(p.t, append(args,
		"--admin", "http://"+p.AdminAt, "--token-file", filepath.Join(p.Root, p.Data, "admin.token"))...)
	if code != 0 {
		return "", fmt.Errorf("%s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out, nil
}

// FreeAddr is an address of loopback that nobody has for TCP or UDP, with a
// port that the kernel gives to no client: it stays free until it is bound, and
// between two lives of a process.
func FreeAddr(t *testing.T) string {
	t.Helper()
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(20_000)))
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			continue
		}
		pc, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", addr)
		_ = ln.Close() // it was only a look
		if err != nil {
			continue
		}
		_ = pc.Close()
		return addr
	}
	t.Fatal("no free port between 10000 and 30000")
	return ""
}

// said is what a process writes.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// String returns all of it.
func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func (s *said) tail() string {
	text := s.String()
	return text[max(0, len(text)-4<<10):]
}
