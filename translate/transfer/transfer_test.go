// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is when everything here happens.
var now = time.Unix(1_790_000_000, 0)

// download makes the Job of row n; key is its CommandKey.
func download(n uint32) transfer.Job {
	return transfer.Job{
		Name: "row" + string(rune('0'+n)), Key: transfer.NewKey(n, now), Types: []string{cwmp.FileFirmware},
		URL: "http://files.example.net/fw.bin", Firmware: true, Version: "1",
	}
}

func upload(n uint32) transfer.Job {
	j := download(n)
	j.Upload, j.Firmware, j.Types = true, false, []string{cwmp.FileUploadConfig}
	return j
}

// table has the Jobs, all of them with the CPE.
func table(t *testing.T, jobs ...transfer.Job) *transfer.Table {
	t.Helper()
	tab, _ := transfer.New(transfer.Limits{}, nil)
	for _, j := range jobs {
		add(t, tab, j)
		if !tab.Leave(j.Name, j.Key, now) {
			t.Fatalf("%s may not leave", j.Name)
		}
		tab.Answered(j.Name, j.Key, &cwmp.DownloadResponse{Status: 1}, now)
	}
	return tab
}

func add(t *testing.T, tab *transfer.Table, j transfer.Job) {
	t.Helper()
	if err := tab.Add(j, now); err != nil {
		t.Fatal(err)
	}
}

func complete(key string, code int) *cwmp.TransferComplete {
	return &cwmp.TransferComplete{CommandKey: key, Fault: cwmp.Fault{Code: code}, CompleteTime: "2026-01-02T03:04:05Z"}
}

func event(code, key string) []cwmp.Event {
	return []cwmp.Event{{Code: cwmp.EventTransferComplete}, {Code: code, CommandKey: key}}
}

// A TransferComplete without CommandKey, or with a wrong one, is of whom else it can be.
func TestQuirk69CommandKey(t *testing.T) {
	t.Parallel()
	one, two, up := download(1), download(2), upload(3)
	for name, tc := range map[string]struct {
		jobs   []transfer.Job
		key    string
		events []cwmp.Event
		want   string // name of the Job
	}{
		"key":                     {[]transfer.Job{one, two}, two.Key, nil, two.Name},
		"key in upper case":       {[]transfer.Job{one, two}, " " + strings.ToUpper(two.Key), nil, two.Name},
		"key against the event":   {[]transfer.Job{one, two}, two.Key, event(cwmp.EventMDownload, one.Key), two.Name},
		"empty, the only one":     {[]transfer.Job{one}, "", event(cwmp.EventMDownload, ""), one.Name},
		"wrong, the only one":     {[]transfer.Job{one}, "12345", event(cwmp.EventMDownload, "12345"), one.Name},
		"empty, key of the event": {[]transfer.Job{one, two}, "", event(cwmp.EventMDownload, two.Key), two.Name},
		"wrong, key of the event": {[]transfer.Job{one, two}, "0", event(cwmp.EventMDownload, one.Key), one.Name},
		"empty, an upload":        {[]transfer.Job{one, up}, "", event(cwmp.EventMUpload, ""), up.Name},
		"empty, a download":       {[]transfer.Job{one, up}, "", event(cwmp.EventMDownload, ""), one.Name},
		"empty, two":              {[]transfer.Job{one, two}, "", event(cwmp.EventMDownload, ""), ""},
		"events of both": {
			[]transfer.Job{one, two},
			"",
			append(event(cwmp.EventMDownload, one.Key), cwmp.Event{Code: cwmp.EventMDownload, CommandKey: two.Key}), "",
		},
		"of one that is over": {[]transfer.Job{one}, transfer.NewKey(9, now), event(cwmp.EventMDownload, ""), ""},
		"of nobody":           {nil, "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := table(t, tc.jobs...)
			r, ok := tab.Complete(complete(tc.key, 0), tc.events, now)
			if ok != (tc.want != "") || r.Job.Name != tc.want || ok != r.Done {
				t.Fatalf("got %q, %v, want %q", r.Job.Name, ok, tc.want)
			}
			if ok && (tab.Get(tc.want) != nil || r.Complete != "2026-01-02T03:04:05Z" || r.Start != transfer.UnknownTime) {
				t.Errorf("got %+v, want it over, with the time that the CPE gave", r)
			}
		})
	}
}

