// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// patience bounds the start and the end of a process.
const patience = 60 * time.Second

// process is a server that this program has started.
type process struct {
	cmd   *exec.Cmd
	pid   int // of what serves, which a script may have started
	ended chan struct{}
	said  tail
}

// command is a server to be started. It does not end with a context but with
// stop, which lets it finish.
func command(program string, args ...string) *exec.Cmd {
	return exec.Command(program, args...) //nolint:noctx // stop ends it
}

// start runs a server and waits until ready is nil.
func start(ctx context.Context, cmd *exec.Cmd, ready func(context.Context) error) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for this program, which stops them
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	p.pid = cmd.Process.Pid
	go func() { // ends with the process, for which stop waits
		_ = cmd.Wait() // how a server ends that was told to is of no interest
		close(p.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return p, nil
		}
		select {
		case <-poll.C:
			continue
		case <-p.ended:
			err = fmt.Errorf("%s has ended: %s", cmd.Path, p.said.String())
		case <-ctx.Done():
			err = errors.Join(fmt.Errorf("%s does not serve: %w: %s", cmd.Path, err, p.said.String()), p.stop())
		}
		return nil, err
	}
}

// stop asks the process to end and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.cmd.Path, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		_ = p.cmd.Process.Kill() // it may have ended in this moment
		return fmt.Errorf("%s had to be killed", p.cmd.Path)
	}
}

// tail keeps the end of what a process says.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const keep = 2 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - keep; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}

// freeAddress is a TCP address of the loopback interface that nobody has.
func freeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// accepts returns a readiness that is there when all addresses take connections.
func accepts(addresses ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, a := range addresses {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", a)
			if err != nil {
				return err
			}
			_ = conn.Close() // it was only a look
		}
		return nil
	}
}
