// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// The values of TriggerAction. What is to be told (Notify), set (Config), or both is that
// of which a Subscription is about.
const (
	triggerNotify = "Notify"
	triggerConfig = "Config"
	triggerBoth   = "NotifyAndConfig"
)

// maxTriggerSettings bounds TriggerConfigSettings, maxTriggerText its text.
const (
	maxTriggerSettings = 32
	maxTriggerText     = 4096
)

// triggerWindow is the time in which a Subscription may set what it sets
// Options.TriggerConfigs times: what it sets may be what it is about.
const triggerWindow = time.Minute

// triggerSetting is an item of TriggerConfigSettings: PATH=VALUE.
type triggerSetting struct {
	object, leaf, value string
}

// triggers counts how often Subscriptions have set something in their window.
type triggers map[string]*triggerCount

type triggerCount struct {
	since time.Time
	n     int
}

// allow counts one more, and reports whether it is not too many.
func (t triggers) allow(row string, now time.Time, limit int) bool {
	c := t[row]
	if c == nil || now.Sub(c.since) >= triggerWindow {
		c = &triggerCount{since: now}
		t[row] = c
	}
	c.n++
	return c.n <= limit
}

// parseTrigger reads TriggerConfigSettings [TR-181 Subscription.{i}.]: items PATH=VALUE
// with commas between them. A value in quotes is a text in which %22 is a quote and %25 a
// per cent sign, as in a search expression; one without ends at the comma.
func parseTrigger(list string) ([]triggerSetting, *usp.Error) {
	var settings []triggerSetting
	for rest := strings.TrimSpace(list); rest != ""; {
		if len(settings) == maxTriggerSettings {
			return nil, &usp.Error{
				Code: usp.CodeResourcesExceeded, Text: "more than " + number(maxTriggerSettings) + " settings",
			}
		}
		name, value, ok := cutOutside(rest, '=')
		if !ok {
			return nil, badTrigger(rest, "want PATH=VALUE")
		}
		p, err := path.Parse(strings.TrimSpace(name))
		if err != nil {
			return nil, badTrigger(name, uspError(err).Text)
		}
		if p.Kind() != path.Parameter || p.HasReference() {
			return nil, badTrigger(name, "want the path of a parameter")
		}
		var s triggerSetting
		s.object, s.leaf = strings.TrimSuffix(p.String(), p.Leaf()), p.Leaf()
		if s.value, rest, ok = triggerValue(value); !ok {
			return nil, badTrigger(value, "want a text in quotes, or one without, up to the next comma")
		}
		settings = append(settings, s)
	}
	return settings, nil
}

func badTrigger(text, why string) *usp.Error {
	const shown = 64
	if len(text) > shown {
		text = text[:shown] + "…"
	}
	return &usp.Error{Code: usp.CodeInvalidValue, Text: text + ": " + why}
}

// cutOutside is strings.Cut at a byte that is in no search expression.
func cutOutside(s string, at byte) (before, after string, ok bool) {
	inside, quoted := false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == ']':
			inside = c == '['
		case c == at && !inside:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// triggerValue reads a value, and returns what is behind its comma.
func triggerValue(s string) (value, rest string, ok bool) {
	s = strings.TrimLeft(s, " ")
	if !strings.HasPrefix(s, `"`) {
		value, rest, more := strings.Cut(s, ",")
		rest = strings.TrimSpace(rest)
		return strings.TrimSpace(value), rest, !strings.Contains(value, `"`) && (!more || rest != "")
	}
	value, rest, ok = strings.Cut(s[1:], `"`)
	rest = strings.TrimSpace(rest)
	value = strings.NewReplacer("%22", `"`, "%25", "%").Replace(value)
	if !ok || rest == "" {
		return value, "", ok
	}
	rest, ok = strings.CutPrefix(rest, ",")
	rest = strings.TrimSpace(rest)
	return value, rest, ok && rest != ""
}

func checkTrigger(list string) *usp.Error {
	if len(list) > maxTriggerText {
		return &usp.Error{Code: usp.CodeResourcesExceeded, Text: "longer than " + number(maxTriggerText) + " characters"}
	}
	_, err := parseTrigger(list)
	return err
}

// checkTriggerConfig checks that the data model may have what a Subscription sets.
func checkTriggerConfig(l *local, row string) *usp.Error {
	settings, err := parseTrigger(l.get(row + "TriggerConfigSettings"))
	if err != nil {
		return err
	}
	for _, s := range settings {
		p, failed := path.Parse(s.object + s.leaf)
		if failed != nil || !l.agent.mayExist(p) {
			return invalid(usp.CodeInvalidValue, row+"TriggerConfigSettings",
				s.object+s.leaf+" is not in the supported data model")
		}
	}
	return nil
}

// resultDropped is for what a Subscription was not to set so often.
const resultDropped = "dropped"

func newTriggerMetric() *prometheus.CounterVec {
	m := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_translate_triggers_total",
		Help: "What Subscriptions were to set: done, failed, or too often.",
	}, []string{"result"})
	for _, result := range []string{resultOK, resultFailed, resultDropped} {
		m.WithLabelValues(result)
	}
	return m
}

// configure does what TriggerConfigSettings of a Subscription say: in the background, as a
// Set of its recipient that is all or nothing, with its rights, its deadline and its place
// in the journal. A failure is counted and in the log: there is nobody to answer. The lock
// is held.
func (a *Agent) configure(s *subscription) {
	settings, err := parseTrigger(a.local.get(s.row + "TriggerConfigSettings"))
	if err != nil || len(settings) == 0 {
		return
	}
	log := a.log.With(zap.String("subscription", s.row), zap.String("recipient", string(s.recipient)))
	if !a.subs.triggers.allow(s.row, time.Now(), a.host.opts.TriggerConfigs) {
		a.host.metrics.triggers.WithLabelValues(resultDropped).Inc()
		if a.subs.triggers[s.row].n == a.host.opts.TriggerConfigs+1 { // once in a window
			log.Warn("a Subscription is triggered too often; its TriggerConfigSettings are not set for a while")
		}
		return
	}
	set := &uspmsg.Set{}
	for _, x := range settings {
		set.UpdateObjs = append(set.UpdateObjs, &uspmsg.Set_UpdateObject{
			ObjPath:       x.object,
			ParamSettings: []*uspmsg.Set_UpdateParamSetting{{Param: x.leaf, Value: x.value, Required: true}},
		})
	}
	done := func(body *uspmsg.Body, err error) {
		if e := body.GetError(); e != nil && err == nil {
			err = &usp.Error{Code: usp.Code(e.GetErrCode()), Text: e.GetErrMsg()}
		}
		if err == nil {
			a.host.metrics.triggers.WithLabelValues(resultOK).Inc()
			return
		}
		a.host.metrics.triggers.WithLabelValues(resultFailed).Inc()
		log.Info("TriggerConfigSettings were not set", zap.Error(err))
	}
	id := "trigger-" + strconv.FormatInt(a.host.started.UnixMilli(), 36) + "-" +
		strconv.FormatUint(a.host.notifies.Add(1), 10)
	asked := Asked{
		To: a.id, From: s.recipient, MsgID: id, Answer: done,
		Request: &uspmsg.Request{ReqType: &uspmsg.Request_Set{Set: set}},
	}
	a.outcomes = append(a.outcomes, func() {
		if err := a.host.Ask(asked); err != nil {
			done(nil, err)
		}
	})
}
