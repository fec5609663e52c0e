// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/uspgate/uspgate/test/harness"
)

// disk is a small file system of its own, in a mount namespace that a process of
// ours holds: nobody else sees it, and it goes with the test.
type disk struct {
	t     *testing.T
	at    string   // where it is mounted, for who is in the namespace
	image string   // file with its blocks, if it is no tmpfs
	enter []string // arguments of nsenter
	root  string   // of the namespace, seen from here
	tell  *bufio.ReadWriter
}

// newDisk makes one in memory, or skips the test where a user may not.
func newDisk(t *testing.T, mib int) *disk {
	t.Helper()
	d := &disk{t: t, at: t.TempDir(), enter: []string{"--user", "--mount", "--preserve-credentials"}}
	d.hold("--user", "--map-root-user")
	if !d.try("mount -t tmpfs -o size=%dm none %s", mib, d.at) {
		t.Skip("this kernel or its administrator lets no user mount a tmpfs in a namespace of his own")
	}
	return d
}

// newBlockDisk makes one that forgets at a crash what was not synced, and that
// can become read-only under open files. Only root may; else it skips the test.
func newBlockDisk(t *testing.T, mib int) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a file with a file system")
	}
	dir := t.TempDir()
	d := &disk{t: t, at: filepath.Join(dir, "disk"), image: filepath.Join(dir, "image"), enter: []string{"--mount"}}
	if err := os.Mkdir(d.at, 0o700); err != nil {
		t.Fatal(err)
	}
	d.hold("--propagation", "private")
	if !d.try("truncate -s %dM %s && mkfs.ext4 -q %s && mount -o loop %s %s", mib, d.image, d.image, d.image, d.at) {
		t.Skip("this machine has no loop devices or no ext4")
	}
	t.Cleanup(func() { // or the loop device stays
		d.do("umount %s", d.at)
	})
	return d
}

// hold starts the process that has the namespace. It runs what is written to it,
// line by line, and says how it went.
func (d *disk) hold(how ...string) {
	d.t.Helper()
	for _, tool := range []string{"unshare", "nsenter", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			d.t.Skipf("a file system of the test's own needs the tools of util-linux: %v", err)
		}
	}
	cmd := exec.Command("unshare", append(how, "--mount", "sh", "-c",
		`echo ok; while read -r line; do eval "$line" && echo ok || echo failed; done`)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // it has read to the end
		if d.t.Failed() {
			d.t.Logf("the disk said: %s", said.String())
		}
	})
	pid := strconv.Itoa(cmd.Process.Pid)
	d.root = "/proc/" + pid + "/root"
	d.enter = append([]string{"nsenter", "--target", pid}, append(d.enter, "--")...)
	d.tell = bufio.NewReadWriter(bufio.NewReader(out), bufio.NewWriter(in))
	if said, err := d.tell.ReadString('\n'); err != nil || said != "ok\n" {
		d.t.Skip("this kernel or its administrator does not let a user make a mount namespace (user namespaces)")
	}
}

// try runs a line of shell where the disk is seen.
func (d *disk) try(format string, args ...any) bool {
	d.t.Helper()
	fmt.Fprintf(d.tell, format+"\n", args...)
	if err := d.tell.Flush(); err != nil {
		d.t.Fatal(err)
	}
	said, err := d.tell.ReadString('\n')
	if err != nil {
		d.t.Fatal(err)
	}
	return said == "ok\n"
}

// do is try of what has to succeed.
func (d *disk) do(format string, args ...any) {
	d.t.Helper()
	if !d.try(format, args...) {
		d.t.Errorf("it failed: "+format, args...)
	}
}

// fill takes all space but so many KiB, without taking more for a moment; with 0
// all that there is.
func (d *disk) fill(but int) {
	d.t.Helper()
	ballast := filepath.Join(d.at, "ballast")
	if but == 0 {
		d.do("dd if=/dev/zero of=%s bs=4096 2>/dev/null || true", ballast)
		return
	}
	d.do("fallocate -l $(($(df --output=avail -k %s | tail -1) - %d))K %s", d.at, but, ballast)
}

func (d *disk) free() {
	d.t.Helper()
	d.do("rm %s", filepath.Join(d.at, "ballast"))
}

// fail ends all writing, as ext4 does after an error of the device: open files
// too are read-only from now on, and what was not synced never will be.
func (d *disk) fail() {
	d.t.Helper()
	d.do("mount -o remount,abort %s", d.at)
}

// again mounts what was synced. Nobody may have files open.
func (d *disk) again() {
	d.t.Helper()
	d.do("umount %s && mount -o loop %s %s", d.at, d.image, d.at)
}

// use has the gateway work in the namespace.
func (d *disk) use(p *harness.Process) { p.Wrap, p.Root = d.enter, d.root }

// data is a data_dir on the disk.
func (d *disk) data() string { return filepath.Join(d.at, "data") }