// A Download that fails with 9010 is asked for once more, with another key, whether the
// response or the TransferComplete says so.
func TestQuirk72OneMoreTry(t *testing.T) {
	t.Parallel()
	j := download(1)
	tab := table(t, j)
	r, ok := tab.Complete(complete(j.Key, cwmp.FaultDownloadFailure), nil, now)
	if !ok || !r.Again || r.Job.Key == j.Key || !transfer.IsOurs(r.Job.Key) || r.Job.State != transfer.Asked {
		t.Fatalf("got %+v, %v, want it asked for again with another key", r, ok)
	}
	if _, ok := tab.Complete(complete(j.Key, cwmp.FaultDownloadFailure), nil, now); ok {
		t.Error("what is said of the first attempt once more is taken for one of the second")
	}
	tab.Leave(j.Name, r.Job.Key, now)
	end := tab.Answered(j.Name, r.Job.Key, &cwmp.Fault{Code: cwmp.FaultDownloadFailure}, now)
	if !end.Done || end.Fault.Code != cwmp.FaultDownloadFailure || end.How != transfer.ByAnswer {
		t.Errorf("got %+v, want the second failure to be the end", end)
	}
	up := upload(2)
	tab = table(t, up)
	if r, _ := tab.Complete(complete(up.Key, cwmp.FaultDownloadFailure), nil, now); !r.Done {
		t.Errorf("got %+v, want an Upload not to be repeated", r)
	}
}

// Without a TransferComplete the version tells, or the file server.
func TestQuirk68NoTransferComplete(t *testing.T) {
	t.Parallel()
	j, up := download(1), upload(2)
	up.Token = "t"
	tab := table(t, j, up)
	if got := tab.Seen("1", false, now); len(got) != 0 || tab.Expired(now.Add(30*time.Minute)) != nil {
		t.Fatalf("got %+v, want no end while the version is the same", got)
	}
	if got := tab.Seen("2", false, now); len(got) != 0 || tab.Expired(now.Add(6*time.Minute)) == nil {
		t.Fatalf("got %+v, want the report awaited for five minutes", got)
	}
	if r := tab.Conclude(j.Name, "2"); !r.Done || r.How != transfer.ByVersion || r.Fault.Code != 0 {
		t.Errorf("got %+v, want success by the version", r)
	}
	later := now.Add(50 * time.Minute)
	if !tab.Fetch("t", true, later) || tab.Expired(now.Add(70*time.Minute)) != nil {
		t.Fatal("a transfer at work is given up")
	}
	if r := tab.Conclude(up.Name, ""); r.How != transfer.ByFile || r.Fault.Code != 0 {
		t.Errorf("got %+v, want success by the file server", r)
	}
	tab = table(t, j)
	if r := tab.Conclude(j.Name, "1"); r.How != transfer.ByTime || r.Fault.Code != cwmp.FaultDownloadFailure {
		t.Errorf("got %+v, want a failure by time", r)
	}
	tab = table(t, j)
	if got := tab.Seen("2", true, now); len(got) != 1 || got[0].How != transfer.ByVersion {
		t.Errorf("got %+v, want the end at once of a CPE that never reports", got)
	}
}

