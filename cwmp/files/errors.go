// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import "errors"

// Why a transfer failed or a job is closed: Event.Err is or wraps one of them.
var (
	// ErrInterrupted: the CPE broke off.
	ErrInterrupted = errors.New("files: the CPE broke off")
	// ErrStalled: the CPE was slower than Options.MinRate, or stuck.
	ErrStalled = errors.New("files: the CPE is too slow")
	// ErrTooLarge: an upload exceeds Intake.MaxBytes.
	ErrTooLarge = errors.New("files: upload too large")
	// ErrNoRoom: the uploads exceed Options.MaxUploadTotal.
	ErrNoRoom = errors.New("files: no room for uploads")
	// ErrMalformed: the body of an upload is not what its header says.
	ErrMalformed = errors.New("files: malformed upload")
	// ErrReplaced: the CPE began the upload again.
	ErrReplaced = errors.New("files: replaced by a newer upload")
	// ErrCredentials: the CPE used a wrong user or password.
	ErrCredentials = errors.New("files: bad credentials")
	// ErrContent: what is offered could not be read, or the destination could
	// not be written.
	ErrContent = errors.New("files: content")
	// ErrChanged: a file is not the one that was offered any more.
	ErrChanged = errors.New("files: the file has changed since it was offered")
	// ErrExpired: the time of the job is over.
	ErrExpired = errors.New("files: expired")
	// ErrWithdrawn: the owner has withdrawn the job.
	ErrWithdrawn = errors.New("files: withdrawn")
	// ErrShutdown: the Server stops.
	ErrShutdown = errors.New("files: shutting down")
)

// Why a job is not opened.
var (
	// ErrJobs: there are Options.MaxJobs.
	ErrJobs = errors.New("files: too many jobs")
	// ErrToken: the Token is malformed, or that of an open job.
	ErrToken = errors.New("files: bad token")
	// ErrURL: no URL can be made of the base, or it would be longer than
	// Options.MaxURL.
	ErrURL = errors.New("files: no usable URL")
)
