// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const subscriptionTable = localRoot + "Subscription."

// The values of NotifType.
const (
	notifValueChange       = "ValueChange"
	notifObjectCreation    = "ObjectCreation"
	notifObjectDeletion    = "ObjectDeletion"
	notifOperationComplete = "OperationComplete"
	notifEvent             = "Event"
)

// subscriptionObjects is Device.LocalAgent.Subscription. [TR-181
// Subscriptions:1]. What a Subscription is about (ID, NotifType, ReferenceList)
// is written once.
func subscriptionObjects() []*localObject {
	s := obj(subscriptionTable+"{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "false"),
		ro("Recipient", path.TypeString, ""),
		rw("TriggerAction", path.TypeString, triggerNotify, oneOf(triggerNotify, triggerConfig, triggerBoth)),
		rw("TriggerConfigSettings", path.TypeString|path.List, "", checkTrigger),
		once("ID", path.TypeString, maxLen(64)),
		ro("CreationDate", path.TypeDateTime, unknownTime),
		once("NotifType", path.TypeString, oneOf(notifValueChange, notifObjectCreation, notifObjectDeletion,
			notifOperationComplete, notifEvent)),
		once("ReferenceList", path.TypeString|path.List, checkReferences),
		rw("Persistent", path.TypeBoolean, "false"),
		rw("TimeToLive", path.TypeUnsignedInt, "0"),
		rw("NotifRetry", path.TypeBoolean, "false"),
		rw("NotifExpiration", path.TypeUnsignedInt, "0"),
		calc("X_USPGATE_ChangesBy", path.TypeString|path.List, (*Agent).changesBy),
	).keyed([]string{"Recipient", "ID"}, []string{"Alias"}).rows()
	s.added = func(t *tx, row string, by usp.EndpointID) {
		t.set(row+"Recipient", strings.TrimSuffix(t.l.agent.controllerRow(by), "."))
		t.set(row+"CreationDate", time.Now().UTC().Format(time.RFC3339))
		t.set(row+"ID", t.l.get(row+"Alias")) // [R-ADD.5] unless the Add says another
	}
	s.columns["X_USPGATE_ChangesBy"].still = true
	s.check = checkSubscription
	return []*localObject{s}
}

// references splits a ReferenceList; commas inside search expressions do not
// separate.
func references(list string) []string {
	var refs []string
	from, depth := 0, 0
	for i := 0; i <= len(list); i++ {
		switch {
		case i == len(list) || list[i] == ',' && depth == 0:
			if ref := strings.TrimSpace(list[from:i]); ref != "" {
				refs = append(refs, ref)
			}
			from = i + 1
		case list[i] == '[':
			depth++
		case list[i] == ']':
			depth--
		}
	}
	return refs
}

// maxReferences bounds a ReferenceList.
const maxReferences = 64

func checkReferences(list string) *usp.Error {
	refs := references(list)
	if len(refs) > maxReferences {
		return &usp.Error{Code: usp.CodeResourcesExceeded, Text: "too many references"}
	}
	for _, ref := range refs {
		if _, err := path.Parse(ref); err != nil {
			return &usp.Error{Code: usp.CodeInvalidValue, Text: ref + ": " + uspError(err).Text}
		}
	}
	return nil
}

// checkSubscription checks that every reference is of a kind that NotifType
// can be about.
func checkSubscription(l *local, row string) *usp.Error {
	if n := len(l.rows[subscriptionTable]); n > l.agent.host.opts.Subscriptions {
		return invalid(usp.CodeResourcesExceeded, row, "too many Subscriptions")
	}
	typ := l.get(row + "NotifType")
	for _, ref := range references(l.get(row + "ReferenceList")) {
		p, err := path.Parse(ref)
		if err != nil || typ != "" && !canRefer(typ, p.Kind()) {
			return invalid(usp.CodeInvalidValue, row+"ReferenceList", ref+" is nothing that "+typ+" can be about")
		}
		if l.agent.isMounted(ref) { // what it is about its Virtual Agent knows
			continue
		}
		if !l.agent.mayExist(p) {
			return invalid(usp.CodeInvalidValue, row+"ReferenceList", ref+" is not in the supported data model")
		}
		if (typ == notifObjectCreation || typ == notifObjectDeletion) && !l.agent.mayHaveRows(typ, p) {
			return invalid(usp.CodeInvalidValue, row+"ReferenceList", ref+" is nothing that "+typ+" can be about")
		}
	}
	if err := checkTriggerConfig(l, row); err != nil {
		return err
	}
	return checkEnabled(l, row)
}

// checkEnabled refuses to enable what is about nothing: NotifType has no default
// among its values, and what it is about none at all [TR-181 Subscriptions:1].
// A disabled row may still get both.
func checkEnabled(l *local, row string) *usp.Error {
	if !l.isTrue(row + "Enable") {
		return nil
	}
	for _, name := range []string{"NotifType", "ReferenceList"} {
		if strings.TrimSpace(l.get(row+name)) == "" {
			return invalid(usp.CodeInvalidValue, row+"Enable", "a Subscription without "+name+" cannot be enabled")
		}
	}
	return nil
}

// mayHaveRows reports whether rows of p may come or go: p is a table, or stands
// for the rows of one. A row by its number can go, but not come.
func (a *Agent) mayHaveRows(typ string, p path.Path) bool {
	if p.Kind() == path.Instance {
		s := strings.TrimSuffix(p.String(), ".")
		last := s[strings.LastIndexByte(s, '.')+1:]
		return typ == notifObjectDeletion || !isInstance(last)
	}
	generic := p.Supported() + "{i}."
	if !a.judges(generic) || strings.Contains(p.String(), "+") {
		return true
	}
	multi, ok := tree{a}.SupportedObject(generic)
	return ok && multi
}

func canRefer(typ string, k path.Kind) bool {
	switch typ {
	case notifValueChange:
		return k == path.Parameter || k == path.Object || k == path.Instance
	case notifOperationComplete:
		return k == path.Command || k == path.Object || k == path.Instance
	case notifEvent:
		return k == path.Event || k == path.Object || k == path.Instance
	default:
		return k == path.Object || k == path.Instance
	}
}

// mayExist reports whether the supported data model has p, or may turn out to.
func (a *Agent) mayExist(p path.Path) bool {
	generic := p.Supported()
	if !a.judges(generic) || strings.Contains(p.String(), "+") {
		return true
	}
	t := tree{a}
	switch p.Kind() {
	case path.Parameter:
		_, ok := t.SupportedParam(generic)
		return ok
	case path.Command:
		object, name := splitParam(generic)
		return a.command(object, name) != nil
	case path.Event:
		object, name := splitParam(generic)
		return a.hasEvent(object, name)
	default:
		_, ok := t.SupportedObject(generic)
		if !ok {
			_, ok = t.SupportedObject(generic + "{i}.")
		}
		return ok
	}
}
