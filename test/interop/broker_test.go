// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// brokerPatience is how long a broker may take to come up.
const brokerPatience = 90 * time.Second

// rabbitMQ is a RabbitMQ of the test's own, on the loopback interface.
type rabbitMQ struct {
	Stomp, MQTT string // host:port; the user of both is guest, password guest
	Stop        func() // ends it before the test does
}

// startRabbitMQ starts Debian's RabbitMQ with STOMP and MQTT, and with a port
// mapper, a home and a node name of its own, so that it meets no other on this
// host. It ends with the test.
func startRabbitMQ(t *testing.T) *rabbitMQ {
	t.Helper()
	const script = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	if _, err := os.Stat(script); err != nil {
		t.Fatalf("rabbitmq-server is not installed: %v", err)
	}
	r := &rabbitMQ{Stomp: freeAddr(t), MQTT: freeAddr(t)}
	mapper, node := freeAddr(t), freeAddr(t)
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")

	stopMapper := startProcess(t, exec.Command("epmd", "-port", portOf(mapper), "-address", "127.0.0.1"), nil)
	await(t, "epmd", func() bool { return accepts(mapper) })
	cmd := exec.Command(script)
	cmd.Env = append(os.Environ(),
		"HOME="+dir, "RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_NODENAME=uspgate-"+portOf(mapper)+"@localhost",
		"RABBITMQ_CONFIG_FILE="+filepath.Join(dir, "rabbitmq"), "RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "mnesia"),
		"RABBITMQ_LOG_BASE="+filepath.Join(dir, "log"), "RABBITMQ_PID_FILE="+pidFile,
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(dir, "enabled_plugins"), "RABBITMQ_DIST_PORT="+portOf(node),
		"ERL_EPMD_PORT="+portOf(mapper), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none "+
			"-kernel inet_dist_use_interface {127,0,0,1}")
	writeFile(t, filepath.Join(dir, "enabled_plugins"), "[rabbitmq_mqtt,rabbitmq_stomp].\n")
	writeFile(t, filepath.Join(dir, "rabbitmq.conf"), "listeners.tcp = none\nmqtt.listeners.tcp.1 = "+r.MQTT+
		"\nmqtt.allow_anonymous = true\nstomp.listeners.tcp.1 = "+r.Stomp+
		"\nlog.console.level = warning\nlog.file = false\n")
	stopNode := startProcess(t, cmd, func() int { // the script stays, and the node is another process
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return 0
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0
		}
		return pid
	})
	await(t, "RabbitMQ", func() bool { return accepts(r.Stomp) && accepts(r.MQTT) })
	r.Stop = func() {
		stopNode()
		stopMapper()
	}
	return r
}

// startProcess starts cmd and returns what ends it, which the end of the test
// does too. pid tells the process to signal, if it is another than cmd's.
func startProcess(t *testing.T, cmd *exec.Cmd, pid func() int) (stop func()) {
	t.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ends that was told to is of no interest
	}()
	signal := func(s syscall.Signal) {
		id := cmd.Process.Pid
		if pid != nil && pid() > 0 {
			id = pid()
		}
		_ = syscall.Kill(id, s) // it may have ended
	}
	stop = func() {
		signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			signal(syscall.SIGKILL)
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s: %s", cmd.Path, said.String())
		}
	})
	return stop
}

// await polls until what is ready.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	deadline := time.Now().Add(brokerPatience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not serve within %v", what, brokerPatience)
		}
		<-tick.C
	}
}

func accepts(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // it was made by a listener
	return port
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
