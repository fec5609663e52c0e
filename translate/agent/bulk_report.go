// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/bulk"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// bulkData is what follows from the Profiles of Device.BulkData.
type bulkData struct {
	profiles map[string]*reporting // by row
	running  int                   // reports that are being made in the background
}

// reporting is the timer of one Profile.
type reporting struct {
	interval time.Duration
	phase    string // TimeReference
	timer    *timer
	running  bool // a report is being made
}

func (b *bulkData) init() { b.profiles = make(map[string]*reporting) }

// armBulkData sees to it that there is a timer for each enabled Profile whose reports
// somebody gets, and none for the others: nobody reads a CPE for nothing. One that goes on
// with the same interval and phase is not disturbed. The lock is held.
func (a *Agent) armBulkData() {
	l := a.local
	for row, p := range a.bulk.profiles {
		if !a.isReporting(row) || p.interval != a.reportingInterval(row) || p.phase != l.get(row+"TimeReference") {
			a.stop(p.timer)
			delete(a.bulk.profiles, row)
			delete(l.values, row+hiddenPhase)
		}
	}
	l.each(profileTable, func(row string) {
		if a.bulk.profiles[row] == nil && a.isReporting(row) {
			p := &reporting{interval: a.reportingInterval(row), phase: l.get(row + "TimeReference")}
			a.bulk.profiles[row] = p
			a.nextReport(row, p)
		}
	})
}

// reportingInterval is that of a Profile; one that was made when it could be less than
// MinReportingInterval has that.
func (a *Agent) reportingInterval(row string) time.Duration {
	return max(a.local.seconds(row+"ReportingInterval"), a.host.opts.BulkInterval)
}

// isReporting reports whether a Profile makes reports: it is enabled, and the Controller
// that has made it has subscribed to its Push!.
func (a *Agent) isReporting(row string) bool {
	l := a.local
	if !l.exists(row) || !l.isTrue(bulkRoot+"Enable") || !l.isTrue(row+"Enable") {
		return false
	}
	to := a.controllerOf(l.get(row + "Controller"))
	for _, s := range a.subs.list {
		if s.typ == notifEvent && s.recipient == to && s.wants(a, row+"Push!") {
			return true
		}
	}
	return false
}

// nextReport waits for the next report: at a whole number of intervals from TimeReference,
// or from now on if that is the Unknown Time. One that was due while the Agent slept is due
// now; one that was due while the gateway did not run is not made up for.
func (a *Agent) nextReport(row string, p *reporting) {
	p.timer = a.after(a.untilDue(row, p.interval, p.phase), func() {
		if a.bulk.profiles[row] != p {
			return
		}
		a.nextReport(row, p)
		to := a.controllerOf(a.local.get(row + "Controller"))
		switch {
		case !a.may(to, trust.NotifyCommand, row+"Push!"): // its roles have changed
		case p.running: // the CPE has taken an interval to answer
			a.host.metrics.bulk.WithLabelValues(resultUnread).Inc()
		default:
			a.reportInBackground(row, p)
		}
	})
	p.timer.every = p.interval
}

// reportInBackground makes one report. The lock is held.
func (a *Agent) reportInBackground(row string, p *reporting) {
	if !a.inBackground(func(ctx context.Context, dev Device) {
		err := a.report(ctx, a.patient(dev), row, func() bool { return a.awaitKnown(ctx, true, nil) })
		if err != nil {
			a.log.Info("a bulk data report was not made", zap.String("profile", row),
				zap.Int("code", int(err.Code)), zap.String("why", err.Text))
		}
		a.lock()
		defer a.unlock()
		p.running = false
		a.bulk.running--
	}) {
		return
	}
	p.running = true
	a.bulk.running++
}

// forceCollectionCommand is Device.BulkData.Profile.{i}.ForceCollection(), synchronous: the
// report has left when it is answered. The timer of the Profile goes on as before.
func forceCollectionCommand() *command {
	return &command{name: "ForceCollection()", run: (*Agent).operateForceCollection}
}

func (a *Agent) operateForceCollection(c *call) {
	a.lock()
	enabled := a.local.isTrue(bulkRoot+"Enable") && a.local.isTrue(c.object+"Enable")
	a.unlock()
	if !enabled {
		c.err = invalid(usp.CodeCommandFailure, "", "the Profile is not enabled")
		return
	}
	c.err = a.report(c.ctx, c.r.call, c.object, func() bool { return a.awaitDiscovery(c.ctx, c.r, true) })
	if c.output = map[string]string{}; c.err != nil && c.err.Code != usp.CodeResourcesExceeded {
		c.err.Code = usp.CodeCommandFailure
	}
}

// What has become of a report.
const (
	resultTooLarge = "too_large"
	resultUnread   = "unread"
)

// bulkReference is a row of Profile.{i}.Parameter.
type bulkReference struct {
	path   path.Path
	name   string
	unread error // of the CPE
}

