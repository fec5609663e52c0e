// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// rule is what a value has to be besides of its type: a|b|c is one of them,
// list:a|b a comma-separated list of them, 1:9 a range, len:1:9 a range of lengths.
type rule struct {
	words    []string
	list     bool
	length   bool
	min, max int64
}

func parseRule(s string) (*rule, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no rule is no error
	}
	r := &rule{}
	rest, length := strings.CutPrefix(s, "len:")
	rest, r.list = strings.CutPrefix(rest, "list:")
	low, high, ranged := strings.Cut(rest, ":")
	if !ranged && !length {
		r.words = strings.Split(rest, "|")
		return r, nil
	}
	var err, err2 error
	r.length = length
	r.min, err = strconv.ParseInt(low, 10, 64)
	r.max, err2 = strconv.ParseInt(high, 10, 64)
	if err != nil || err2 != nil {
		return nil, fmt.Errorf("rule %q is none", s)
	}
	return r, nil
}

// allows reports whether a value keeps the rule; nil allows all.
func (r *rule) allows(v string) bool {
	switch {
	case r == nil:
		return true
	case r.list:
		for w := range strings.SplitSeq(v, ",") {
			if w = strings.TrimSpace(w); w != "" && !slices.Contains(r.words, w) {
				return false
			}
		}
		return true
	case r.words != nil:
		return slices.Contains(r.words, v)
	case r.length:
		n := int64(len(v))
		return r.min <= n && n <= r.max
	default:
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && r.min <= n && n <= r.max
	}
}
