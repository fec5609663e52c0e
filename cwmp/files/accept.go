// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// Destination takes one upload: Writes, then exactly one Commit or Discard.
type Destination interface {
	io.Writer
	// Commit keeps what was written; it is whole. After an error it is not kept,
	// and Discard is not called.
	Commit() error
	// Discard drops what was written, as the upload did not come to its end.
	Discard()
}

// Intake is what a CPE may upload.
type Intake struct {
	Access
	// Open makes a Destination for an upload. Its context ends when the upload
	// is to be given up; neither Open nor the Destination may block beyond that.
	// A repeated upload has a Destination of its own, which may be opened before
	// the old one is discarded. Or
	Open func(ctx context.Context) (Destination, error)
	// File is the path of a file below Options.UploadRoot, with slashes, in a
	// folder that exists. It appears when an upload is whole, and replaces what
	// was there.
	File string
	// MaxBytes is the greatest upload; default Options.MaxUpload.
	MaxBytes int64
	// Status is that of the answer to an upload that was kept: 200, the default,
	// 201 or 204 [quirk 36].
	Status int
}

// Accept opens a job for uploads. It fails with ErrJobs, ErrToken, ErrURL,
// ErrShutdown, or because there is no such folder. Safe for concurrent use; where
// no BaseURL is configured, after Listen.
func (s *Server) Accept(in Intake) (Ticket, error) {
	orDefault(&in.MaxBytes, s.opts.MaxUpload)
	switch in.Status {
	case 0:
		in.Status = http.StatusOK
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
	default:
		return Ticket{}, fmt.Errorf("files: accept: status %d is not 200, 201 or 204", in.Status)
	}
	if in.Open == nil {
		if err := s.intoFile(&in); err != nil {
			return Ticket{}, err
		}
	}
	return s.open(&job{intake: &in}, in.Access, in.File)
}

// intoFile makes the Open of an Intake that names a file.
func (s *Server) intoFile(in *Intake) error {
	name := filepath.FromSlash(in.File)
	if !filepath.IsLocal(name) || filepath.Clean(name) == "." {
		return fmt.Errorf("files: accept: %q is no path below a folder", in.File)
	}
	root, err := openRoot(s.opts.UploadRoot)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // of a folder
	if info, err := root.Stat(filepath.Dir(name)); err != nil {
		return fmt.Errorf("files: accept: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("files: accept: %q is in no folder", in.File)
	}
	in.Open = func(context.Context) (Destination, error) { return newFile(s.opts.UploadRoot, name) }
	return nil
}

// file is a Destination below a folder: a file beside the one that it becomes.
type file struct {
	*os.File
	root       *os.Root
	temp, name string
}

func newFile(dir, name string) (*file, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	temp := filepath.Join(filepath.Dir(name), ".upload-"+hex.EncodeToString(b[:]))
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("files: upload: %w", err)
	}
	return &file{File: f, root: root, temp: temp, name: name}, nil
}

// Commit implements Destination.
func (f *file) Commit() error {
	err := f.Sync()
	err = errors.Join(err, f.Close())
	if err == nil {
		err = f.root.Rename(f.temp, f.name)
	}
	if err == nil {
		err = f.syncFolder()
	}
	if err != nil {
		_ = f.root.Remove(f.temp)
	}
	_ = f.root.Close()
	return err //nolint:wrapcheck // the upload does
}

// syncFolder makes the new name last.
func (f *file) syncFolder() error {
	dir, err := f.root.Open(filepath.Dir(f.name))
	if err != nil {
		return err //nolint:wrapcheck // the upload does
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Discard implements Destination.
func (f *file) Discard() {
	_ = f.Close()
	_ = f.root.Remove(f.temp)
	_ = f.root.Close()
}
