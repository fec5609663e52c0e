// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
)

// maxFile bounds the configuration file and every secret file.
const maxFile = 1 << 20

// Load reads the file (none if its name is empty), applies environ (as from
// os.Environ) and validates the result. The error is ProblemsError, or a failure to
// read the file.
func Load(file string, environ []string) (*Config, error) {
	var text []byte
	if file != "" {
		var err error
		if text, err = readFile(file); err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
	}
	return Parse(file, text, environ)
}

// Parse is Load with the text of the file given; file is only used in
// problems.
func Parse(file string, text []byte, environ []string) (*Config, error) {
	cfg := Default()
	d := &decoder{file: file, at: positions{}}
	d.decode(text, &cfg)
	d.environment(environ, &cfg)
	if !d.unreadable {
		d.secrets(&cfg)
		d.validate(&cfg)
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return &cfg, nil
}

// environment applies USPGATE_A__B=value to the key a.b. An entry of a list is
// named by its index or, in mtp, by its name.
func (d *decoder) environment(environ []string, cfg *Config) {
	for _, kv := range environ {
		name, value, ok := strings.Cut(kv, "=")
		path, mine := strings.CutPrefix(name, "USPGATE_")
		if !ok || !mine {
			continue
		}
		v := reflect.ValueOf(cfg).Elem()
		if err := setPath(v, strings.Split(strings.ToLower(path), "__"), value); err != nil {
			d.problems = append(d.problems, Problem{Path: name, Text: err.Error()})
		}
	}
}

func setPath(v reflect.Value, path []string, value string) error {
	for _, key := range path {
		switch v.Kind() {
		case reflect.Struct:
			f, ok := fieldByKey(v, key)
			if !ok {
				return fmt.Errorf("unknown key %s; known keys: %s", key, strings.Join(keys(v.Type()), ", "))
			}
			v = f
		case reflect.Slice:
			e, ok := element(v, key)
			if !ok {
				return fmt.Errorf("the list has no entry %s", key)
			}
			v = e
		default:
			return fmt.Errorf("there is nothing below %s", key)
		}
	}
	return setText(v, value)
}

// element finds an entry of a list by its name or index.
func element(list reflect.Value, key string) (reflect.Value, bool) {
	for i := range list.Len() {
		e := list.Index(i)
		if e.Kind() != reflect.Struct {
			continue
		}
		if n, ok := fieldByKey(e, "name"); ok && strings.EqualFold(n.String(), key) {
			return e, true
		}
	}
	if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < list.Len() {
		return list.Index(i), true
	}
	return reflect.Value{}, false
}

// secrets reads every *_file into the secret beside it.
func (d *decoder) secrets(cfg *Config) {
	d.secretFile("cwmp.connection_request", &cfg.CWMP.ConnectionRequest.Password,
		cfg.CWMP.ConnectionRequest.PasswordFile)
	cr := &cfg.CWMP.ConnectionRequest
	d.secretFile("cwmp.connection_request.xmpp", &cr.XMPP.Password, cr.XMPP.PasswordFile)
	d.userSecrets("cwmp.connection_request.udp", cr.UDP.Users)
	for i := range cr.Logins {
		d.secretFile(fmt.Sprintf("cwmp.connection_request.logins[%d]", i), &cr.Logins[i].Password, cr.Logins[i].PasswordFile)
	}
	d.secretFile("engine", &cfg.Engine.Password, cfg.Engine.PasswordFile)
	for i := range cfg.CWMP.Auth.Users {
		u := &cfg.CWMP.Auth.Users[i]
		d.secretFile(fmt.Sprintf("cwmp.auth.users[%d]", i), &u.Password, u.PasswordFile)
	}
	for i := range cfg.MTP {
		path := fmt.Sprintf("mtp[%d]", i)
		d.userSecrets(path+".auth", cfg.MTP[i].Auth.Users)
		d.secretFile(path, &cfg.MTP[i].Password, cfg.MTP[i].PasswordFile)
	}
}

func (d *decoder) userSecrets(path string, users []User) {
	for i := range users {
		d.secretFile(fmt.Sprintf("%s.users[%d]", path, i), &users[i].Password, users[i].PasswordFile)
	}
}

func (d *decoder) secretFile(path string, secret *Secret, file string) {
	if file == "" {
		return
	}
	if *secret != "" {
		d.invalid(path+".password_file", "password is set as well", "keep one of the two")
		return
	}
	text, err := readFile(file)
	if err != nil {
		d.invalid(path+".password_file", err.Error(), "name a readable file")
		return
	}
	*secret = Secret(strings.TrimRight(string(text), "\r\n"))
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, errors.New(name + " is larger than 1 MiB")
	}
	return text, nil
}
