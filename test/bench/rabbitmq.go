// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// startRabbitMQ runs a node of its own beside any other on this host, with a
// port mapper of its own, on the loopback interface only. Its schedulers do not
// spin while they wait: that would count as work.
func (s *servers) startRabbitMQ(ctx context.Context) (*server, error) {
	const script = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	if _, err := os.Stat(script); err != nil {
		return nil, err
	}
	a, err := addresses(ctx, 4) // of MQTT, STOMP, the port mapper, and the node among nodes
	if err != nil {
		return nil, err
	}
	env, err := s.rabbitMQEnv(a)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(a[2]) // it was made by a listener
	mapper, err := start(ctx, command("epmd", "-port", port, "-address", "127.0.0.1"), accepts(a[2]))
	if err != nil {
		return nil, err
	}
	s.extra = append(s.extra, mapper)
	cmd := command(script)
	cmd.Env = append(os.Environ(), env...)
	p, err := start(ctx, cmd, func(ctx context.Context) error {
		if err := accepts(a[0], a[1])(ctx); err != nil {
			return err
		}
		_, err := os.Stat(s.rabbitMQPID())
		return err
	})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.rabbitMQPID())
	if err == nil {
		p.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return &server{p, map[string]string{
		"mqtt": "mqtt311://" + a[0], "stomp": "stomp://guest:guest@" + a[1],
	}}, nil
}

// rabbitMQPID is where the node writes its process id: the script that starts it
// stays, and is another process.
func (s *servers) rabbitMQPID() string { return filepath.Join(s.dir, "rabbitmq.pid") }

func (s *servers) rabbitMQEnv(a []string) ([]string, error) {
	conf, err := s.file("rabbitmq.conf", "listeners.tcp = none\nmqtt.listeners.tcp.1 = "+a[0]+
		"\nmqtt.allow_anonymous = true\nstomp.listeners.tcp.1 = "+a[1]+
		"\nstomp.default_user = guest\nstomp.default_pass = guest\nlog.console.level = error\nlog.file = false\n")
	if err != nil {
		return nil, err
	}
	plugins, err := s.file("enabled_plugins", "[rabbitmq_mqtt,rabbitmq_stomp].\n")
	if err != nil {
		return nil, err
	}
	_, mapper, _ := net.SplitHostPort(a[2]) // they were made by listeners
	_, node, _ := net.SplitHostPort(a[3])
	return []string{
		"HOME=" + s.dir, "RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_NODENAME=uspgate-bench-" + mapper + "@localhost",
		"RABBITMQ_CONFIG_FILE=" + strings.TrimSuffix(conf, ".conf"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + plugins,
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(s.dir, "mnesia"), "RABBITMQ_LOG_BASE=" + filepath.Join(s.dir, "log"),
		"RABBITMQ_PID_FILE=" + s.rabbitMQPID(), "RABBITMQ_DIST_PORT=" + node, "ERL_EPMD_PORT=" + mapper,
		"ERL_EPMD_ADDRESS=127.0.0.1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none " +
			"-kernel inet_dist_use_interface {127,0,0,1}",
	}, nil
}
