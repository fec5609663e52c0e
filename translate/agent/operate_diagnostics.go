// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// diagnosticCommands are the commands that CWMP has as objects with a DiagnosticsState:
// the arguments and the state Requested are written at once, and when the CPE is through
// the results are read [TR-181, TR-143].
//
// A diagnostic that the CPE has done and that failed is complete all the same: its Status
// says how it failed. Only what the CPE has not done is a command failure.
func diagnosticCommands() []*command {
	list := []*diagnostic{
		ipPing(), traceRoute(), downloadDiagnostics(), uploadDiagnostics(), udpEcho(), serverSelection(), nsLookup(),
		neighboringWiFi(), selfTest(), packetCapture(),
	}
	commands := make([]*command, len(list))
	for i, d := range list {
		commands[i] = d.command()
	}
	return append(commands, lineTestCommands()...)
}

// diagnostic is one of them.
type diagnostic struct {
	name   string // of the command, with ()
	object string // that has it
	// of is the CPE's object, below its root.
	of            needs
	in, out       []string
	required      []string
	status        []string          // the values of Status; the last one is for those of the CPE that are not among them
	renamed       map[string]string // results that a CPE has under another name, by that, with {i}
	defaultInputs map[string]string // what an argument is that is not given
}

const (
	diagnosticsState = "DiagnosticsState"
	requested        = "Requested"
	statusComplete   = "Complete"
	statusOther      = "Error_Other"
)

func (d *diagnostic) command() *command {
	c := &command{
		name: d.name, async: true, object: d.object, in: d.in, out: append([]string{"Status"}, d.out...),
		required: d.required, run: (*Agent).operateJob,
		job: &job{
			begin: d.begin, look: d.look, cancel: d.cancel, alone: true,
			wait: func(o *Options) time.Duration { return o.DiagnosticWait },
		},
	}
	if d.of.tr181 != "" {
		c.needs.tr181 = d.of.tr181 + diagnosticsState
	}
	if d.of.tr098 != "" {
		c.needs.tr098 = d.of.tr098 + diagnosticsState
	}
	return c
}

// onCPE is the CPE's object.
func (d *diagnostic) onCPE(r model.Root) string { return r.Prefix() + d.of.of(r) }

// begin writes the arguments. One that is not given is its default, where the CPE is
// known to have something else from the time before.
func (d *diagnostic) begin(a *Agent, w *work) (cwmp.Request, *usp.Error) {
	object := d.onCPE(a.view.Root())
	var vals []cwmp.ParameterValue
	for _, name := range d.in {
		value, given := w.args[name]
		have, known := a.view.CPEValue(object + name)
		def, resets := d.defaultInputs[name]
		if !given {
			if known && resets && !have.NoValue && !sameValue(have.Value, def) {
				vals = append(vals, cwmp.ParameterValue{Name: object + name, Value: def, Type: argType(name, have.Type)})
			}
			continue
		}
		if err := checkArg(name, value); err != nil {
			return nil, err
		}
		if !known {
			if value == "" || resets && sameValue(value, def) || name == "ProtocolVersion" && value != "IPv6" {
				continue // what the CPE does anyway
			}
			return nil, invalid(usp.CodeInvalidCommandArgs, "", "this CPE has no "+name)
		}
		if name == "Interface" {
			if value = a.onCPE(value); value == "" {
				return nil, invalid(usp.CodeInvalidCommandArgs, "", "Interface is none that the CPE knows")
			}
		}
		vals = append(vals, cwmp.ParameterValue{Name: object + name, Value: value, Type: argType(name, have.Type)})
	}
	return &cwmp.SetParameterValues{
		Params: append(vals, cwmp.ParameterValue{
			Name: object + diagnosticsState, Value: requested, Type: cwmp.TypeString,
		}),
		ParameterKey: parameterKey,
	}, nil
}

func sameValue(x, y string) bool {
	boolean := map[string]string{"0": "false", "1": "true"}
	return x == y || boolean[x] == y && y != "" || x == "0" && y == ""
}

// argType is the type of an argument: as the CPE has it, or as the standard says.
func argType(name string, have cwmp.Type) cwmp.Type {
	switch {
	case have != cwmp.TypeUnknown:
		return have
	case isNumber(name):
		return cwmp.TypeUnsignedInt
	case isBoolean(name):
		return cwmp.TypeBoolean
	default:
		return cwmp.TypeString
	}
}

func isNumber(name string) bool {
	switch name {
	case "NumberOfRepetitions", "Timeout", "DataBlockSize", "DSCP", "NumberOfTries", "MaxHopCount", "EthernetPriority",
		"TimeBasedTestDuration", "TimeBasedTestMeasurementInterval", "TimeBasedTestMeasurementOffset",
		"NumberOfConnections", "Port", "InterTransmissionTime", "Duration", "PacketCount", "ByteCount",
		"TestFileLength":
		return true
	default:
		return false
	}
}

func isBoolean(name string) bool { return strings.HasPrefix(name, "Enable") }

func checkArg(name, value string) *usp.Error {
	if isNumber(name) {
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			return invalid(usp.CodeInvalidCommandArgs, "", name+" is no unsigned number")
		}
	}
	if isBoolean(name) && !slices.Contains([]string{"true", "false", "1", "0"}, value) {
		return invalid(usp.CodeInvalidCommandArgs, "", name+" is no boolean")
	}
	if !model.IsText(value) {
		return invalid(usp.CodeInvalidCommandArgs, "", name+" "+model.NotText)
	}
	return nil
}

