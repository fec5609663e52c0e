// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"errors"
	"fmt"

	"github.com/uspgate/uspgate/cwmp"
)

// State is how far a Job has come. Its numbers are stored.
type State uint8

// The states of a Job. There is none for its end: then it is not in the Table any
// more.
const (
	// Asked: nothing has left for the CPE.
	Asked State = iota + 1
	// OnWire: the RPC has left, or is just leaving.
	OnWire
	// Accepted: the CPE will do it, and report (Status 1).
	Accepted
	// Fetching: the CPE has begun to move the file, as far as we see it.
	Fetching
)

// String names s.
func (s State) String() string {
	switch s {
	case Asked:
		return "asked"
	case OnWire:
		return "on the wire"
	case Accepted:
		return "accepted"
	case Fetching:
		return "fetching"
	default:
		return "unknown"
	}
}

// Job is one transfer. It is plain data, fit for JSON; times are seconds of Unix
// time, 0 is never.
type Job struct {
	// Name is what its owner calls it: unique in the Table, and at most MaxText bytes.
	Name string `json:"name"`
	// Key is the CommandKey of the attempt that is under way.
	Key   string `json:"key"`
	State State  `json:"state"`
	// Upload: the CPE sends the file.
	Upload bool `json:"upload,omitempty"`
	// Types are the FileTypes to try, in order, until the CPE takes one.
	Types    []string `json:"types"`
	URL      string   `json:"url"`
	Username string   `json:"username,omitempty"`
	Password string   `json:"password,omitempty"`
	// Size is the FileSize in bytes, 0 is unknown. Target is the TargetFileName.
	Size   uint32 `json:"size,omitempty"`
	Target string `json:"target,omitempty"`
	// Source is what the owner calls the file, where that is not the URL. Relay: the
	// gateway has to fetch it from there before anything leaves, and has neither a
	// URL for the CPE nor a Token until then. SumAlgorithm and Sum are its checksum.
	Source       string `json:"source,omitempty"`
	Relay        bool   `json:"relay,omitempty"`
	SumAlgorithm string `json:"sum_algorithm,omitempty"`
	Sum          string `json:"sum,omitempty"`
	// Token is that of the file server, where the URL is ours.
	Token string `json:"token,omitempty"`
	// Firmware: what was downloaded shows in the SoftwareVersion. Version is that
	// of before.
	Firmware bool   `json:"firmware,omitempty"`
	Version  string `json:"version,omitempty"`
	// By names the request that has asked. Held: it is not answered yet, and nothing
	// leaves before.
	By   string `json:"by,omitempty"`
	Held bool   `json:"held,omitempty"`
	// Wait is Limits.Wait for this Job, in seconds; 0: that of the Table.
	Wait int64 `json:"wait,omitempty"`

	// Attempt counts the RPCs of the Job, from 1 on.
	Attempt int `json:"attempt"`
	// Retried: the one repetition of a failure has been used [quirk 72].
	Retried bool `json:"retried,omitempty"`
	// Lost: the RPC has left and its response has not come.
	Lost bool `json:"lost,omitempty"`
	// Whole: our file server has moved the whole file.
	Whole bool `json:"whole,omitempty"`
	// Tries counts what could not be done of a Job that has not left, as its CPE was not
	// there; Try is when it is tried again.
	Tries int   `json:"tries,omitempty"`
	Try   int64 `json:"try,omitempty"`
	// Deadline is when nothing more is expected.
	Deadline int64 `json:"deadline"`
}

// Bounds of a Job in bytes, and of its attempts. MaxURL is what Download.URL holds
// [TR-069 A.3.2.8].
const (
	MaxURL      = 256
	MaxText     = 256
	MaxSource   = 2048
	maxTypes    = 4
	maxAttempts = 6
)

// ErrInvalid is the error of a Job that no CPE could be asked for.
var ErrInvalid = errors.New("transfer: not a job")

// check says whether a Job is one: a new one, or one that was stored.
func (j *Job) check() error {
	for _, text := range []string{
		j.Name, j.Username, j.Password, j.Target, j.Token, j.Version, j.By, j.Sum, j.SumAlgorithm,
	} {
		if len(text) > MaxText {
			return fmt.Errorf("%w: a text of %d bytes", ErrInvalid, len(text))
		}
	}
	switch {
	case len(j.Source) > MaxSource || j.Relay && (j.Source == "" || j.Upload || j.State != Asked):
		return fmt.Errorf("%w: not a file that the gateway could fetch", ErrInvalid)
	case j.Name == "" || j.URL == "" && !j.Relay || len(j.Types) == 0 || len(j.Types) > maxTypes:
		return fmt.Errorf("%w: it lacks a name, a URL or a type", ErrInvalid)
	case len(j.URL) > MaxURL:
		return fmt.Errorf("%w: a URL of %d bytes, the limit is %d", ErrInvalid, len(j.URL), MaxURL)
	case len(j.Key) > maxKey || !IsOurs(j.Key):
		return fmt.Errorf("%w: its key is none of ours", ErrInvalid)
	case j.State < Asked || j.State > Fetching || j.Attempt < 1 || j.Attempt > maxAttempts:
		return fmt.Errorf("%w: state %d, attempt %d", ErrInvalid, j.State, j.Attempt)
	}
	for _, typ := range j.Types {
		if len(typ) == 0 || len(typ) > 64 {
			return fmt.Errorf("%w: a FileType of %d bytes", ErrInvalid, len(typ))
		}
	}
	return nil
}

// Request is the RPC of the attempt that is next or under way.
func (j *Job) Request() cwmp.Request {
	if j.Upload {
		return &cwmp.Upload{
			CommandKey: j.Key, FileType: j.Types[0], URL: j.URL, Username: j.Username, Password: j.Password,
		}
	}
	return &cwmp.Download{
		CommandKey: j.Key, FileType: j.Types[0], URL: j.URL, Username: j.Username, Password: j.Password,
		FileSize: j.Size, TargetFileName: j.Target,
	}
}

// Out reports whether the CPE may have the Job: its RPC has left.
func (j *Job) Out() bool { return j.State > Asked }