// report makes one report of a Profile and sends it to the Controller that has made the
// Profile. Known waits until the data model of the CPE is known. References that the CPE
// does not give are left out; if there is no other, there is no report.
func (a *Agent) report(ctx context.Context, call caller, row string, known func() bool) *usp.Error {
	a.lock()
	refs, excluded := a.bulkReferences(row)
	a.unlock()
	a.readReferences(ctx, call, refs, known)
	a.lock()
	defer a.unlock()
	if !a.local.exists(row) {
		return invalid(usp.CodeCommandFailure, "", "the Profile is gone")
	}
	for i := range refs {
		if refs[i].unread == nil {
			break
		}
		if i == len(refs)-1 {
			a.host.metrics.bulk.WithLabelValues(resultUnread).Inc()
			return cpeError(refs[i].unread, "")
		}
	}
	text, err := a.encodeReport(row, refs, excluded)
	if err != nil {
		a.host.metrics.bulk.WithLabelValues(resultTooLarge).Inc()
		return err
	}
	a.host.metrics.bulk.WithLabelValues(resultOK).Inc()
	to := a.controllerOf(a.local.get(row + "Controller"))
	a.emitEvent(row, "Push!", map[string]string{"Data": text}, to, nil)
	return nil
}

// bulkReferences returns what a Profile is about, and what it leaves out [R-BULK.10a].
func (a *Agent) bulkReferences(row string) (refs []bulkReference, excluded []path.Path) {
	a.local.each(row+"Parameter.", func(row string) {
		p, err := path.Parse(a.local.get(row + "Reference"))
		switch {
		case err != nil: // empty
		case a.local.isTrue(row + "Exclude"):
			excluded = append(excluded, p)
		default:
			refs = append(refs, bulkReference{path: p, name: a.local.get(row + "Name")})
		}
	})
	return refs, excluded
}

// readReferences reads from the CPE what is stale of the references, as a Get does.
func (a *Agent) readReferences(ctx context.Context, call caller, refs []bulkReference, known func() bool) {
	remote := false
	for i := range refs {
		remote = remote || !isLocal(refs[i].path.Object())
	}
	if !remote {
		return
	}
	ready := known()
	paths := make([]path.Path, len(refs))
	for i := range refs {
		switch p := refs[i].path; {
		case isLocal(p.Object()):
		case !ready:
			refs[i].unread = errUnknownModel
		default:
			paths[i] = p
		}
	}
	for i, err := range a.readStale(ctx, call, paths, false) {
		if err != nil {
			refs[i].unread = err
		}
	}
}

// errUnknownModel: the CPE has not been there long enough for its data model to be read.
var errUnknownModel = errors.New("agent: the data model of the CPE is not known")

// encodeReport makes the text of a report: of what is there, and of what the Controller
// may read. The lock is held.
func (a *Agent) encodeReport(row string, refs []bulkReference, excluded []path.Path) (string, *usp.Error) {
	to := a.controllerOf(a.local.get(row + "Controller"))
	limit := a.host.opts.MaxReport
	var params []bulk.Param
	size, visits := 0, 0
	for i := range refs {
		ref := &refs[i]
		if ref.unread != nil {
			continue
		}
		err := a.eachReported(to, ref.path, func(full, value string, t path.Type) bool {
			visits++
			if !slices.ContainsFunc(excluded, func(x path.Path) bool { return wild(x, full, true) }) {
				name := bulk.Name(ref.path.String(), ref.name, full)
				params = append(params, bulk.Param{Name: name, Value: value, Type: t})
				size += 1 + len(value)
			}
			return size <= limit && visits <= a.host.opts.Paths
		})
		if err != nil || visits > a.host.opts.Paths {
			return "", invalid(usp.CodeResourcesExceeded, "",
				"the report would have more than Paths, "+number(a.host.opts.Paths)+" parameters")
		}
	}
	text, err := a.encoder(row).Encode(params, time.Now(), limit)
	if err != nil {
		return "", invalid(usp.CodeResourcesExceeded, "", "the report has more than MaxReport, "+number(limit)+" bytes")
	}
	return text, nil
}

// eachReported calls f for the parameters that a reference means and that a Controller may
// read, until f returns false. A reference to what is not there means nothing; the error is
// that one means more than Options.Paths.
func (a *Agent) eachReported(to usp.EndpointID, ref path.Path,
	f func(full, value string, t path.Type) bool,
) *usp.Error {
	all, failed := path.Resolve(ref, a.treeOf(to), a.host.opts.Paths)
	if err := uspError(failed); err != nil && err.Code == usp.CodeResourcesExceeded {
		return err
	}
	for _, found := range all {
		if ref.Kind() == path.Parameter {
			if v, ok := a.shownTo(to, found); ok {
				if p, ok := a.param(found); ok && !f(found, v, p.Type) {
					return nil
				}
			}
			continue
		}
		for _, o := range a.walk(found, 0) {
			if !a.may(to, trust.ReadObject, o.object) {
				continue
			}
			for i := range o.params {
				p := &o.params[i]
				if a.may(to, trust.ReadParam, p.Path) && !f(p.Path, p.Value, p.Type) {
					return nil
				}
			}
		}
	}
	return nil
}

// encoder returns the form of the reports of a Profile.
func (a *Agent) encoder(row string) bulk.Encoder {
	l := a.local
	if l.get(row+"EncodingType") == encodingCSV {
		at := row + "CSVEncoding."
		return bulk.CSV{
			FieldSeparator: l.get(at + "FieldSeparator"), RowSeparator: l.get(at + "RowSeparator"),
			EscapeCharacter: l.get(at + "EscapeCharacter"), Format: bulk.Format(l.get(at + "ReportFormat")),
			Timestamp: bulk.Timestamp(l.get(at + "RowTimestamp")),
		}
	}
	at := row + "JSONEncoding."
	return bulk.JSON{
		Format: bulk.Format(l.get(at + "ReportFormat")), Timestamp: bulk.Timestamp(l.get(at + "ReportTimestamp")),
	}
}