// What a CPE wants of a Download.
func TestQuirk71Form(t *testing.T) {
	t.Parallel()
	const plain = "http://files.example.net/fw.bin"
	for _, tc := range []struct {
		form transfer.Form
		url  string
		good bool
	}{
		{transfer.Form{}, plain, true},
		{transfer.Form{}, "https://files.example.net:8443/fw.bin", true},
		{transfer.Form{}, "http://u:p@files.example.net/fw.bin", false},
		{transfer.Form{}, "file:///etc/passwd", false},
		{transfer.Form{}, "fw.bin", false},
		{transfer.Form{}, "http://files.example.net/" + strings.Repeat("a", 256), false},
		{transfer.Form{NoPort: true}, "http://files.example.net:80/fw.bin", false},
		{transfer.Form{NoPort: true}, plain, true},
		{transfer.Form{NoTLS: true}, "https://files.example.net/fw.bin", false},
		{transfer.Form{Extension: ".bin"}, "http://files.example.net/fw.BIN?x=1", true},
		{transfer.Form{Extension: ".bin"}, "http://files.example.net/fw.img", false},
		{transfer.Form{MaxURL: 20}, plain, false},
	} {
		if err := tc.form.Check(tc.url); (err == nil) != tc.good {
			t.Errorf("%+v of %q: got %v, want it taken: %v", tc.form, tc.url, err, tc.good)
		}
	}
	j := download(1)
	if err := (transfer.Form{NeedTarget: true}).Complete(&j); err != nil || j.Target != "fw.bin" {
		t.Errorf("got %q, %v, want the TargetFileName from the URL", j.Target, err)
	}
	tab := table(t)
	add(t, tab, download(2))
	tab.Leave("row2", download(2).Key, now)
	r := tab.Answered("row2", download(2).Key, &cwmp.Fault{Code: cwmp.FaultInvalidArguments}, now)
	if !r.Again || r.Job.Target != "fw.bin" {
		t.Errorf("got %+v where a CPE refuses a Download without TargetFileName, want one with it", r)
	}
	if err := (transfer.Form{NeedSize: true}).Complete(&j); !errors.Is(err, transfer.ErrInvalid) {
		t.Errorf("got %v without FileSize, want ErrInvalid", err)
	}
}

// A Job whose RPC was lost is sent again once the CPE says that it does not have it.
func TestLostRPC(t *testing.T) {
	t.Parallel()
	taken, lost := download(1), download(2)
	tab, _ := transfer.New(transfer.Limits{}, nil)
	for _, j := range []transfer.Job{taken, lost} {
		add(t, tab, j)
		tab.Leave(j.Name, j.Key, now)
	}
	tab.Unanswered(taken.Name, taken.Key) // the session broke
	tab, _ = transfer.New(transfer.Limits{}, tab.Stored())
	if !tab.Lost() || tab.Next(now) != nil { // of the other one the process has gone
		t.Fatal("what may have left is sent again before the CPE was asked")
	}
	got := tab.Listed([]cwmp.QueuedTransfer{{CommandKey: taken.Key, State: cwmp.TransferInProgress}}, now)
	if len(got) != 1 || !got[0].Again || got[0].Job.Name != lost.Name || tab.Next(now).Name != lost.Name {
		t.Fatalf("got %+v, want the one sent again that the CPE does not have", got)
	}
	if s := tab.Get(taken.Name).State; s != transfer.Fetching || tab.Lost() {
		t.Errorf("got %s, want fetching", s)
	}
}

// Nothing leaves before its request is answered, nor what was canceled, and what is not
// sent waits.
func TestLeave(t *testing.T) {
	t.Parallel()
	j := download(1)
	j.By, j.Held = "request", true
	tab, _ := transfer.New(transfer.Limits{}, nil)
	add(t, tab, j)
	if tab.Next(now) != nil || tab.Release("another") || !tab.Release("request") || tab.Next(now) == nil {
		t.Fatal("a Job leaves before its request is answered, or not after it")
	}
	if !tab.Leave(j.Name, j.Key, now) {
		t.Fatal("a Job may not leave")
	}
	tab.Unsent(j.Name, j.Key, now)
	if tab.Next(now) != nil || tab.Due(now) != now.Add(time.Minute) || tab.Next(now.Add(time.Minute)) == nil ||
		tab.Expired(now.Add(23*time.Hour)) != nil || tab.Expired(now.Add(24*time.Hour)) == nil {
		t.Fatal("what was not sent is not tried again for a day")
	}
	for range 20 {
		tab.Unsent(j.Name, j.Key, now)
	}
	if tab.Due(now) != now.Add(30*time.Minute) {
		t.Fatalf("got %v to the next try, want half an hour at most", tab.Due(now).Sub(now))
	}
	if tab.Ready(); tab.Next(now) == nil {
		t.Fatal("a Job waits although its CPE is there")
	}
	tab.Drop(j.Name)
	if tab.Leave(j.Name, j.Key, now) || tab.Len() != 0 || !tab.Due(now).IsZero() {
		t.Fatal("a canceled Job leaves")
	}
}

