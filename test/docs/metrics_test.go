// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Envelopes that make a session in which something goes wrong.
const (
	envelope = `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:cwmp="urn:dslforum-org:cwmp-1-0"><soap:Header><cwmp:ID soap:mustUnderstand="1">1</cwmp:ID></soap:Header>` +
		`<soap:Body>BODY</soap:Body></soap:Envelope>`
	inform = `<cwmp:Inform><DeviceId><Manufacturer>M</Manufacturer><OUI>00D09E</OUI><ProductClass>P</ProductClass>` +
		`<SerialNumber>provoked</SerialNumber></DeviceId><Event><EventStruct><EventCode>2 PERIODIC</EventCode>` +
		`<CommandKey></CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes>` +
		`<CurrentTime>2026-01-01T00:00:00Z</CurrentTime><RetryCount>0</RetryCount>` +
		`<ParameterList></ParameterList></cwmp:Inform>`
	unknown = `<cwmp:MakeCoffee></cwmp:MakeCoffee>`
)

// provoke moves the counters of things that go wrong: a POST that is refused,
// and a request of a CPE that is answered with a fault.
func provoke(t *testing.T, acs string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	post(t, client, acs, "this is not SOAP")
	post(t, client, acs, strings.Replace(envelope, "BODY", inform, 1))
	post(t, client, acs, strings.Replace(envelope, "BODY", unknown, 1))
}

func post(t *testing.T, client *http.Client, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Error(err)
	}
}

var (
	tableMetric = regexp.MustCompile("`(uspgate_[a-z_]+)`")
	shownMetric = regexp.MustCompile(`(?m)^# TYPE (uspgate_[a-z_]+) `)
	suffixLabel = regexp.MustCompile(`(?m)^uspgate_[a-z_]+\{([^}]*)\}`)
)

// compareMetrics holds the table of README.md against /metrics, both ways.
func compareMetrics(t *testing.T, url string) {
	t.Helper()
	text := scrape(t, url)
	served := names(shownMetric, text)
	var listed []string
	for line := range strings.SplitSeq(read(t, "README.md"), "\n") {
		if strings.HasPrefix(line, "| `uspgate_") {
			listed = append(listed, names(tableMetric, line)...)
		}
	}
	for _, name := range listed {
		if !slices.Contains(served, name) {
			t.Errorf("README.md lists %s, which /metrics does not have", name)
		}
	}
	for _, name := range served {
		if !slices.Contains(listed, name) {
			t.Errorf("/metrics has %s, which README.md does not list", name)
		}
	}
	for _, m := range suffixLabel.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "::") || strings.Contains(m[1], "provoked") {
			t.Errorf("a label names an Endpoint or a device: %s", m[0])
		}
	}
}

func names(re *regexp.Regexp, text string) []string {
	var out []string
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
