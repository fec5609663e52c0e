// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// secureController is a Controller that shows a certificate, or none.
func secureController(t *testing.T, g *harness.Gateway, ca *pkitest.Authority, id usp.EndpointID,
	certificates ...tls.Certificate,
) *controller.Controller {
	t.Helper()
	tr, err := ws.NewClient(ws.ClientOptions{
		URL: "wss://" + g.Addr("secure") + "/usp", Endpoint: id, Role: usp.RoleAgent, Shared: true,
		TLS: &tls.Config{RootCAs: ca.Pool(), Certificates: certificates, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := controller.New(controller.Options{Endpoint: id, Transport: tr, Log: harness.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "controller "+string(id), c.Run)
	return c
}

// output runs a command and returns its output arguments.
func output(ctx context.Context, c *controller.Controller, to usp.EndpointID, command string, args map[string]string,
) (map[string]string, error) {
	resp, err := c.Operate(ctx, to, command, "", args)
	if err != nil {
		return nil, err
	}
	r := resp.GetOperationResults()[0]
	if f := r.GetCmdFailure(); f != nil {
		return nil, fmt.Errorf("%s: %d %s", command, f.GetErrCode(), f.GetErrMsg())
	}
	return r.GetReqOutputArgs().GetOutputArgs(), nil
}

// A certificate that is added gives a Role to the Controllers that show one it has issued,
// and to none that come without; as the Credential of a Controller it keeps out who cannot
// show it (TP-469 9.2).
func TestCertificatesOfControllers(t *testing.T) {
	t.Parallel()
	ca := pkitest.NewAuthority(t, "Operator CA")
	partner := ca.Intermediate("Partner CA")
	dir := t.TempDir()
	cert, key := pkitest.WritePair(t, dir, "gateway", ca.Issue())
	g := harness.StartAs(t, fmt.Sprintf(`mtp:
  - {name: ws, type: websocket, listen: "127.0.0.1:0"}
  - {name: secure, type: websocket, listen: "127.0.0.1:0", tls: {cert: %s, key: %s, client_ca: %s}}
controllers: [{endpoint_id: self::noc}]
translate: {unknown_controllers: untrusted}
`, cert, key, pkitest.WriteCA(t, dir, "ca", ca)))
	cpe := g.CPE("tr181-wifi", nil)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	noc := g.Controller(g.WS(), "self::noc")
	guest := secureController(t, g, ca, "self::partner", partner.Issue("self::partner"))

	const table, trust = "Device.LocalAgent.Certificate.", "Device.LocalAgent.ControllerTrust."
	text := base64.StdEncoding.EncodeToString(partner.Cert.Raw)
	if _, err := output(ctx, noc, cpe.Agent, "Device.LocalAgent.AddCertificate()",
		map[string]string{"Certificate": text}); err != nil {
		t.Fatal(err)
	}
	got, err := output(ctx, noc, cpe.Agent, table+"1.GetFingerprint()",
		map[string]string{"FingerprintAlgorithm": "SHA-256"})
	sum := sha256.Sum256(partner.Cert.Raw)
	if want := hex.EncodeToString(sum[:]); err != nil || got["Fingerprint"] != want {
		t.Errorf("got Fingerprint %v, %v, want %s", got, err, want)
	}

	if err := readsEndpointID(ctx, guest, cpe.Agent); err == nil {
		t.Error("got an answer without any Role, want none")
	}
	if _, err := noc.Add(ctx, cpe.Agent, false, controller.Create(trust+"Credential.", map[string]string{
		"Credential": table + "1", "Role": trust + "Role.1", "Enable": "true",
	})); err != nil {
		t.Fatal(err)
	}
	if err := readsEndpointID(ctx, guest, cpe.Agent); err != nil {
		t.Errorf("got %v with a certificate of the Credential, want an answer", err)
	}
	row := controllerTable + `[EndpointID=="self::partner"].`
	resp, err := noc.Get(ctx, cpe.Agent, 0, row+"InheritedRole")
	if got := controller.Params(resp)[controllerTable+"2.InheritedRole"]; err != nil || got != trust+"Role.1" {
		t.Errorf("got InheritedRole %q, %v, want %sRole.1", got, err, trust)
	}
	impostor := g.Controller(g.WS(), "self::partner")
	if err := readsEndpointID(ctx, impostor, cpe.Agent); err == nil {
		t.Error("got an answer for the same Endpoint ID without certificate, want none")
	}

	set := controller.Update(controllerTable+"1.", map[string]string{"Credential": table + "1"})
	if _, err := noc.Set(ctx, cpe.Agent, false, set); err != nil {
		t.Fatal(err)
	}
	if err := readsEndpointID(ctx, noc, cpe.Agent); err == nil {
		t.Error("got an answer for a Controller without its Credential, want none")
	}
	proven := secureController(t, g, ca, "self::noc", partner.Issue("self::noc"))
	if err := readsEndpointID(ctx, proven, cpe.Agent); err != nil {
		t.Errorf("got %v with the Credential, want an answer", err)
	}
}

// Who knows the passphrase of a Challenge gets its Role.
func TestChallenge(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, "controllers: [{endpoint_id: self::noc}]\ntranslate: {unknown_controllers: untrusted}\n")
	cpe := g.CPE("tr098-dsl", nil)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	noc, who := g.Controller(g.WS(), "self::noc"), g.Controller(g.MQTT(), "self::who")
	const trust = "Device.LocalAgent.ControllerTrust."
	secret := base64.StdEncoding.EncodeToString([]byte("open sesame"))
	if _, err := noc.Add(ctx, cpe.Agent, false, controller.Create(trust+"Challenge.", map[string]string{
		"Value": secret, "Role": trust + "Role.1", "Enable": "true",
	})); err != nil {
		t.Fatal(err)
	}
	if err := readsEndpointID(ctx, who, cpe.Agent); err == nil {
		t.Fatal("got an answer before the Challenge, want none")
	}
	asked, err := output(ctx, who, cpe.Agent, trust+"RequestChallenge()",
		map[string]string{"ChallengeRef": trust + "Challenge.1"})
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]string{"ChallengeID": asked["ChallengeID"], "Value": "d3Jvbmc="}
	if _, err := output(ctx, who, cpe.Agent, trust+"ChallengeResponse()", answer); err == nil {
		t.Error("got success with a wrong answer, want a failure")
	}
	answer["Value"] = secret
	if _, err := output(ctx, who, cpe.Agent, trust+"ChallengeResponse()", answer); err != nil {
		t.Fatal(err)
	}
	if err := readsEndpointID(ctx, who, cpe.Agent); err != nil {
		t.Errorf("got %v after the Challenge, want an answer", err)
	}
	_, err = who.Delete(ctx, cpe.Agent, false, controllerTable+"1.")
	var e *controller.Error
	if !errors.As(err, &e) || e.Err.Code != usp.CodeRequestDenied {
		t.Errorf("got %v for deleting a Controller of the configuration, want Error 7002", err)
	}
}
