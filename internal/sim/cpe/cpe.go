// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

// observed is the size of the channels for observers; when one is full its
// oldest entry gives way.
const observed = 64

// CPE is one simulated device.
type CPE struct {
	opts     Options
	log      *zap.Logger
	model    *Model
	client   *cpe.Client
	wire     *wire // nil without quirks
	sessions chan cpe.Session
	informs  chan *cwmp.Inform
	power    chan struct{} // 1: on or off has changed

	mu        sync.Mutex // guards what follows
	factory   *node
	root      *node
	booted    time.Time
	url       string // ConnectionRequestURL
	changed   map[string]uint64
	change    uint64
	off       bool
	cycle     context.CancelCauseFunc     // ends the present power cycle
	spawn     func(func(context.Context)) // a goroutine of the present power cycle
	todo      todo
	cuts      []cut
	faults    map[string]*cwmp.Fault
	delay     time.Duration
	busy      bool
	reported  uint64 // change at the last Inform
	transfers []*transfer
	tried     bool // a download was begun
	boots     int
	stunOn    bool   // the STUN client runs
	udpTime   uint64 // of the last UDP Connection Request, with its ID
	udpID     string
	calls     int         // Connection Requests
	scheduled []scheduled // Informs that the ACS asked for
	options   []cwmp.Option
	units     []cwmp.DUResult // deployment units installed

	// Fixed by New.
	mac  uint64
	ip   string
	fill *strings.Replacer
}

// New returns a CPE that is switched on but not yet running.
func New(o Options) (*CPE, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &CPE{
		opts: o, model: o.Model, delay: o.Delay,
		sessions: make(chan cpe.Session, observed),
		informs:  make(chan *cwmp.Inform, observed),
		power:    make(chan struct{}, 1),
		changed:  make(map[string]uint64),
		faults:   make(map[string]*cwmp.Fault),
		booted:   time.Now(),
	}
	if err := c.build(); err != nil {
		return nil, err
	}
	id := c.Identity()
	c.log = o.Log.Named("sim.cpe").With(zap.Stringer("device_id", id))
	client, err := cpe.New(cpe.Options{
		Device: (*device)(c), Timeout: o.Timeout, Wait: o.RetryWait, Dial: o.Dial, TLS: o.TLS, Log: o.Log,
		Transport: c.transport, Answered: c.answered,
	})
	if err != nil {
		return nil, err
	}
	c.client = client
	c.client.Note(cwmp.Event{Code: cwmp.EventBootstrap}) // first contact
	return c, nil
}

// build makes the factory tree: the model with this device's own values.
func (c *CPE) build() error {
	o, root := &c.opts, c.model.root
	info, ms := c.model.Root()+"DeviceInfo.", c.model.Root()+"ManagementServer."
	var wrong error
	set := func(path, v string, typ cwmp.Type, writable, only bool) {
		if !root.takesParam(path) {
			wrong = fmt.Errorf("sim/cpe: model %s cannot have the parameter %s", c.model.name, path)
			return
		}
		if !only || root.find(path) == nil {
			root = root.put(path, v, typ, writable)
		}
	}
	own := func(path, v string) { set(path, v, cwmp.TypeString, false, v == "") }
	own(info+"Manufacturer", o.Manufacturer)
	own(info+"ManufacturerOUI", o.OUI)
	own(info+"ProductClass", o.ProductClass)
	own(info+"SerialNumber", o.Serial)
	own(info+"SoftwareVersion", "")
	if p := root.find(info + "SerialNumber"); p != nil && p.expand {
		root = root.put(info+"SerialNumber", "1", cwmp.TypeString, false)
	}
	rw := func(path, v string) { set(path, v, cwmp.TypeString, true, v == "") }
	set(ms+"URL", o.ACS, cwmp.TypeString, true, false)
	rw(ms+"Username", o.Username)
	rw(ms+"Password", o.Password)
	rw(ms+"ConnectionRequestUsername", o.ConnReqUsername)
	rw(ms+"ConnectionRequestPassword", o.ConnReqPassword)
	set(ms+"ConnectionRequestURL", "", cwmp.TypeString, false, false)
	set(ms+"ParameterKey", "", cwmp.TypeString, false, false)
	set(ms+"PeriodicInformEnable", "1", cwmp.TypeBoolean, true, true)
	set(ms+"PeriodicInformInterval", "3600", cwmp.TypeUnsignedInt, true, true)
	if wrong != nil {
		return wrong
	}
	c.periodic(&root, ms)
	root = o.Quirks.tree(root, c.model.Root())
	c.placeholders(root, info)
	c.factory, c.root = root, root
	return nil
}