func TestFileTypesInOrder(t *testing.T) {
	t.Parallel()
	j := upload(1)
	j.Types = []string{cwmp.FileUploadConfigInstance + " 1", cwmp.FileUploadConfig}
	tab, _ := transfer.New(transfer.Limits{}, nil)
	add(t, tab, j)
	tab.Leave(j.Name, j.Key, now)
	r := tab.Answered(j.Name, j.Key, &cwmp.Fault{Code: cwmp.FaultInvalidArguments}, now)
	up, ok := r.Job.Request().(*cwmp.Upload)
	if !r.Again || !ok || up.FileType != cwmp.FileUploadConfig || up.CommandKey == j.Key {
		t.Fatalf("got %+v, want the next FileType with another key", r.Job)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	tab, _ := transfer.New(transfer.Limits{Jobs: 2}, nil)
	add(t, tab, download(1))
	add(t, tab, download(2))
	if err := tab.Add(download(3), now); !errors.Is(err, transfer.ErrFull) {
		t.Errorf("got %v above the bound, want ErrFull", err)
	}
	bad := download(4)
	bad.URL = "http://" + strings.Repeat("a", transfer.MaxURL)
	if err := tab.Add(bad, now); !errors.Is(err, transfer.ErrInvalid) {
		t.Errorf("got %v for a URL that no Download holds, want ErrInvalid", err)
	}
	again, dropped := transfer.New(transfer.Limits{Jobs: 1}, append(tab.Stored(), bad))
	if again.Len() != 1 || dropped != 2 {
		t.Errorf("got %d Jobs and %d dropped, want 1 and 2", again.Len(), dropped)
	}
	if key := transfer.NewKey(1<<32-1, time.Unix(1<<60, 0)); len(key+".6") > 32 {
		t.Errorf("got the key %s, longer than a CommandKey", key)
	}
}

// FuzzStored reads what may be stored: it never panics, and what is taken is stored as
// it was.
func FuzzStored(f *testing.F) {
	one, _ := json.Marshal([]transfer.Job{download(1), upload(2)})
	f.Add(one)
	f.Add([]byte(`[{"name":"a","key":"uspgate-1","state":9}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var jobs []transfer.Job
		if json.Unmarshal(raw, &jobs) != nil {
			return
		}
		tab, dropped := transfer.New(transfer.Limits{}, jobs)
		if tab.Len()+dropped != len(jobs) {
			t.Fatalf("got %d and %d dropped of %d", tab.Len(), dropped, len(jobs))
		}
		again, dropped := transfer.New(transfer.Limits{}, tab.Stored())
		if dropped != 0 || !reflect.DeepEqual(again.Stored(), tab.Stored()) {
			t.Fatalf("got %+v, want %+v", again.Stored(), tab.Stored())
		}
		for _, j := range tab.Stored() {
			switch r := j.Request().(type) {
			case *cwmp.Download:
				if len(r.CommandKey) > 32 || len(r.URL) > 256 {
					t.Fatalf("got %+v, which no RPC holds", r)
				}
			case *cwmp.Upload:
				if len(r.CommandKey) > 32 || len(r.URL) > 256 {
					t.Fatalf("got %+v, which no RPC holds", r)
				}
			}
			tab.Complete(complete(j.Key, 9010), nil, now)
			tab.Listed(nil, now)
			tab.Conclude(j.Name, "x")
		}
	})
}
