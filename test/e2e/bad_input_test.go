// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// neighbour is a Controller with its CPE that must not feel anything.
type neighbour struct {
	t   *testing.T
	gw  *harness.Gateway
	c   *controller.Controller
	cpe harness.CPE
}

func newNeighbour(t *testing.T, yaml string) *neighbour {
	t.Helper()
	gw := harness.Start(t, "translate: {freshness: 0s}\n"+yaml)
	return &neighbour{t, gw, gw.Controller(gw.WS(), "self::neighbour"), gw.CPE("tr098-dsl", nil)}
}

// fine checks that the neighbour's CPE is woken and answers.
func (n *neighbour) fine() {
	n.t.Helper()
	resp, err := n.c.Get(deadline(n.t), n.cpe.Agent, 0, "Device.DeviceInfo.SerialNumber")
	if err != nil {
		n.t.Fatalf("the neighbour: %v", err)
	}
	if got := controller.Params(resp)["Device.DeviceInfo.SerialNumber"]; got != "1" {
		n.t.Errorf("the neighbour: got %q, want its serial number", got)
	}
}

// dialWS opens a WebSocket as the Endpoint id.
func (n *neighbour) dialWS(path string) *websocket.Conn {
	n.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"v1.usp"}, HandshakeTimeout: harness.Timeout}
	conn, resp, err := d.DialContext(n.t.Context(), "ws://"+n.gw.Addr("ws")+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = resp.Body.Close()
	n.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(harness.Timeout)); err != nil {
		n.t.Fatal(err)
	}
	return conn
}

// closeCode reads until the server closes.
func closeCode(t *testing.T, conn *websocket.Conn) int {
	t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// getRecord is a Record with a Get of one parameter.
func getRecord(t *testing.T, from, to usp.EndpointID) []byte {
	t.Helper()
	msg, err := proto.Marshal(&uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: "1", MsgType: uspmsg.Header_GET},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
			ReqType: &uspmsg.Request_Get{Get: &uspmsg.Get{ParamPaths: []string{"Device.LocalAgent.EndpointID"}}},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := usp.NewNoSession(from, to, "1.4", msg)
	return rec.Bytes()
}

func TestBadRecordsOverWebSocket(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "")
	for name, tc := range map[string]struct {
		kind int
		data []byte
		want int
	}{
		"text frame [R-WS.16]":         {websocket.TextMessage, []byte("hello"), 1003},
		"does not parse [R-WS.16]":     {websocket.BinaryMessage, []byte("\xff\xff\xff"), 1003},
		"no record type [R-ENC.4]":     {websocket.BinaryMessage, []byte("\x12\x01a\x1a\x01b"), 1003},
		"another's from_id [R-SEC.4c]": {websocket.BinaryMessage, getRecord(t, "self::neighbour", n.cpe.Agent), 1008},
		"too large":                    {websocket.BinaryMessage, make([]byte, 6<<20), 1009},
	} {
		conn := n.dialWS("/usp?eid=self::stranger")
		if err := conn.WriteMessage(tc.kind, tc.data); err != nil && tc.want != websocket.CloseMessageTooBig {
			t.Fatal(err)
		}
		if got := closeCode(t, conn); got != tc.want {
			t.Errorf("%s: got close code %d, want %d", name, got, tc.want)
		}
		n.fine()
	}
}

func TestRecordForNobodyCostsTheSenderNothing(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "")
	conn := n.dialWS("/usp?eid=self::stranger")
	for _, to := range []usp.EndpointID{"self::nobody", n.cpe.Agent} {
		if err := conn.WriteMessage(websocket.BinaryMessage, getRecord(t, "self::stranger", to)); err != nil {
			t.Fatal(err)
		}
	}
	for { // the connection is still there, and the second Record is answered
		_, data, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := usp.NewRecord(data); err == nil && rec.Header().Type == usp.RecordNoSession {
			break
		}
	}
	n.fine()
}

func TestControllerThatIsNotConfigured(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "controllers: [{endpoint_id: \"self::neighbour\"}]\n")
	n.fine()
	conn := n.dialWS("/usp?eid=self::stranger")
	if err := conn.WriteMessage(websocket.BinaryMessage, getRecord(t, "self::stranger", n.cpe.Agent)); err != nil {
		t.Fatal(err)
	}
	if got := closeCode(t, conn); got != websocket.ClosePolicyViolation {
		t.Errorf("got close code %d, want 1008", got)
	}
	n.fine()
}

func TestBadMessagesAreAnswered(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "")
	ctx := deadline(t)
	resp, err := n.c.Get(ctx, n.cpe.Agent, 0, "Device.WiFi.SSID[", "Device.Nothing.", "Device.WiFi.SSID.99.SSID")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []usp.Code{usp.CodeInvalidPathSyntax, usp.CodeInvalidPath, usp.CodeInvalidPath} {
		if got := usp.Code(resp.GetReqPathResults()[i].GetErrCode()); got != want {
			t.Errorf("Get %s: got %d, want %d", resp.GetReqPathResults()[i].GetRequestedPath(), got, want)
		}
	}
	for param, want := range map[string]usp.Code{
		"Enable": usp.CodeInvalidType, "Nothing": usp.CodeUnsupportedParameter, "BSSID": usp.CodeNonWriteable,
	} {
		update := controller.Update("Device.WiFi.SSID.1.", map[string]string{param: "maybe"})
		_, err := n.c.Set(ctx, n.cpe.Agent, false, update)
		var refusal *controller.Error
		if !errors.As(err, &refusal) || len(refusal.Params) != 1 {
			t.Errorf("Set of %s: got %v, want an Error about one parameter", param, err)
			continue
		}
		if got := usp.Code(refusal.Params[0].GetErrCode()); got != want {
			t.Errorf("Set of %s: got %d, want %d", param, got, want)
		}
	}
	n.fine()
}