// periodic applies Options.PeriodicInterval.
func (c *CPE) periodic(root **node, ms string) {
	d := c.opts.PeriodicInterval
	if d == 0 {
		return
	}
	enable := ms + "PeriodicInformEnable"
	*root = (*root).put(enable, canon(cwmp.TypeBoolean, (*root).find(enable).value, strconv.FormatBool(d > 0)),
		cwmp.TypeBoolean, true)
	if d > 0 {
		secs := strconv.FormatInt(int64(max(1, d/time.Second)), 10)
		*root = (*root).put(ms+"PeriodicInformInterval", secs, cwmp.TypeUnsignedInt, true)
	}
}

// placeholders fixes what values with {…} are filled with: address and MAC
// are made from OUI and serial, so that they are the same in every run.
func (c *CPE) placeholders(root *node, info string) {
	value := func(name string) string { return root.find(info + name).value }
	oui, serial := value("ManufacturerOUI"), value("SerialNumber")
	h := fnv.New32a()
	_, _ = h.Write([]byte(oui + "-" + value("ProductClass")))
	n, err := strconv.ParseUint(serial, 10, 32)
	if err != nil { // those of serial numbers in a row must differ, of others they should
		_, _ = h.Write([]byte(serial))
	}
	n += uint64(h.Sum32())
	vendor, err := strconv.ParseUint(oui, 16, 24)
	if err != nil {
		vendor = 0x020000
	}
	c.mac = vendor<<24 | n<<4&0xFFFFF0
	// 100.64.0.0/10, the shared address space of [RFC 6598].
	c.ip = "100." + strconv.FormatUint(64+n/254>>8&63, 10) + "." + strconv.FormatUint(n/254&255, 10) + "." +
		strconv.FormatUint(1+n%254, 10)
	pairs := []string{
		"{serial}", serial, "{oui}", oui, "{pc}", value("ProductClass"), "{ip}", c.ip, "{mac}", macString(c.mac),
	}
	for i := range uint64(16) {
		pairs = append(pairs, "{mac+"+strconv.FormatUint(i, 10)+"}", macString(c.mac+i))
	}
	c.fill = strings.NewReplacer(pairs...)
}

// macString writes the low 48 bits of v.
func macString(v uint64) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, 17)
	for shift := 40; shift >= 0; shift -= 8 {
		if len(b) > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[v>>(shift+4)&15], digits[v>>shift&15])
	}
	return string(b)
}

// errOff ends a power cycle because the device was switched off.
var (
	errOff    = errors.New("switched off")
	errReboot = errors.New("reboot")
)

// Run is the life of the device: it boots, serves and reboots until ctx ends,
// and returns nil then. While switched off it waits. Run may be called once.
func (c *CPE) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if c.isOff() {
			select {
			case <-ctx.Done():
			case <-c.power:
			}
			continue
		}
		err := c.powerCycle(ctx)
		switch {
		case errors.Is(err, errReboot):
			c.pause(ctx)
		case err != nil && !errors.Is(err, errOff) && ctx.Err() == nil:
			return err
		}
	}
	return nil
}

