// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Client is the client role: an mtp.Transport that is one Endpoint on another's
// broker, with MQTT 5. Its one Link reaches every Endpoint on that broker by the
// topic of the template.
type Client struct {
	opts    ClientOptions
	url     *url.URL
	metrics *mtp.KindMetrics
}

var _ mtp.Transport = (*Client)(nil)

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("mqtt: URL: %w", err)
	}
	if u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Host == "" {
		return nil, fmt.Errorf("mqtt: URL %q: want mqtt:// or mqtts:// and a host", u.Redacted())
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme])
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.MQTT)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	return &Client{opts: o, url: u, metrics: metrics}, nil
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport; a client has nothing to bind.
func (*Client) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport.
func (c *Client) Addr() string { return c.url.Redacted() }

// Run implements mtp.Transport.
func (c *Client) Run(ctx context.Context, h mtp.Handler) error {
	return mtp.Supervise(ctx, mtp.SuperviseOptions{Retry: c.opts.Retry, Log: c.opts.Log},
		func(ctx context.Context, up func()) error { return c.serve(ctx, h, up) })
}

// serve is one connection from dial to end.
func (c *Client) serve(ctx context.Context, h mtp.Handler, up func()) error {
	l := &clientLink{client: c, ended: make(chan error, 1), outcomes: map[mtp.Token]error{}}
	connectCtx, cancel := context.WithTimeout(ctx, c.opts.ConnectTimeout)
	defer cancel()
	if err := l.connect(connectCtx); err != nil {
		return err
	}
	defer l.conn.Close() //nolint:errcheck // the connection is over
	port, err := h.LinkUp(l, mtp.Peer{
		Kind: mtp.MQTT, Listener: c.opts.Name, Remote: c.url.Host,
		Loopback: loopback(l.conn.RemoteAddr()), Role: c.opts.Role.Opposite(), Shared: true,
		Identity: mtp.Identity{Method: "none", Any: true}, MaxRecord: c.opts.MaxRecord,
	})
	if err != nil {
		return err
	}
	l.port = port
	c.metrics.LinkUp()
	err = l.subscribe(connectCtx)
	l.out.Start(clientSettler{l: l})
	if err == nil {
		up()
		err = l.wait(ctx)
	}
	l.out.Fail()
	<-l.out.Done()
	_ = l.mqtt.Disconnect(&paho.Disconnect{ReasonCode: 0}) // fails if the connection is gone
	c.metrics.LinkDown()
	port.Down(err)
	return err
}

// clientLink is one connection to the broker.
type clientLink struct {
	client *Client
	conn   net.Conn
	mqtt   *paho.Client
	out    *mtp.Outbox
	port   mtp.Port
	ended  chan error // first cause of the end
	cancel context.CancelFunc

	mu       sync.Mutex
	next     mtp.Token
	received map[mtp.Token]*paho.Publish
	outcomes map[mtp.Token]error // of what the broker refused
}

var (
	_ mtp.Link      = (*clientLink)(nil)
	_ mtp.Connector = (*clientLink)(nil)
)

func (l *clientLink) connect(ctx context.Context) error {
	o := &l.client.opts
	conn, err := dial(ctx, l.client.url, o.TLS)
	if err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	l.conn = conn
	l.received = map[mtp.Token]*paho.Publish{}
	l.mqtt = paho.NewClient(paho.ClientConfig{
		Conn:                       packets.NewThreadSafeConn(conn),
		OnPublishReceived:          []func(paho.PublishReceived) (bool, error){l.receive},
		OnClientError:              l.end,
		OnServerDisconnect:         func(d *paho.Disconnect) { l.end(fmt.Errorf("disconnected with %#x", d.ReasonCode)) },
		EnableManualAcknowledgment: true,
		SendAcksInterval:           time.Millisecond,
	})
	// The Outbox outlives connect; its writes end with the connection.
	writeCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.cancel = cancel
	l.out = mtp.NewOutbox(mtp.OutboxOptions{
		Write:   func(batch []mtp.Outgoing) error { return l.write(writeCtx, batch) },
		Finish:  func() { l.end(nil) },
		Abort:   cancel,
		Metrics: l.client.metrics,
	})
	password, hasPassword := l.client.url.User.Password()
	_, err = l.mqtt.Connect(ctx, &paho.Connect{
		ClientID: string(o.Endpoint), CleanStart: true, KeepAlive: uint16(o.KeepAlive / time.Second),
		Username: l.client.url.User.Username(), UsernameFlag: l.client.url.User != nil,
		Password: []byte(password), PasswordFlag: hasPassword,
		Properties: &paho.ConnectProperties{
			User: paho.UserProperties{{Key: "usp-endpoint-id", Value: string(o.Endpoint)}}, // [R-MQTT.13]
		},
	})
	if err != nil {
		cancel()
		return errors.Join(fmt.Errorf("mqtt: connect: %w", err), conn.Close())
	}
	return nil
}

