// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// Rests of a server after a temporary failure to accept: twice as long each
// time.
const (
	firstRest = 5 * time.Millisecond
	longRest  = time.Second
)

// bind makes the socket, with its owner and permissions, in the place of one
// that nobody answers at. It is not made by package listen, whose connections do
// not let the credentials of the peer be seen.
func (o *ServerOptions) bind(ctx context.Context) (net.Listener, error) {
	if err := removeStale(ctx, o.Listen); err != nil {
		return nil, fmt.Errorf("uds: listen: %w", err)
	}
	lc := net.ListenConfig{Control: private}
	ln, err := lc.Listen(ctx, "unix", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("uds: listen: %w", err)
	}
	if err := o.give(); err != nil {
		_ = ln.Close() // it has served nobody
		return nil, err
	}
	return ln, nil
}

// private lets nobody else connect between the making of the socket and give:
// Linux makes its file with the permissions of the descriptor.
func private(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.Fchmod(int(fd), 0o600) // elsewhere it may be refused; the umask decides there
	})
}

// removeStale removes the socket at path if nobody listens there any more.
// Whatever else stands in the way is found by binding.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil //nolint:nilerr // nothing that could be replaced
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		return conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return os.Remove(path)
}

// temporary reports whether accepting may succeed later: the system is short of
// something, or the peer was gone before.
func temporary(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// give sets owner and permissions of the socket [R-UDS.2].
func (o *ServerOptions) give() error {
	uid, err := numericID(o.Owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return fmt.Errorf("uds: owner: %w", err)
	}
	gid, err := numericID(o.Group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	if err != nil {
		return fmt.Errorf("uds: group: %w", err)
	}
	if uid >= 0 || gid >= 0 {
		if err := os.Lchown(o.Listen, uid, gid); err != nil {
			return fmt.Errorf("uds: owner: %w", err)
		}
	}
	if err := os.Chmod(o.Listen, o.Mode); err != nil {
		return fmt.Errorf("uds: mode: %w", err)
	}
	return nil
}

// numericID is s if it is a number, -1 for "", and what look finds otherwise.
func numericID(s string, look func(string) (string, error)) (int, error) {
	if s == "" {
		return -1, nil
	}
	if id, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(id), nil
	}
	found, err := look(s)
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseUint(found, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q has the id %q, want a number", s, found)
	}
	return int(id), nil
}