// pause waits until a reboot is over.
func (c *CPE) pause(ctx context.Context) {
	t := time.NewTimer(c.opts.RebootTime)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// powerCycle is the time from a boot to the next reboot or loss of power; it
// returns why it ended. Client, listener and transfers live within it.
func (c *CPE) powerCycle(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer func() {
		cancel(nil)
		wg.Wait()
	}()
	if err := c.listen(ctx, cancel, &wg); err != nil {
		return err
	}
	if !c.boot(ctx, cancel, &wg) {
		return errOff
	}
	if err := c.client.Run(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// listen starts the Connection Request listener, whose URL is new with every
// boot.
func (c *CPE) listen(ctx context.Context, cancel context.CancelCauseFunc, wg *sync.WaitGroup) error {
	if c.opts.ConnReqListen == NoConnReq {
		return nil
	}
	o := cpe.ListenerOptions{
		Address: c.opts.ConnReqListen, Credentials: c.connReqCredentials, Log: c.opts.Log,
		Request: c.called,
		Busy:    func() bool { return c.opts.BusyConnReq && c.inSession() },
	}
	c.opts.Quirks.listener(&o)
	l, err := cpe.NewListener(o)
	if err != nil {
		return err
	}
	if err := l.Listen(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.url = l.URL()
	path := c.model.Root() + "ManagementServer.ConnectionRequestURL"
	c.root = c.root.put(path, c.url, cwmp.TypeString, false)
	c.mu.Unlock()
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			cancel(err)
		}
	})
	return nil
}

// boot begins a power cycle; false if the device was switched off meanwhile.
func (c *CPE) boot(ctx context.Context, cancel context.CancelCauseFunc, wg *sync.WaitGroup) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return false
	}
	c.cycle = cancel
	c.booted = time.Now()
	c.spawn = func(f func(context.Context)) { wg.Go(func() { f(ctx) }) }
	for _, d := range c.transfers {
		if d.state != cwmp.TransferCompleted {
			c.spawn(func(ctx context.Context) { c.transfer(ctx, d) })
		}
	}
	for _, s := range c.scheduled {
		c.spawn(func(ctx context.Context) { c.due(ctx, s) })
	}
	c.bootQuirks()
	c.startSTUN()
	c.client.Note(cwmp.Event{Code: cwmp.EventBoot})
	return true
}

// connReqCredentials are those of the tree, so that a change counts at once.
func (c *CPE) connReqCredentials() (username, password string) {
	if c.opts.Quirks.FactoryLogin {
		return factoryLogin, factoryLogin
	}
	root := c.tree()
	ms := c.model.Root() + "ManagementServer."
	return c.text(root, ms+"ConnectionRequestUsername"), c.text(root, ms+"ConnectionRequestPassword")
}

// tree is the present tree; it never changes.
func (c *CPE) tree() *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.root
}

func (c *CPE) isOff() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off
}

func (c *CPE) inSession() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy
}

// raw is the value of a parameter, with placeholders filled and made up if it
// is live, secrets included.
func (c *CPE) raw(n *node) string {
	switch n.live {
	case liveUptime:
		return strconv.FormatInt(int64(time.Since(c.bootTime())/time.Second), 10)
	case liveClock:
		return time.Now().UTC().Format(time.RFC3339)
	case liveNone:
	}
	if n.expand {
		return c.fill.Replace(n.value)
	}
	return n.value
}

func (c *CPE) bootTime() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.booted
}

// text is the raw value at path; empty if there is none.
func (c *CPE) text(root *node, path string) string {
	if n := root.find(path); n != nil && !n.object {
		return c.raw(n)
	}
	return ""
}

// read is a parameter as the ACS reads it.
func (c *CPE) read(path string, n *node) cwmp.ParameterValue {
	v := cwmp.ParameterValue{Name: path, Type: n.typ}
	if !n.secret {
		v.Value = c.raw(n)
	}
	return v
}
