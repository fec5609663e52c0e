// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is something wrong with a Row: in which field, what, and what to do.
type Problem struct {
	Field string // as in JSON, such as "download.max_url"
	Text  string
	Hint  string
}

// Check returns everything that is wrong with a row, in no particular order.
func (r *Row) Check() []Problem {
	var list checks
	p := &r.Profile
	if r.For == (Model{}) {
		list.add("", "it is for every CPE", `name a model; write oui: "*" if every CPE is meant`)
	}
	if p.IsZero() && !r.Alone {
		list.add("", "it changes nothing", "set a field, or take it out")
	}
	list.oneOf("booleans", string(p.Booleans), string(Digits), string(Words))
	list.oneOf("next_level", string(p.NextLevel), string(Digits), string(Words))
	list.oneOf("names", string(p.Names), string(NamesRoot), string(NamesEmpty), string(NamesWalk))
	for i, way := range p.ConnectionRequest {
		list.oneOf(fmt.Sprintf("connection_request[%d]", i), way, "http", "udp", "xmpp")
	}
	list.most("batch", p.Batch, MaxBatch)
	list.most("farewell_posts", p.FarewellPosts, MaxFarewellPosts)
	list.most("walk_levels", p.WalkLevels, MaxWalkLevels)
	if p.WalkLevels > 0 && p.Names != NamesWalk {
		list.add("walk_levels", "names are not read level by level", "set names: walk")
	}
	if p.SessionTimeout < 0 {
		list.add("session_timeout", "it is below 0", "write for example 1m")
	}
	if p.TransferWait < 0 {
		list.add("transfer_wait", "it is below 0", "write for example 1h")
	}
	list.header(p.Header)
	list.ignore(p.Ignore)
	list.download(&p.Download)
	return list
}

type checks []Problem

func (c *checks) add(field, text, hint string) { *c = append(*c, Problem{field, text, hint}) }

func (c *checks) oneOf(field, v string, allowed ...string) {
	if v != "" && !slices.Contains(allowed, v) {
		c.add(field, fmt.Sprintf("%q is not known", v), "write "+strings.Join(allowed, " or "))
	}
}

func (c *checks) most(field string, n, limit int) {
	if n < 0 || n > limit {
		c.add(field, fmt.Sprintf("%d is not from 0 to %d", n, limit), "0 leaves it as with any CPE")
	}
}

func (c *checks) header(list []string) {
	if len(list) > MaxHeaders {
		c.add("header", fmt.Sprintf("%d headers, %d at most", len(list), MaxHeaders), "take some out")
	}
	for i, line := range list {
		field := fmt.Sprintf("header[%d]", i)
		name, value, ok := strings.Cut(line, ":")
		own := func(own string) bool { return strings.EqualFold(own, name) }
		switch {
		case !ok, len(line) > MaxHeader, !isToken(name), !isFieldValue(value):
			c.add(field, fmt.Sprintf("%q is not a header", line), `write for example "SOAPServer: uspgate"`)
		case slices.ContainsFunc(ownHeaders(), own):
			c.add(field, name+" is made by the gateway itself", "take it out")
		}
	}
}

// ownHeaders are those that no Profile may change: the answer would be another one.
func ownHeaders() []string {
	return []string{
		"Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Connection", "Set-Cookie",
		"WWW-Authenticate",
	}
}

// isToken and isFieldValue are the grammar of HTTP [RFC 9110 5.6.2, 5.5].
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

func isFieldValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) < 0
}

func (c *checks) ignore(list []string) {
	if len(list) > MaxIgnore {
		c.add("ignore", fmt.Sprintf("%d names, %d at most", len(list), MaxIgnore), "name objects instead of their parameters")
	}
	for i, name := range list {
		root, rest, ok := strings.Cut(name, ".")
		if !ok || root != "Device" && root != "InternetGatewayDevice" || rest == "" || len(name) > MaxName {
			c.add(fmt.Sprintf("ignore[%d]", i), fmt.Sprintf("%q is not the name of a parameter or an object", name),
				"write for example InternetGatewayDevice.DeviceInfo.DeviceLog, or Device.WiFi. for an object")
		}
	}
}

func (c *checks) download(d *Download) {
	if d.Extension != "" && (!strings.HasPrefix(d.Extension, ".") || strings.ContainsAny(d.Extension, "/?#")) {
		c.add("download.extension", fmt.Sprintf("%q is not how a name ends", d.Extension), "write for example .bin")
	}
	if d.MaxURL < 0 || d.MaxURL > 0 && d.MaxURL < 32 {
		c.add("download.max_url", fmt.Sprintf("no URL is as short as %d bytes", d.MaxURL), "write 32 or more")
	}
}
