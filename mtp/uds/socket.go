// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

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
