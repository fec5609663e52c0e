// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	cwmptrace "github.com/uspgate/uspgate/cwmp/trace"
	"github.com/uspgate/uspgate/translate/agent"
)

// fakeTransfers is how a fakeCPE answers about transfers.
type fakeTransfers struct {
	done   bool // Status 0
	listed bool
	queued []cwmp.QueuedTransfer
}

// set reads status=0 and queued=KEY:STATE,…; without queued the CPE has no such method.
func (f *fakeTransfers) set(t *testing.T, w []string) {
	t.Helper()
	*f = fakeTransfers{}
	for _, s := range w {
		name, value, _ := strings.Cut(s, "=")
		if name == "status" {
			f.done = value == "0"
			continue
		}
		f.listed = true
		for one := range strings.SplitSeq(value, ",") {
			if key, state, ok := strings.Cut(one, ":"); ok {
				f.queued = append(f.queued, cwmp.QueuedTransfer{CommandKey: key, State: atoi(t, state)})
			}
		}
	}
}

func (f *fakeTransfers) do(req cwmp.Request) (cwmp.Response, error) {
	const unknown = "0001-01-01T00:00:00Z"
	status := 1
	if f.done {
		status = 0
	}
	switch req.(type) {
	case *cwmp.Download:
		return &cwmp.DownloadResponse{Status: status, StartTime: unknown, CompleteTime: unknown}, nil
	case *cwmp.Upload:
		return &cwmp.UploadResponse{Status: status, StartTime: unknown, CompleteTime: unknown}, nil
	case *cwmp.CancelTransfer:
		return &cwmp.CancelTransferResponse{}, nil
	case *cwmp.GetQueuedTransfers:
		if f.listed {
			return &cwmp.GetQueuedTransfersResponse{Transfers: f.queued}, nil
		}
	}
	return nil, &cwmp.Fault{Code: cwmp.FaultMethodNotSupported, Text: "Method not supported"}
}

// inBackground reports whether an RPC belongs to what the Agent does on its own.
func inBackground(m cwmp.Message) bool {
	switch m.(type) {
	case *cwmp.SetParameterAttributes, *cwmp.Download, *cwmp.Upload, *cwmp.GetAllQueuedTransfers, *cwmp.GetQueuedTransfers:
		return true
	default:
		return false
	}
}

// watches reports whether an RPC reads what the CPE was just told to report.
func (r *rig) watches(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.SetParameterAttributes:
		for _, p := range m.Params {
			r.watched = append(r.watched, p.Name)
		}
	case *cwmp.GetParameterValues:
		other := func(name string) bool {
			count := strings.TrimSuffix(name, ".") + "NumberOfEntries"
			return !slices.Contains(r.watched, name) && !slices.Contains(r.watched, count)
		}
		if !slices.ContainsFunc(m.Names, other) {
			r.watched = nil
			return true
		}
	}
	return false
}

// report is a session in which the CPE makes a request: METHOD, TransferComplete if
// there is none, with key=, fault=, start=, complete= and url=.
func (r *rig) report(w []string) {
	r.agent = r.attach(r.cpe)
	r.agent.Inform(r.cpe.inform(events(w[0])))
	r.commit()
	method := "TransferComplete"
	tc := &cwmp.TransferComplete{StartTime: "2000-01-01T00:00:10Z", CompleteTime: "2000-01-01T00:00:20Z"}
	url := ""
	for _, s := range w[1:] {
		name, value, some := strings.Cut(s, "=")
		switch name {
		case "key":
			tc.CommandKey = value
		case "fault":
			tc.Fault = cwmp.Fault{Code: r.number(value), Text: "failed"}
		case "start":
			tc.StartTime = value
		case "complete":
			tc.CompleteTime = value
		case "url":
			url = value
		default:
			if !some {
				method = name
			}
		}
	}
	req := requestOfCPE(method, tc, url)
	r.cpe.asks.Lock()
	resp := r.agent.Request(req)
	r.commit()
	r.mu.Lock()
	writeTo(&r.background, "cpe>", cwmptrace.Message(req))
	writeTo(&r.background, "cpe<", cwmptrace.Message(resp))
	r.mu.Unlock()
	r.cpe.asks.Unlock()
	r.agent.SessionEnded(nil)
}

func requestOfCPE(method string, tc *cwmp.TransferComplete, url string) cwmp.Request {
	switch method {
	case "TransferComplete":
		return tc
	case "AutonomousTransferComplete":
		return &cwmp.AutonomousTransferComplete{
			TransferURL: url, IsDownload: true, FileType: cwmp.FileConfig, Fault: tc.Fault, StartTime: tc.StartTime,
			CompleteTime: tc.CompleteTime,
		}
	case "DUStateChangeComplete":
		state := "Installed"
		if tc.Fault.Code != 0 {
			state = "Failed"
		}
		return &cwmp.DUStateChangeComplete{CommandKey: tc.CommandKey, Results: []cwmp.DUResult{{
			UUID: "u-1", DeploymentUnitRef: "Device.SoftwareModules.DeploymentUnit.1", Version: "2", CurrentState: state,
			Fault: tc.Fault, StartTime: tc.StartTime, CompleteTime: tc.CompleteTime,
		}}}
	case "RequestDownload":
		return &cwmp.RequestDownload{FileType: cwmp.FileFirmware}
	case "Kicked":
		return &cwmp.Kicked{Next: url}
	default:
		return &cwmp.Unknown{Name: method}
	}
}

func (r *rig) commit() {
	if err := r.agent.Commit(); err != nil {
		r.t.Errorf("got %v from Commit, want nil", err)
	}
}

// fakeFiles is a file server that has every file but missing.bin.
type fakeFiles struct {
	mu     sync.Mutex
	opened int
	open   []string
}

func (f *fakeFiles) Open(_ context.Context, file agent.File) (agent.Ticket, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file.Name == "missing.bin" || strings.HasSuffix(file.Source, "/missing.bin") {
		return agent.Ticket{}, fmt.Errorf("%w: there is no missing.bin", agent.ErrFile)
	}
	f.opened++
	t := agent.Ticket{Token: fmt.Sprintf("%032d", f.opened)}
	f.open = append(f.open, t.Token)
	t.URL = "http://files.example.net/" + t.Token + "/" + path.Base(file.Name+file.Source)
	if !file.Upload {
		t.Size = 1000
	}
	return t, nil
}

func (f *fakeFiles) Relays(url string) bool { return strings.HasPrefix(url, "https://") }

func (f *fakeFiles) Close(_ context.Context, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = slices.DeleteFunc(f.open, func(s string) bool { return s == token })
	return nil
}

func (f *fakeFiles) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.open)
}