func dial(ctx context.Context, u *url.URL, conf *tls.Config) (net.Conn, error) {
	if u.Scheme == "mqtts" {
		return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", u.Host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", u.Host)
}

// own is the topic on which the Endpoint receives.
func (l *clientLink) own() string {
	o := &l.client.opts
	return o.Topics.of(usp.Address{ID: o.Endpoint, Role: o.Role})
}

func (l *clientLink) subscribe(ctx context.Context) error {
	_, err := l.mqtt.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: l.own(), QoS: 1}},
	})
	if err != nil {
		return fmt.Errorf("mqtt: subscribe to %s: %w", l.own(), err) // [R-MQTT.17]
	}
	return nil
}

// end notes the first cause of the end.
func (l *clientLink) end(err error) {
	select {
	case l.ended <- err:
	default:
	}
	l.cancel()
}

// wait blocks until the connection ends; when ctx does, what is queued is
// written first.
func (l *clientLink) wait(ctx context.Context) error {
	select {
	case err := <-l.ended:
		return err
	case <-ctx.Done():
		l.out.Close(l.client.opts.CloseTimeout)
		<-l.out.Done()
		return nil
	}
}

// Enqueue implements mtp.Link.
func (l *clientLink) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	return l.out.Enqueue(rec, hint, t)
}

// Close implements mtp.Link.
func (l *clientLink) Close(error) { l.out.Close(l.client.opts.CloseTimeout) }

// ConnectRecord implements mtp.Connector.
func (l *clientLink) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewMQTTConnect(from, to, true, l.own())
}

// Ack implements mtp.Link: the library restores the order of the PUBACKs. What
// was not delivered is acknowledged too: a client cannot say no, and the broker
// would send it for ever.
func (l *clientLink) Ack(t mtp.Token, err error) {
	l.client.metrics.Received(err)
	l.mu.Lock()
	p := l.received[t]
	delete(l.received, t)
	l.mu.Unlock()
	if p != nil {
		_ = l.mqtt.Ack(p) // fails if the connection is gone
	}
}

// receive is called by the library for every PUBLISH, one at a time.
func (l *clientLink) receive(p paho.PublishReceived) (bool, error) {
	l.mu.Lock()
	l.next++
	t := l.next
	l.received[t] = p.Packet
	l.mu.Unlock()
	rec, err := usp.NewRecord(p.Packet.Payload)
	if err != nil {
		l.Ack(t, err)
		return true, nil
	}
	hint := mtp.Hint{}
	if p.Packet.Properties != nil {
		hint.ReplyTo = p.Packet.Properties.ResponseTopic
	}
	l.port.Accept(rec, hint, t)
	return true, nil
}

// write publishes with QoS 1 and waits for each PUBACK.
func (l *clientLink) write(ctx context.Context, batch []mtp.Outgoing) error {
	for i := range batch {
		o := &batch[i]
		hdr, err := usp.Peek(o.Data)
		if err != nil {
			return err
		}
		topic := o.Hint.Destination
		if topic == "" {
			topic = l.client.opts.Topics.of(usp.Address{ID: hdr.To, Role: l.client.opts.Role.Opposite()})
		}
		resp, err := l.mqtt.Publish(ctx, &paho.Publish{
			QoS: 1, Topic: topic, Payload: o.Data,
			Properties: &paho.PublishProperties{ContentType: contentType, ResponseTopic: l.own()},
		})
		if resp != nil && resp.ReasonCode >= packets.PubackNoMatchingSubscribers {
			l.mu.Lock()
			l.outcomes[o.Token] = refused(resp.ReasonCode)
			l.mu.Unlock()
			continue
		}
		if err != nil {
			return fmt.Errorf("mqtt: publish: %w", err)
		}
	}
	return nil
}

// refused is what a reason code of a PUBACK means for the router: the inverse
// of the table in reply.go.
func refused(reason byte) error {
	for _, a := range answers[1:] {
		if a.reason == reason {
			return a.cause
		}
	}
	return mtp.ErrBusy
}

// clientSettler gives the router the outcome that the broker told.
type clientSettler struct {
	mtp.Port // not used: an Outbox only settles

	l *clientLink
}

// Settled implements mtp.Port.
func (s clientSettler) Settled(t mtp.Token, err error) {
	s.l.mu.Lock()
	if outcome, ok := s.l.outcomes[t]; ok && err == nil {
		err = outcome
	}
	delete(s.l.outcomes, t)
	s.l.mu.Unlock()
	s.l.port.Settled(t, err)
}
