// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/cli"
	"github.com/uspgate/uspgate/internal/inventory"
)

// devices knows three CPE, on pages of two.
type devices struct{}

func boxes() []admin.Device {
	return []admin.Device{
		{ID: "00D09E-1", EndpointID: "os::00D09E-1", OUI: "00D09E", SerialNumber: "1", State: admin.StateExpected},
		{
			ID: "00D09E-2", EndpointID: "os::00D09E-2", OUI: "00D09E", SerialNumber: "2", State: admin.StateAsleep,
			Quarantined: true, LastInform: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Waiting: 3, Login: "learned",
			Tags: []string{"a", "\x1b[2Jb"},
		},
		{ID: "00D09E-3", EndpointID: "os::00D09E-3", OUI: "00D09E", SerialNumber: "3", State: admin.StateSession},
	}
}

func (devices) List(_ context.Context, f admin.DeviceFilter) (admin.DevicePage, error) {
	if f.After != "" {
		return admin.DevicePage{Devices: boxes()[2:]}, nil
	}
	return admin.DevicePage{Devices: boxes()[:2], Next: "00D09E-2"}, nil
}

func (devices) Show(_ context.Context, device string) (*admin.DeviceDetail, error) {
	if device != "00D09E-2" {
		return nil, nil //nolint:nilnil // there is none
	}
	return &admin.DeviceDetail{
		Device: boxes()[1], Events: []string{"2 PERIODIC"}, Source: "192.0.2.1",
		ACSLogin: &admin.DeviceLogin{Username: "u", From: "learned", Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		ConnectionRequest: admin.Call{
			URL: "http://192.0.2.1/", URLFrom: "inform", Usernames: []string{"a", "b"}, Provisioning: "done",
			Last: &admin.Woken{Began: time.Now(), Steps: steps(), Reason: "no session came"},
		},
		Commands: []admin.DeviceCommand{{
			Command: "Device.Reboot()", CommandKey: "k", Originator: "self::c", Status: "Active",
		}},
		Profile: []admin.Trait{{Name: "Cookieless", Value: "true", From: "found in a session"}},
	}, nil
}

func (devices) Values(_ context.Context, device, path string, limit int) (*admin.DeviceValues, error) {
	switch {
	case device != "00D09E-2":
		return nil, nil //nolint:nilnil // there is none
	case path != "Device.":
		return nil, fmt.Errorf("%w: %s", admin.ErrBadPath, path)
	}
	return &admin.DeviceValues{More: limit == 2, Values: []admin.DeviceValue{
		{
			Path: "Device.A", Value: "a\x1b[2Jb", ReadAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Freshness: "5m",
			Fresh: true,
		},
		{Path: "Device.B", Freshness: "live"},
	}}, nil
}

func steps() []admin.Rung {
	return []admin.Rung{{
		At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Method: "http", To: "http://192.0.2.1/", Username: "a",
		Result: "credentials",
	}}
}

func (devices) Import(
	_ context.Context, file io.Reader, format inventory.Format, dry bool,
) (admin.Imported, error) {
	out := admin.Imported{DryRun: dry, Problems: []admin.Problem{}}
	out.Notes = []string{string(format)}
	err := inventory.Read(file, inventory.Options{Format: format}, func(inventory.Device) error {
		out.Added++
		return nil
	}, func(p inventory.Problem) { out.Problems = append(out.Problems, admin.Problem(p)) })
	if err != nil {
		out.Failed = err.Error()
	}
	return out, nil
}

func (devices) ForgetLogin(_ context.Context, device string) (bool, error) {
	return device == "00D09E-2", nil
}

func (devices) Unlist(_ context.Context, device string) (bool, error) {
	return device == "00D09E-2", nil
}

func (devices) Wake(_ context.Context, device string) (*admin.Woken, error) {
	switch device {
	case "00D09E-2":
		return &admin.Woken{Steps: steps(), Reason: "no session came"}, nil
	case "00D09E-3":
		return &admin.Woken{Session: true, Steps: []admin.Rung{}}, nil
	default:
		return nil, nil //nolint:nilnil // there is none
	}
}

// What each verb prints for people, and how it ends.
func TestDevicesTables(t *testing.T) {
	t.Parallel()
	flags := gateway(t)
	list := `DEVICE    ENDPOINT ID   STATE               LAST INFORM          WAITING  LOGIN    TAGS
00D09E-1  os::00D09E-1  expected            never                0
00D09E-2  os::00D09E-2  asleep, quarantine  2026-01-02 03:04:05  3        learned  a ·[2Jb
`
	for _, v := range []struct {
		args string
		code int
		want string
	}{
		{"devices list", cli.ExitDone, list + "there are more: --after 00D09E-2\n"},
		{
			"devices list --all --limit 2 --serial 0", cli.ExitDone,
			list + "00D09E-3  os::00D09E-3  session             never                0\n",
		},
		{"devices wake 00D09E-2", cli.ExitFailed, `AT        METHOD  TO                 USERNAME  RESULT       DETAIL
03:04:05  http    http://192.0.2.1/  a         credentials
no session: no session came
`},
		{"devices wake 00D09E-3", cli.ExitDone, "there is a session\n"},
		{"devices values 00D09E-2 Device. --limit 2", cli.ExitDone, `PATH      VALUE   READ                 FRESHNESS
Device.A  a·[2Jb  2026-01-02 03:04:05  5m
Device.B          not known            live
there are more: name less, or give --limit
`},
		{"devices forget-login 00D09E-2", cli.ExitDone, "a login of 00D09E-2: taken back\n"},
		{"devices unlist 00D09E-1", cli.ExitDone, "an entry of 00D09E-1: there was none\n"},
	} {
		code, got, failed := run(t, nil, append(strings.Fields(v.args), flags...)...)
		if code != v.code || got != v.want || failed != "" {
			t.Errorf("%s: got %d %s\n%s, want %d\n%s", v.args, code, failed, got, v.code, v.want)
		}
	}
	code, got, failed := run(t, nil, append([]string{"devices", "show", "00D09E-2"}, flags...)...)
	for _, want := range []string{
		"\nacs login               u (learned 2026-01-01 00:00:00)\n", "\nstate                   asleep, quarantine\n",
		"\nconnection request url  http://192.0.2.1/ (inform)\n", "\nuser names              a, b\n",
		"\nDevice.Reboot()  k    self::c     Active\n", "\nCookieless  true   found in a session\n",
		"\nlast connection requests, now\n", "\nno session: no session came\n",
	} {
		if code != cli.ExitDone || !strings.Contains(got, want) {
			t.Errorf("show: got %d %s\n%s, want %q", code, failed, got, want)
		}
	}
	for args, says := range map[string]string{
		"devices show 00D09E-9":       "there is no device",
		"devices wake 00D09E-9":       "there is no device",
		"devices values 00D09E-9 D.":  "there is no device",
		"devices values 00D09E-2 D.":  "no such path: D.",
		"devices list --state away":   "state: want",
		"devices import /nowhere/csv": "no such file",
	} {
		code, got, failed := run(t, nil, append(strings.Fields(args), flags...)...)
		if code != cli.ExitFailed || got != "" || !strings.Contains(failed, says) {
			t.Errorf("%s: got %d %s%s, want 1 and %q", args, code, got, failed, says)
		}
	}
	for _, args := range []string{
		"devices show", "devices wake a b", "devices unlist", "devices import", "devices import a --format xml",
		"devices values 00D09E-2",
	} {
		if code, _, failed := run(t, nil, append(strings.Fields(args), flags...)...); code != cli.ExitUsage {
			t.Errorf("%s: got %d %s, want 2", args, code, failed)
		}
	}
}

// The exit code of an import says how much of the file is in.
func TestDevicesImport(t *testing.T) {
	t.Parallel()
	flags := gateway(t)
	file := filepath.Join(t.TempDir(), "cpe.csv")
	for _, v := range []struct {
		text, args string
		code       int
		want       []string
	}{
		{"oui,serial\nA,1\nA,2\n", "", cli.ExitDone, []string{"note: auto\n2 added, 0 changed, 0 unchanged, 0 problems\n"}},
		{"oui,serial\nA,1\n", "--dry-run --format csv", cli.ExitDone, []string{"note: csv\nwould be 1 added"}},
		{"oui,serial\nA,1\nA,\n", "", cli.ExitPartly, []string{
			"LINE  DEVICE  PROBLEM\n3             there is no serial number", "1 added, 0 changed, 0 unchanged, 1 problems\n",
		}},
		{"oui,serial\nA,\n", "", cli.ExitFailed, []string{"0 added, 0 changed, 0 unchanged, 1 problems\n"}},
		{"what,ever\n", "", cli.ExitFailed, []string{"not read to its end: line 1: the column \"what\" is not known"}},
		{`[{"_id":"A-1"},{"_id":"A-2"`, "-o json", cli.ExitPartly, []string{`"failed": "line 1: the document has no end`}},
	} {
		if err := os.WriteFile(file, []byte(v.text), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"devices", "import", file}, strings.Fields(v.args)...)
		code, got, failed := run(t, nil, append(args, flags...)...)
		for _, want := range v.want {
			if code != v.code || !strings.Contains(got, want) || failed != "" {
				t.Errorf("%q %s: got %d %s\n%s, want %d and %q", v.text, v.args, code, failed, got, v.code, want)
			}
		}
	}
}
