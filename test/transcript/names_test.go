// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// named are the paths that have a name in a conversation: instance numbers are the
// Agent's own affair.
type named struct{ pairs [][2]string } // path without the last dot, name

func (n *named) add(path, name string) {
	n.pairs = append(n.pairs, [2]string{strings.TrimSuffix(path, "."), name})
}

// hide replaces paths by their names.
func (n *named) hide(text string) string {
	for _, p := range slices.Backward(n.pairs) {
		text = regexp.MustCompile(regexp.QuoteMeta(p[0])+`\b`).ReplaceAllLiteralString(text, p[1])
	}
	return text
}

// show replaces names by their paths.
func (n *named) show(text string) string {
	for _, p := range n.pairs {
		text = regexp.MustCompile(regexp.QuoteMeta(p[1])+`\b`).ReplaceAllLiteralString(text, p[0])
	}
	return text
}

// canonJSON is canon for what a program prints as JSON: texts for people and IDs of
// Messages go, lists are sorted, values that differ from run to run are their types.
func canonJSON(v any) string {
	b, err := json.MarshalIndent(canonValue("", v), "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b) + "\n"
}

func canonValue(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for k, e := range v {
			last := k[strings.LastIndexByte(k, '.')+1:]
			if k == "text" || k == "errMsg" || k == "msgId" || isVendor(last) {
				continue
			}
			out[k] = canonValue(last, e)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if m, ok := e.(map[string]any); ok && isVendor(leaf(m)) {
				continue
			}
			out = append(out, canonValue(key, e))
		}
		slices.SortFunc(out, func(x, y any) int { return strings.Compare(canonText(x), canonText(y)) })
		return out
	case string:
		return typed(key, v)
	default:
		return v
	}
}

// leaf is the name of what an element of a list of supported parameters is about.
func leaf(m map[string]any) string {
	for _, key := range []string{"paramName", "path"} {
		if s, ok := m[key].(string); ok {
			return s[strings.LastIndexByte(s, '.')+1:]
		}
	}
	return ""
}

func canonText(v any) string {
	b, _ := json.Marshal(v) // was JSON
	return string(b)
}
