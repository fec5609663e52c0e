// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/files"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/relay"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
)

// fileService is the file server of the Virtual Agents. What it has opened is in the
// store: every process that shares the store can open it again, by the token that a
// CPE comes with.
type fileService struct {
	conf   *config.Files
	srv    *files.Server
	bucket store.Bucket
	cache  *relay.Cache // nil without cwmp.files.relay
	host   *agent.Host  // set before the server listens
	log    *zap.Logger
}

// filesBucket is what the store calls the open URLs.
const filesBucket = "FILES"

// reopened is how long a URL is good that this process has opened again: then the store
// is asked whether another one has closed it.
const reopened = 15 * time.Minute

// quiet is how long a Virtual Agent is told nothing more of a transfer that goes on.
const quiet = 10 * time.Second

// fileRecord is one open URL, as it is stored by its token.
type fileRecord struct {
	Agent    usp.EndpointID `json:"agent"`
	Name     string         `json:"name"`
	Relayed  string         `json:"relayed,omitempty"` // ID of a file that was fetched
	Upload   bool           `json:"upload,omitempty"`
	Username string         `json:"username,omitempty"`
	Password string         `json:"password,omitempty"`
	Expires  time.Time      `json:"expires"`
	// Size and Modified are of the file that was offered: another one is not served.
	Size     int64     `json:"size,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
}

// buildFiles makes the file server, if there is to be one.
func (a *App) buildFiles(o Options, reg *prometheus.Registry) error {
	c := &o.Config.CWMP.Files
	if c.Listen == "" {
		return nil
	}
	var s store.Store = &store.Memory{}
	if a.keep.engine != nil {
		s = a.keep.engine.Store()
	}
	ctx, cancel := context.WithTimeout(context.Background(), stateStart)
	defer cancel()
	bucket, err := s.Bucket(ctx, filesBucket, store.BucketOptions{MaxValue: 4 << 10})
	if err != nil {
		return fmt.Errorf("cwmp.files: %w", err)
	}
	f := &fileService{conf: c, bucket: bucket, log: o.Log.Named("files")}
	options := files.Options{
		Name: "files", Addr: c.Listen, BaseURL: c.BaseURL, Root: c.Root, UploadRoot: c.UploadRoot, NonceKey: a.nonces,
		Lifetime: time.Duration(c.Lifetime), Missing: f.reopen,
		MaxConns: c.MaxConnections, MaxTransfers: c.MaxTransfers, MaxTransfersPerAddress: c.MaxAddress,
		MaxUpload: int64(c.MaxUpload), MaxUploadTotal: int64(c.MaxUploadTotal),
		MaxRate: int64(c.MaxRate), MaxRatePerTransfer: int64(c.MaxRateEach),
		Log: o.Log, Metrics: reg,
	}
	if f.cache, err = relayCache(o, c); err != nil {
		return fmt.Errorf("cwmp.files.relay: %w", err)
	}
	if options.TLS, err = a.serverTLS(o, reg, "files", &c.TLS); err != nil {
		return fmt.Errorf("cwmp.files.tls: %w", err)
	}
	if options.Bind, err = bindFiles(c, o, reg); err != nil {
		return fmt.Errorf("cwmp.files: %w", err)
	}
	if f.srv, err = files.New(options); err != nil {
		return fmt.Errorf("cwmp.files: %w", err)
	}
	a.files = f
	return nil
}

// bindFiles returns what binds the listener: connections are counted by the address of
// the CPE, also behind load balancers.
func bindFiles(c *config.Files, o Options, reg *prometheus.Registry) (
	func(context.Context) (net.Listener, error), error,
) {
	balancers, err := networks(c.ProxyFrom)
	if err != nil {
		return nil, err
	}
	met, err := mtp.NewMetrics(reg, "files")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (net.Listener, error) {
		return listen.Listen(ctx, listen.Options{
			Address: c.Listen, ProxyFrom: balancers, MaxConnectionsPerAddress: c.MaxPerAddress, Metrics: met, Log: o.Log,
		})
	}, nil
}

// agentFiles is the file server as the Virtual Agents know it; nil without one.
func (a *App) agentFiles() agent.Files {
	if a.files == nil {
		return nil
	}
	return a.files
}

// transferLimits are those of each CPE.
func transferLimits(c *config.Transfers) transfer.Limits {
	return transfer.Limits{
		Jobs: c.MaxPerDevice, Ask: time.Duration(c.SessionWait), Wait: time.Duration(c.ReportWait),
	}
}

// Open implements agent.Files.
func (f *fileService) Open(ctx context.Context, file agent.File) (agent.Ticket, error) {
	r := fileRecord{Agent: file.Agent, Name: path.Clean(file.Name), Upload: file.Upload}
	if f.conf.Auth != "none" {
		r.Username, r.Password = "cpe", secret()
	}
	var err error
	switch {
	case file.Source != "":
		err = f.relayed(ctx, &r, &file)
	case !fs.ValidPath(r.Name) || r.Name == ".":
		err = fmt.Errorf("%w: %q is not the name of a file", agent.ErrFile, file.Name)
	case !r.Upload:
		err = f.inspect(&r, &file)
	}
	if err != nil {
		return agent.Ticket{}, err
	}
	r.Expires = time.Now().Add(time.Duration(f.conf.Lifetime))
	t, err := f.serve(&r, "")
	switch {
	case errors.Is(err, files.ErrURL):
		return agent.Ticket{}, fmt.Errorf("%w: the name is too long for a URL", agent.ErrFile)
	case errors.Is(err, fs.ErrNotExist):
		return agent.Ticket{}, fmt.Errorf("%w: there is no folder for %q", agent.ErrFile, file.Name)
	case err != nil:
		return agent.Ticket{}, err
	}
	value, err := json.Marshal(&r)
	if err == nil {
		_, err = f.bucket.Create(ctx, t.Token, value, time.Until(r.Expires))
	}
	if err != nil {
		f.srv.Withdraw(t.Token)
		return agent.Ticket{}, fmt.Errorf("files: %w", err)
	}
	return agent.Ticket{Token: t.Token, URL: t.URL, Username: r.Username, Password: r.Password, Size: t.Size}, nil
}

// Close implements agent.Files.
func (f *fileService) Close(ctx context.Context, token string) error {
	f.srv.Withdraw(token)
	if err := f.bucket.Delete(ctx, token, 0); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return nil
}

// reopen opens a URL that this process does not know, if it is stored.
func (f *fileService) reopen(ctx context.Context, token string) bool {
	e, err := f.bucket.Get(ctx, token)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			f.log.Warn("a URL cannot be looked up", zap.Error(err))
		}
		return false
	}
	r := fileRecord{}
	if err := json.Unmarshal(e.Value, &r); err != nil {
		f.log.Error("a stored URL is not readable", zap.Error(err))
		return false
	}
	if !time.Now().Before(r.Expires) {
		return false
	}
	if !r.Upload && r.Relayed == "" {
		now := fileRecord{Name: r.Name}
		if err := f.inspect(&now, nil); err != nil || now.Size != r.Size || !now.Modified.Equal(r.Modified) {
			f.log.Warn("a file has changed since a CPE was told of it", zap.String("name", r.Name))
			return false
		}
	}
	if again := time.Now().Add(reopened); again.Before(r.Expires) {
		r.Expires = again
	}
	if _, err := f.serve(&r, token); err != nil {
		f.log.Warn("a URL cannot be opened again", zap.String("name", r.Name), zap.Error(err))
		return false
	}
	return true
}

// serve opens a job of the server.
func (f *fileService) serve(r *fileRecord, token string) (files.Ticket, error) {
	id, last := r.Agent, new(atomic.Int64)
	access := files.Access{
		Token: token, Name: path.Base(r.Name), Username: r.Username, Password: r.Password, Auth: authOf(f.conf.Auth),
		Expires: r.Expires, Label: string(r.Agent), Notify: func(e files.Event) { f.notify(id, &e, last) },
	}
	if r.Relayed != "" {
		content, ok := f.openRelayed(r)
		if !ok {
			return files.Ticket{}, errors.New("files: what was fetched is not here any more")
		}
		return f.srv.Offer(files.Offer{Access: access, Content: content})
	}
	if r.Upload {
		return f.srv.Accept(files.Intake{Access: access, File: r.Name})
	}
	return f.srv.Offer(files.Offer{Access: access, File: r.Name})
}

// notify tells the Virtual Agent what its CPE does. In a cluster it is told only
// where it is served by this node. A CPE may ask for many small parts: last is when it
// was told.
func (f *fileService) notify(id usp.EndpointID, e *files.Event, last *atomic.Int64) {
	switch e.Kind {
	case files.Started, files.Finished:
		now, before := time.Now().UnixNano(), last.Load()
		if e.Whole || now-before > int64(quiet) && last.CompareAndSwap(before, now) {
			f.host.FileEvent(id, e.Token, e.Whole)
		}
	case files.Failed, files.Refused:
		f.log.Info("a transfer of a file has failed", zap.String("endpoint_id", string(id)),
			zap.Stringer("kind", e.Kind), zap.Error(e.Err))
	case files.Closed:
	}
}

// inspect looks at the file that is to be downloaded: that it is there, and is what
// want says.
func (f *fileService) inspect(r *fileRecord, want *agent.File) error {
	if f.conf.Root == "" {
		return fmt.Errorf("%w: cwmp.files.root is not configured", agent.ErrFile)
	}
	root, err := os.OpenRoot(f.conf.Root)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	defer root.Close() //nolint:errcheck // of a folder
	info, err := root.Stat(filepath.FromSlash(r.Name))
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%w: there is no %q", agent.ErrFile, r.Name)
	}
	r.Size, r.Modified = info.Size(), info.ModTime()
	if want == nil || want.CheckSum == "" {
		return nil
	}
	file, err := root.Open(filepath.FromSlash(r.Name))
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was read
	return verify(file, want)
}

func authOf(mode string) files.Auth {
	switch mode {
	case "digest":
		return files.AuthDigest
	case "basic":
		return files.AuthBasic
	default:
		return files.AuthDefault
	}
}

// secret is a password that nobody guesses.
func secret() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
