// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp/files"
)

// tool runs a program of the machine, or skips the test where it is not.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not on this machine")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: got %v: %s", name, args, err, out)
	}
	return string(out)
}

// libcurl is what many CPE download with.
func TestCurlDownloads(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	text := pattern(3 << 20)
	ticket := offer(t, s, files.Offer{
		Content: contentOf(text), Access: files.Access{Username: "cpe", Password: "secret"},
	})
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"digest":   {"--digest", "-u", "cpe:secret"},
		"any":      {"--anyauth", "-u", "cpe:secret"},
		"basic":    {"--basic", "-u", "cpe:secret"},
		"HTTP/1.0": {"-0", "--digest", "-u", "cpe:secret"},
		"parallel": {"--digest", "-u", "cpe:secret", "-r", "0-3145727"},
		"resume":   {"--digest", "-u", "cpe:secret", "-C", "-"},
	} {
		out := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if name == "resume" {
			write(t, dir, name, text[:1<<20])
		}
		tool(t, "curl", append(args, "-sSf", "-o", out, ticket.URL)...)
		if got, err := os.ReadFile(out); err != nil || string(got) != text {
			t.Errorf("%s: got %d bytes, %v, want the file", name, len(got), err)
		}
	}
	head := tool(t, "curl", "-sSI", "--digest", "-u", "cpe:secret", ticket.URL)
	if !strings.Contains(head, "HTTP/1.1 200 OK") || !strings.Contains(head, "Content-Length: 3145728") {
		t.Errorf("got %q, want 200 with the length", head)
	}
}

func TestCurlUploads(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	dir := t.TempDir()
	text := pattern(3 << 20)
	write(t, dir, "up", text)
	up := filepath.Join(dir, "up")
	for name, args := range map[string][]string{
		"PUT":          {"-T", up},
		"digest":       {"-T", up, "--digest"},
		"any":          {"-T", up, "--anyauth"},
		"HTTP/1.0":     {"-T", up, "-0", "--digest"},
		"chunked":      {"-T", up, "--digest", "-H", "Transfer-Encoding: chunked"},
		"asks":         {"-T", up, "--digest", "-H", "Expect: 100-continue"},
		"asks not":     {"-T", up, "--anyauth", "-H", "Expect:"},
		"form":         {"-F", "key=value", "-F", "file=@" + up, "--digest"},
		"POST":         {"--data-binary", "@" + up, "--digest"},
		"form, chunks": {"-F", "file=@" + up, "--anyauth", "-H", "Transfer-Encoding: chunked"},
	} {
		m := new(memory)
		ticket := accept(t, s, files.Intake{
			Open: m.open, Status: http.StatusCreated, Access: files.Access{Username: "cpe", Password: "secret"},
		})
		args = append(args, "-sSf", "-u", "cpe:secret", "-o", os.DevNull, "-w", "%{http_code}", ticket.URL)
		status := tool(t, "curl", args...)
		if kept, _ := m.state(); status != "201" || !slices.Equal(kept, []string{text}) {
			t.Errorf("%s: got %s and %d kept, want 201 and the file", name, status, len(kept))
		}
	}
}

// Other CPE have a wget.
func TestWgetResumes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := pattern(3 << 20)
	write(t, dir, "fw.bin", text)
	s := start(t, files.Options{Root: dir})
	ticket := offer(t, s, files.Offer{
		File: "fw.bin", Access: files.Access{Username: "cpe", Password: "secret"},
	})
	to := t.TempDir()
	write(t, to, "fw.bin", text[:1234567])
	tool(t, "wget", "-q", "-c", "--user=cpe", "--password=secret", "-P", to, ticket.URL)
	if got, err := os.ReadFile(filepath.Join(to, "fw.bin")); err != nil || string(got) != text {
		t.Errorf("got %d bytes, %v, want the file", len(got), err)
	}
}
