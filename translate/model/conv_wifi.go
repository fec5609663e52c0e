// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strings"
)

// wifiStandards are the values of OperatingStandards, oldest first.
var wifiStandards = [...]string{"a", "b", "g", "n", "ac", "ax", "be"}

// standards reads the many spellings of WLANConfiguration.Standard [quirk 63]:
// "n" and "g-only" of TR-098, and lists such as "b,g,n", "b/g/n", "11bgn",
// "11ac", "802.11a/n/ac". Of TR-098 a single letter includes what the band had
// before: "n" is b,g,n at 2.4 GHz and a,n at 5 GHz.
func standards(fiveGHz bool) func(string) (string, bool) {
	return func(raw string) (string, bool) {
		s := strings.ToLower(strings.TrimSpace(raw))
		only := strings.HasSuffix(s, "-only") || strings.HasSuffix(s, "only")
		s = strings.TrimSuffix(strings.TrimSuffix(s, "only"), "-")
		s = strings.TrimPrefix(strings.TrimPrefix(s, "802."), "11")
		found := splitStandards(s)
		if len(found) == 0 {
			return "", false
		}
		if len(found) == 1 && !only {
			found = upTo(found[0], fiveGHz)
		}
		return strings.Join(found, ","), true
	}
}

// splitStandards finds the standards in a text of letters and separators, in
// the order of wifiStandards; nil if there is anything else in it.
func splitStandards(s string) []string {
	var found []string
	for rest := s; rest != ""; {
		switch {
		case strings.ContainsRune(", /+_-", rune(rest[0])):
			rest = rest[1:]
			continue
		case len(rest) >= 2 && slices.Contains(wifiStandards[4:], rest[:2]):
			found = append(found, rest[:2])
			rest = rest[2:]
		case slices.Contains(wifiStandards[:4], rest[:1]):
			found = append(found, rest[:1])
			rest = rest[1:]
		default:
			return nil
		}
	}
	slices.SortFunc(found, func(a, b string) int {
		return slices.Index(wifiStandards[:], a) - slices.Index(wifiStandards[:], b)
	})
	return slices.Compact(found)
}

// upTo lists a standard and those before it in its band.
func upTo(std string, fiveGHz bool) []string {
	band := []string{"b", "g", "n", "ax", "be"}
	if fiveGHz {
		band = []string{"a", "n", "ac", "ax", "be"}
	}
	i := slices.Index(band, std)
	if i < 0 {
		return []string{std}
	}
	return band[:i+1]
}

// standardsBack writes in the spelling that the CPE uses now: with its
// separator if there is one, as "11" and letters, or as one TR-098 letter.
func standardsBack(fiveGHz bool) func(usp, rawNow string) (string, bool) {
	return func(usp, rawNow string) (string, bool) {
		want := splitStandards(usp)
		if len(want) == 0 {
			return "", false
		}
		now := strings.TrimSpace(rawNow)
		prefix := ""
		for _, p := range []string{"802.11", "11"} {
			if strings.HasPrefix(now, p) {
				prefix = p
				break
			}
		}
		if i := strings.IndexAny(now, ",/"); i >= 0 {
			return prefix + strings.Join(want, now[i:i+1]), true
		}
		newest := want[len(want)-1]
		switch {
		case len(splitStandards(strings.TrimPrefix(now, prefix))) > 1:
			return prefix + strings.Join(want, ""), true
		case slices.Equal(want, upTo(newest, fiveGHz)):
			return prefix + newest, true
		case len(want) == 1:
			return prefix + newest + "-only", true
		default:
			return "", false
		}
	}
}
