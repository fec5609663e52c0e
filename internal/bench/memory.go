// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory of a gateway's process in bytes.
type Memory struct {
	Heap     uint64 // what is reachable
	Stacks   uint64 // of goroutines
	Resident uint64 // 0 where the system does not tell
}

// ReadMemory collects the garbage of the gateway whose metrics are at address,
// host:port, and reads what is left.
func ReadMemory(ctx context.Context, address string, pid int) (Memory, error) {
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	skip := func(io.Reader) error { return nil }
	for range 2 { // what finalizers and pools hold goes with the second
		if err := fetch(ctx, client, "http://"+address+"/debug/pprof/heap?gc=1", skip); err != nil {
			return Memory{}, err
		}
	}
	m := Memory{Resident: resident(pid)}
	err := fetch(ctx, client, "http://"+address+"/metrics", func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), " ")
			switch name {
			case "go_memstats_heap_alloc_bytes":
				m.Heap = number(value)
			case "go_memstats_stack_inuse_bytes":
				m.Stacks = number(value)
			}
		}
		return lines.Err()
	})
	if err == nil && (m.Heap == 0 || m.Stacks == 0) {
		err = fmt.Errorf("bench: %s does not tell the memory of a Go process", address)
	}
	return m, err
}

func fetch(ctx context.Context, client *http.Client, url string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("bench: %s: %s", url, resp.Status)
	}
	body := io.LimitReader(resp.Body, 16<<20)
	if err := read(body); err != nil {
		return fmt.Errorf("bench: %s: %w", url, err)
	}
	_, err = io.Copy(io.Discard, body)
	return err
}

// number reads a figure of a metric, which may have an exponent.
func number(s string) uint64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 {
		return 0
	}
	return uint64(f)
}

// resident is the resident set of a process, 0 if it is not known.
func resident(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	return number(fields[1]) * uint64(os.Getpagesize())
}