// post sends one POST to the ACS over a connection of its own.
func (n *neighbour) post(body string) (status int, answer string) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(deadline(n.t), http.MethodPost, n.gw.ACS(), strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

const (
	envelope = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:c="urn:dslforum-org:cwmp-1-0">`
	theEnd   = `</s:Body></s:Envelope>`
)

func TestBadEnvelopes(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "")
	for name, body := range map[string]string{
		"malformed":           envelope + `<s:Body><c:Inform`,
		"not XML":             "GET ME OUT",
		"entities":            `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + envelope + `<s:Body>&b;` + theEnd,
		"10,000 deep":         envelope + `<s:Body>` + strings.Repeat("<a>", 10_000) + theEnd,
		"no session":          envelope + `<s:Body><c:TransferComplete><CommandKey/></c:TransferComplete>` + theEnd,
		"a Fault, no session": envelope + `<s:Body><s:Fault><faultcode>Client</faultcode></s:Fault>` + theEnd,
	} {
		if status, answer := n.post(body); status != http.StatusBadRequest {
			t.Errorf("%s: got %d %q, want 400", name, status, answer)
		}
		n.fine()
	}
}

func TestEndlessEnvelope(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "cwmp: {max_envelope: 1MiB}\n")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.gw.Addr("cwmp"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: acs\r\nTransfer-Encoding: chunked\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	chunk := "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n"
	refused := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(conn).ReadString('\n')
		refused <- line
	}()
	for {
		select {
		case line := <-refused:
			if !strings.Contains(line, " 4") {
				t.Errorf("got %q, want a client error", line)
			}
			n.fine()
			return
		default:
			if _, err := io.WriteString(conn, chunk); err != nil {
				conn.SetReadDeadline(time.Now().Add(harness.Timeout))
			}
		}
	}
}

// connect is a CONNECT of MQTT 5 with a usp-endpoint-id.
func connect(id string) []byte {
	property := append([]byte{0x26, 0, 15}, "usp-endpoint-id"...)
	property = append(append(property, 0, byte(len(id))), id...)
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, byte(len(property))}, property...)
	body = append(body, 0, 1, 'x')
	return append([]byte{0x10, byte(len(body))}, body...)
}

// publish is a PUBLISH with QoS 1 and packet id 7.
func publish(topic string, payload []byte) []byte {
	body := append([]byte{0, byte(len(topic))}, topic...)
	body = append(body, 0, 7, 0)
	body = append(body, payload...)
	return append([]byte{0x32, byte(len(body))}, body...)
}

func TestBadRecordsOverMQTT(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "")
	for name, tc := range map[string]struct {
		payload []byte
		reason  byte
	}{
		"does not parse":           {[]byte("\xff\xff"), 0x99},
		"nobody":                   {getRecord(t, "self::stranger", "self::nobody"), 0x10},
		"another's from_id":        {getRecord(t, "self::other", "self::nobody"), 0x87},
		"of itself to itself":      {getRecord(t, "self::stranger", "self::stranger"), 0x87},
		"no Record, another topic": {[]byte("21 degrees"), 0x99},
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.gw.Addr("mqtt"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(append(connect("self::stranger"), publish("some/topic", tc.payload)...)); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		want := []byte{0x40, 3, 0, 7, tc.reason}
		for !bytes.HasSuffix(got.Bytes(), want) {
			if _, err := io.CopyN(&got, conn, 1); err != nil {
				t.Errorf("%s: got % x, then %v, want a PUBACK with %#x", name, got.Bytes(), err, tc.reason)
				break
			}
		}
		_ = conn.Close()
		n.fine()
	}
}

// Somebody who only claims to be a Virtual Agent gets nothing that is for it.
func TestNobodyTakesAVirtualAgentsPlace(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "")
	d := websocket.Dialer{Subprotocols: []string{"v1.usp"}, HandshakeTimeout: harness.Timeout}
	conn, resp, err := d.DialContext(t.Context(), "ws://"+n.gw.Addr("ws")+"/usp?eid="+string(n.cpe.Agent), nil)
	if err == nil {
		defer conn.Close()
		if got := closeCode(t, conn); got != websocket.ClosePolicyViolation {
			t.Errorf("WebSocket: got close code %d, want 1008", got)
		}
	}
	if resp != nil {
		_ = resp.Body.Close()
	}
	n.fine()

	mqtt, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.gw.Addr("mqtt"))
	if err != nil {
		t.Fatal(err)
	}
	defer mqtt.Close()
	topic := "usp/v1/agent/" + string(n.cpe.Agent)
	subscribe := append([]byte{0, 1, 0, 0, byte(len(topic))}, topic...)
	subscribe = append([]byte{0x82, byte(len(subscribe) + 1)}, append(subscribe, 1)...)
	if _, err := mqtt.Write(append(connect(string(n.cpe.Agent)), subscribe...)); err != nil {
		t.Fatal(err)
	}
	if err := mqtt.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, mqtt); err != nil {
		t.Errorf("MQTT: got %v, want the connection closed", err)
	}
	n.fine()
}