// onCPE returns what a reference to an object is on the CPE; "" if it is nothing there.
func (a *Agent) onCPE(ref string) string {
	if ref == "" || a.view.Root() == model.TR181 || strings.HasPrefix(ref, a.view.Root().Prefix()) {
		return ref
	}
	return a.sourceOf(strings.TrimSuffix(ref, ".")+".", "Enable")
}

// sourceOf returns the CPE's object that a parameter of an object comes from, "" if it is
// none or several.
func (a *Agent) sourceOf(object, leaf string) string {
	if _, ok := a.view.Param(object + leaf); !ok {
		return ""
	}
	names := a.view.Sources(object + leaf)
	if len(names) != 1 {
		return ""
	}
	source, _ := splitParam(names[0])
	return source
}

func (d *diagnostic) cancel(a *Agent, _ *work) cwmp.Request {
	return &cwmp.SetParameterValues{
		Params: []cwmp.ParameterValue{{
			Name: d.onCPE(a.view.Root()) + diagnosticsState, Value: "Canceled", Type: cwmp.TypeString,
		}},
		ParameterKey: parameterKey,
	}
}

// look reads the state and the results. Where the CPE has announced the end of its only
// diagnostic it is over, although the state stays Requested [quirk 74].
//
// While it is in doubt whether the CPE was told, a result may be of the time before.
func (d *diagnostic) look(ctx context.Context, a *Agent, dev Device, w *work, l *look) outcome {
	a.lock()
	object := d.onCPE(a.view.Root())
	gone := d.of.of(a.view.Root()) == ""
	a.unlock()
	if gone {
		return outcome{err: invalid(usp.CodeCommandFailure, "", "the CPE has another data model now")}
	}
	got, err := a.objectValues(ctx, dev.Call, object)
	if err != nil {
		return outcome{wait: true} // away, or busy
	}
	a.lock()
	defer a.unlock()
	output := d.results(object, got, a.host.opts.MaxResponse)
	state := ""
	for i := range got {
		if got[i].Name == object+diagnosticsState {
			state = strings.TrimSpace(got[i].Value)
		}
	}
	switch {
	case strings.EqualFold(state, requested):
		w.doubt = false
		if !l.sole {
			return outcome{wait: true}
		}
		state = statusComplete
	case state == "" || strings.EqualFold(state, "None"):
		return outcome{err: invalid(usp.CodeCommandFailure, "", "the CPE has not completed it: its state is None")}
	case w.doubt && !l.told:
		return outcome{wait: true}
	}
	output["Status"] = d.statusOf(state)
	if slices.ContainsFunc(d.out, func(name string) bool {
		_, has := output[name]
		return !has && !strings.Contains(name, "{i}")
	}) {
		a.host.metrics.deviate(deviationMissingResult)
	}
	return outcome{output: output}
}

// statusOf is the Status of a DiagnosticsState: Completed is Complete [quirk 74].
func (d *diagnostic) statusOf(state string) string {
	if strings.EqualFold(state, statusComplete) || strings.EqualFold(state, "Completed") {
		return statusComplete
	}
	if slices.Contains(d.status, state) {
		return state
	}
	return d.status[len(d.status)-1]
}

// plainNumber is a value, without what CPE put before the digits where it is a number
// [quirk 62].
func plainNumber(p *cwmp.ParameterValue) string {
	switch p.Type {
	case cwmp.TypeInt, cwmp.TypeLong, cwmp.TypeUnsignedInt, cwmp.TypeUnsignedLong:
		if n, err := strconv.ParseInt(p.Value, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	default:
	}
	return p.Value
}

// maxResults bounds the results of a diagnostic; what is beyond is left out, as is what
// makes them longer than an answer may be.
const maxResults = 10_000

// results makes the output arguments.
//
// Deviation missing_result: a result that the CPE's object does not have is not among the output
// arguments, though GetSupportedDM has its name: IPPing of TR-098 knows neither
// IPAddressUsed nor times in microseconds.
//
// Rows are numbered from 1, whatever the numbers that
// the CPE gives them.
func (d *diagnostic) results(object string, vals []cwmp.ParameterValue, limit int) map[string]string {
	output := make(map[string]string)
	rows := make(map[string]int) // by table and number
	last := make(map[string]int) // by table
	size := 0
	for i := range vals {
		rel, ok := strings.CutPrefix(vals[i].Name, object)
		if !ok {
			continue
		}
		generic := path.Generic(rel)
		if to := d.renamed[generic]; to != "" {
			generic = to
		}
		if !slices.Contains(d.out, generic) {
			continue
		}
		if table, leaf, ok := strings.Cut(generic, "{i}"); ok {
			number, _, _ := strings.Cut(rel[min(len(table), len(rel)):], ".")
			row := table + number
			if rows[row] == 0 {
				last[table]++
				rows[row] = last[table]
			}
			generic = table + strconv.Itoa(rows[row]) + leaf
		}
		if size += overEntry + len(generic) + len(vals[i].Value); size > limit || len(output) >= maxResults {
			break
		}
		output[generic] = strings.Clone(plainNumber(&vals[i]))
	}
	return output
}
