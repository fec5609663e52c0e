// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"fmt"
	"strings"
	"time"
)

// String is the explanation in sentences, one per line.
func (x Explanation) String() string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	name := fmt.Sprintf("%s (%s)", x.EndpointID, x.Role)
	if x.AliasOf != "" {
		say("%s is an alias of %s.", x.EndpointID, x.AliasOf)
	}
	switch {
	case x.Verdict == Refused && x.Known:
		say("A Record to %s%s is refused: %s.", name, x.by(), strings.TrimPrefix(x.Reason, "routing: "))
	case x.Verdict == Refused && x.Route == nil:
		say("%s is not known: %s, so a Record to it is refused as unroutable.", name, x.Reason)
	case x.Verdict == Refused:
		say("%s has not been seen, and a Record to it%s is refused: %s.", name, x.by(),
			strings.TrimPrefix(x.Reason, "routing: "))
	case !x.Known:
		say("%s has not been seen; the static route %q makes it known%s.", name, x.Route.Match, x.Route.where())
	default:
		for i := range x.Lanes {
			lines = append(lines, x.lane(name, &x.Lanes[i]))
		}
	}
	if x.Node != "" {
		say("Node %q of this gateway owns it: there the Record goes.", x.Node)
	}
	if x.MoreLanes > 0 {
		say("It has a lane of its own for each of %d counterparts.", len(x.Lanes)+x.MoreLanes)
	}
	if !x.GraceUntil.IsZero() {
		say("Its last Link was lost; watchers are told at %s unless it is back.", stampOf(x.GraceUntil))
	}
	lines = append(lines, x.access()...)
	if x.Loops != nil {
		say("%d Records from it came over a trunk and were refused as loops, the last over %q at %s.",
			x.Loops.Count, x.Loops.Via, stampOf(x.Loops.At))
	}
	return strings.Join(lines, "\n")
}

// by names the sender that was asked about.
func (x *Explanation) by() string {
	if x.From == "" {
		return ""
	}
	return " from " + string(x.From)
}

// access says who may send, and over what.
func (x *Explanation) access() []string {
	var lines []string
	if rt := x.Route; rt != nil {
		if x.Known && rt.Via != "" {
			lines = append(lines, rt.use(x.Learned))
		}
		if len(rt.AllowFrom) > 0 {
			lines = append(lines, fmt.Sprintf("Only %s may send to it (static route %q).",
				strings.Join(rt.AllowFrom, ", "), rt.Match))
		}
		if rt.Transit {
			lines = append(lines, fmt.Sprintf(
				"Records that came over another trunk may go on to it (static route %q).", rt.Match))
		}
	}
	for _, u := range x.Rules {
		verb := "may send"
		if u.Deny {
			verb = "may not send"
		}
		lines = append(lines, fmt.Sprintf("A rule: %s %s to %s.", u.From, verb, u.To))
	}
	return lines
}

// use says whether the route is a way.
func (rt *RouteInfo) use(learned bool) string {
	if learned && strings.Contains(rt.Match, "*") {
		return fmt.Sprintf("The static route %q is not its way: it is at home here.", rt.Match)
	}
	return fmt.Sprintf("The static route %q leads to it%s.", rt.Match, rt.where())
}

// where describes the route's way.
func (rt *RouteInfo) where() string {
	if rt.Via == "" {
		return ", so a Record to it waits in the buffer"
	}
	text := fmt.Sprintf(", via %q", rt.Via)
	if rt.Destination != "" {
		text += fmt.Sprintf(" to %q", rt.Destination)
	}
	if len(rt.Fallback) > 0 {
		text += ", else via " + strings.Join(rt.Fallback, ", ")
	}
	return text
}

func (x *Explanation) lane(name string, l *LaneInfo) string {
	var b strings.Builder
	fmt.Fprintf(&b, "A Record to %s", name)
	if l.From != "" {
		fmt.Fprintf(&b, " from %s", l.From)
	} else {
		b.WriteString(x.by())
	}
	switch {
	case len(l.Links) == 0:
		fmt.Fprintf(&b, " goes to the buffer, where %d wait: the Endpoint is %s", l.Waiting, x.State)
		if !x.LastSeen.IsZero() {
			fmt.Fprintf(&b, ", last seen %s", stampOf(x.LastSeen))
		}
		return b.String() + "."
	case l.Verdict == Forwarded:
		b.WriteString(" goes straight to its")
	default:
		fmt.Fprintf(&b, " goes to the buffer, behind %d that are being drained to its", l.Waiting)
	}
	b.WriteString(l.Links[0].String())
	if l.UnderWay > 0 {
		fmt.Fprintf(&b, "; %d are under way", l.UnderWay)
	}
	for i := range l.Links[1:] {
		fmt.Fprintf(&b, "; if that is down,%s", l.Links[i+1])
	}
	return b.String() + "."
}

// String names the Link.
func (l LinkInfo) String() string {
	text := fmt.Sprintf(" %s Link %q", l.MTP, l.Listener)
	if l.Remote != "" {
		text += " at " + l.Remote
	}
	if l.Destination != "" {
		text += fmt.Sprintf(", destination %q", l.Destination)
	}
	if l.Order != 0 {
		text += fmt.Sprintf(", order %d", l.Order)
	}
	return text
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }
