// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/config"
)

// Bounds of one request to the admin API.
const (
	adminTimeout = 30 * time.Second
	adminAnswer  = 512 << 20 // bytes
)

// adminVerb is what the verbs have in common that ask a running gateway.
type adminVerb struct {
	url, tokenFile string
	out            output
}

func (a *adminVerb) flags(env Env, cmd *cobra.Command) {
	a.out.to = env.Stdout
	f := cmd.PersistentFlags()
	f.StringVar(&a.url, "admin", "http://"+admin.DefaultListen, "admin API of the gateway")
	f.StringVar(&a.tokenFile, "token-file", tokenFile(env.Environ), "file with its token")
	a.out.flag(cmd)
}

// tokenFile is where a gateway with this environment has its token.
func tokenFile(environ []string) string {
	dir := config.Default().DataDir
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, "USPGATE_ADMIN__TOKEN_FILE="); ok && v != "" {
			return v
		}
		if v, ok := strings.CutPrefix(e, "USPGATE_DATA_DIR="); ok && v != "" {
			dir = v
		}
	}
	return filepath.Join(dir, "admin.token")
}

// get asks for a path below /api/v1 and decodes the answer into v.
func (a *adminVerb) get(ctx context.Context, path string, query url.Values, v any) error {
	return a.ask(ctx, adminTimeout, http.MethodGet, path, query, http.NoBody, v)
}

// post has something done at a path below /api/v1.
func (a *adminVerb) post(ctx context.Context, path string, query url.Values, v any) error {
	return a.ask(ctx, adminTimeout, http.MethodPost, path, query, http.NoBody, v)
}

func (a *adminVerb) ask(
	ctx context.Context, limit time.Duration, method, path string, query url.Values, body io.Reader, v any,
) error {
	if err := a.out.check(); err != nil {
		return err
	}
	base, err := a.base()
	if err != nil {
		return usageError{err}
	}
	token, err := a.token()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	base.Path, base.RawQuery = base.Path+"/api/v1/"+path, query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, base.String(), body)
	if err != nil {
		return usageError{fmt.Errorf("--admin: %w", err)}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{ // without a proxy: the token is for the gateway only
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return a.unreachable(err, limit)
	}
	defer func() { _ = resp.Body.Close() }() // nothing is lost
	return a.decode(resp, v)
}

// base is the URL of the gateway without a slash at its end. A token does not
// leave this host in clear.
func (a *adminVerb) base() (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(a.url, "/"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("--admin %s: want http://host:port", a.url)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("--admin %s: want no user and no query", u.Redacted())
	case u.Scheme == "http" && !thisHost(u.Hostname()):
		return nil, fmt.Errorf("--admin %s: the token would leave this host in clear; use https or a tunnel", a.url)
	}
	return u, nil
}

func thisHost(name string) bool {
	ip, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func (a *adminVerb) token() (string, error) {
	text, err := admin.ReadToken(a.tokenFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no token at %s: name admin.token of the gateway's data_dir with --token-file",
			a.tokenFile)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("you may not read the token at %s: be who the gateway runs as", a.tokenFile)
	case err != nil:
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return text, nil
}

func (a *adminVerb) unreachable(err error, limit time.Duration) error {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s: is uspgate serve running there? (%w)", a.url, syscall.ECONNREFUSED)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s does not answer within %v", a.url, limit)
	default:
		return fmt.Errorf("no answer from %s: %w", a.url, err)
	}
}

// decode reads the answer; what is not the API's own is not shown.
func (a *adminVerb) decode(resp *http.Response, v any) error {
	body := json.NewDecoder(io.LimitReader(resp.Body, adminAnswer))
	if resp.StatusCode == http.StatusOK {
		if err := body.Decode(v); err != nil {
			return fmt.Errorf("what answers at %s is not the admin API of uspgate: %w", a.url, err)
		}
		return nil
	}
	var refused struct {
		Error string `json:"error"`
	}
	if body.Decode(&refused) != nil || refused.Error == "" {
		return fmt.Errorf("what answers at %s is not the admin API of uspgate: it says %q", a.url, resp.Status)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("the gateway at %s does not take the token of %s: "+
			"name admin.token of its data_dir with --token-file", a.url, a.tokenFile)
	}
	return fmt.Errorf("the gateway refuses: %s", printable(refused.Error))
}

// ago is how long before now something was, for a person.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return "never"
	}
	d := now.Sub(at)
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return d.Truncate(time.Second).String() + " ago"
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s") + " ago"
	default:
		return at.UTC().Format(time.DateTime)
	}
}

// endpointArgument demands exactly one Endpoint ID.
func endpointArgument(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usageError{fmt.Errorf("%s takes one Endpoint ID; see --help", cmd.CommandPath())}
	}
	return nil
}
