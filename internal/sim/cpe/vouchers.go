// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// maxOptions bounds the options of a device.
const maxOptions = 64

// voucher is what the sim reads of an Option of a voucher; who signed it is not
// looked at [TR-069 Annex C].
type voucher struct {
	Serial uint32 `xml:"VSerialNum"`
	Option string `xml:"OptionIdent"`
	Start  string `xml:"StartDate"`
}

// setVouchers enables the options that vouchers speak of, all or none
// [TR-069 A.4.1.1].
func (c *CPE) setVouchers(m *cwmp.SetVouchers) cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	options := slices.Clone(c.options)
	for _, text := range m.Vouchers {
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return fault(cwmp.FaultInvalidArguments)
		}
		v, ok := parseVoucher(string(b))
		if !ok {
			return fault(cwmp.FaultInvalidArguments)
		}
		options = slices.DeleteFunc(options, func(o cwmp.Option) bool { return o.Name == v.Option })
		options = append(options, cwmp.Option{
			Name: v.Option, VoucherSN: v.Serial, State: 1, Mode: 2, StartDate: v.Start,
		})
	}
	if len(options) > maxOptions {
		return fault(cwmp.FaultResourcesExceeded)
	}
	c.options = options
	return &cwmp.SetVouchersResponse{}
}

// parseVoucher finds the Option, which lies in an Object of the XML signature.
func parseVoucher(text string) (v voucher, ok bool) {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		t, err := d.Token()
		if err != nil {
			return v, false
		}
		if start, is := t.(xml.StartElement); is && start.Name.Local == "Option" {
			err := d.DecodeElement(&v, &start)
			return v, err == nil && v.Option != "" && len(v.Option) <= 64
		}
	}
}

// getOptions lists the option of that name, or all [TR-069 A.4.1.2].
func (c *CPE) getOptions(m *cwmp.GetOptions) cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	resp := &cwmp.GetOptionsResponse{}
	for _, o := range c.options {
		if m.OptionName == "" || m.OptionName == o.Name {
			resp.Options = append(resp.Options, o)
		}
	}
	if m.OptionName != "" && len(resp.Options) == 0 {
		return fault(cwmp.FaultInvalidArguments)
	}
	return resp
}
