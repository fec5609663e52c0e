// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"fmt"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// UnknownTime is the dateTime of what is not known [TR-069 3.2].
const UnknownTime = "0001-01-01T00:00:00Z"

// How says by what the end of a Job is known.
type How uint8

const (
	// ByReport is a TransferComplete.
	ByReport How = iota + 1
	// ByAnswer is the response to the RPC, or a Fault.
	ByAnswer
	// ByVersion is that the CPE has another SoftwareVersion [quirk 68].
	ByVersion
	// ByFile is that our file server has moved the whole file [quirk 68].
	ByFile
	// ByTime is that the time is over, and nothing speaks for success.
	ByTime
)

// String names h.
func (h How) String() string {
	switch h {
	case ByReport:
		return "TransferComplete"
	case ByAnswer:
		return "response"
	case ByVersion:
		return "SoftwareVersion"
	case ByFile:
		return "file server"
	case ByTime:
		return "timeout"
	default:
		return "unknown"
	}
}

// Result is what has become of a Job: neither Done nor Again means that it goes on
// as it was.
type Result struct {
	// Job as it is now, or as it was at its end.
	Job Job
	// Done: the Job is not in the Table any more. A Fault with Code 0 is success.
	// Start and Complete are dateTimes, UnknownTime where they are not known.
	Done            bool
	How             How
	Fault           cwmp.Fault
	Start, Complete string
	// Again: it is to be sent once more.
	Again bool
}

// Answered takes the response to the RPC of a Job, or the Fault. A CPE that says that
// it is done at once (Status 0) is believed.
func (t *Table) Answered(name, key string, resp cwmp.Response, now time.Time) Result {
	j := t.Get(name)
	if j == nil || j.Key != key || j.State != OnWire { // reported before it was answered
		return Result{}
	}
	status, start, complete := 1, "", ""
	switch r := resp.(type) {
	case *cwmp.DownloadResponse:
		status, start, complete = r.Status, r.StartTime, r.CompleteTime
	case *cwmp.UploadResponse:
		status, start, complete = r.Status, r.StartTime, r.CompleteTime
	case *cwmp.Fault:
		return t.refused(j, r, now)
	}
	if status == 0 {
		return t.end(j, ByAnswer, cwmp.Fault{}, DateTime(start), DateTime(complete))
	}
	j.State, j.Deadline = Accepted, t.wait(j, now)
	return Result{Job: *j}
}

// refused takes the Fault that answers the RPC.
func (t *Table) refused(j *Job, f *cwmp.Fault, now time.Time) Result {
	if j.mayRetry(f.Code) {
		return t.again(j, now)
	}
	switch f.Code {
	case cwmp.FaultRequestDenied, cwmp.FaultInternalError, cwmp.FaultInvalidArguments:
		if j.vary() {
			return t.again(j, now)
		}
	}
	return t.end(j, ByAnswer, *f, UnknownTime, UnknownTime)
}

// vary puts a Job that the CPE has refused into other words, as long as there are some:
// with a TargetFileName, which some want [quirk 71], with the next FileType.
func (j *Job) vary() bool {
	switch {
	case j.Attempt >= maxAttempts:
		return false
	case !j.Upload && j.Target == "":
		j.Target = nameOf(j.URL)
	case len(j.Types) > 1:
		j.Types = j.Types[1:]
	default:
		return false
	}
	return true
}

// mayRetry says, once, that a transfer that has failed is to be tried once more: a
// Download, as CPE that say 9010 at first often succeed then [quirk 72]; and whatever our
// own file server may have failed in, as when the gateway was restarted meanwhile.
func (j *Job) mayRetry(code int) bool {
	late := false
	switch code {
	case cwmp.FaultDownloadFailure:
		late = !j.Upload
	case cwmp.FaultContactFileServer, cwmp.FaultAccessFile, cwmp.FaultCompleteDownload, cwmp.FaultUploadFailure:
		late = j.Token != ""
	}
	if !late || j.Retried || j.Attempt >= maxAttempts {
		return false
	}
	j.Retried = true
	return true
}

// Unanswered notes that the session broke while the RPC of a Job was on the wire.
func (t *Table) Unanswered(name, key string) {
	if j := t.Get(name); j != nil && j.Key == key && j.State == OnWire {
		j.Lost = true
	}
}

// Listed takes the answer to GetAllQueuedTransfers or GetQueuedTransfers. A Job
// whose RPC was lost and that the CPE does not have is sent again.
func (t *Table) Listed(list []cwmp.QueuedTransfer, now time.Time) (results []Result) {
	have := make(map[string]int, len(list))
	for i := range list {
		have[list[i].CommandKey] = list[i].State
	}
	for _, j := range t.outstanding() {
		state, ok := have[j.Key]
		switch {
		case !j.Lost:
		case ok:
			j.Lost, j.State = false, Accepted
			if state == cwmp.TransferInProgress {
				j.State = Fetching
			}
		case j.State == OnWire && j.Attempt < maxAttempts:
			results = append(results, t.again(j, now))
		default: // it has been seen at work since
			j.Lost = false
		}
	}
	return results
}

// Fetch takes what our file server saw of a Job; whole: every byte has been moved.
func (t *Table) Fetch(token string, whole bool, now time.Time) bool {
	j := t.Find(token)
	if j == nil || !j.Out() {
		return false
	}
	j.State, j.Whole = Fetching, j.Whole || whole
	j.Deadline = t.wait(j, now)
	return true
}

// Seen takes the SoftwareVersion of the CPE, at the end of a session. A CPE that has
// another one than before a Download of firmware, and has not reported that yet,
// has Limits.Grace left to do so. unreliable: it never reports any, and the Download
// is over [quirk 68].
func (t *Table) Seen(version string, unreliable bool, now time.Time) (results []Result) {
	grace := now.Add(t.limits.Grace).Unix()
	for _, j := range t.outstanding() {
		switch {
		case !j.upgraded(version):
		case unreliable:
			results = append(results, t.end(j, ByVersion, cwmp.Fault{}, UnknownTime, UnknownTime))
		default:
			j.Deadline = min(j.Deadline, grace)
		}
	}
	return results
}

// upgraded reports whether the CPE runs other firmware than before the Job.
func (j *Job) upgraded(version string) bool {
	return j.Firmware && j.Out() && j.Version != "" && version != "" && version != j.Version
}

// Conclude ends a Job that has Expired, with the SoftwareVersion that the CPE has by
// now, empty if that is not known: it is a success where that has changed, or where
// our file server has moved the whole of a file that is no firmware [quirk 68].
func (t *Table) Conclude(name, version string) Result {
	j := t.Get(name)
	switch {
	case j == nil:
		return Result{}
	case j.upgraded(version):
		return t.end(j, ByVersion, cwmp.Fault{}, UnknownTime, UnknownTime)
	case j.Whole && !j.Firmware:
		return t.end(j, ByFile, cwmp.Fault{}, UnknownTime, UnknownTime)
	}
	f := cwmp.Fault{Code: cwmp.FaultDownloadFailure}
	if j.Upload {
		f.Code = cwmp.FaultUploadFailure
	}
	f.Text = fmt.Sprintf("no TransferComplete has come (%s)", j.State)
	if !j.Out() {
		f.Text = "the CPE has not come, nothing was sent"
	}
	return t.end(j, ByTime, f, UnknownTime, UnknownTime)
}

// DateTime is a dateTime of a CPE, or UnknownTime where it is none.
func DateTime(s string) string {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, s); err == nil && at.Year() > 1 {
			return strings.Clone(s)
		}
	}
	return UnknownTime
}
