// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "github.com/uspgate/uspgate/cwmp"

func (d *decoder) setVouchers() (cwmp.Message, error) {
	m := &cwmp.SetVouchers{}
	return m, d.each(func(name string) error {
		if name == "VoucherList" {
			return d.words(&m.Vouchers)
		}
		return nil
	})
}

func (d *decoder) getOptions() (cwmp.Message, error) {
	m := &cwmp.GetOptions{}
	return m, d.each(func(name string) error {
		if name == "OptionName" {
			return d.key(&m.OptionName)
		}
		return nil
	})
}

func (d *decoder) getOptionsResponse() (cwmp.Message, error) {
	m := &cwmp.GetOptionsResponse{}
	return m, d.each(func(name string) error {
		if name != "OptionList" {
			return nil
		}
		return d.entries(func() error { return d.option(m) })
	})
}

func (d *decoder) option(m *cwmp.GetOptionsResponse) error {
	var o cwmp.Option
	err := d.each(func(name string) error {
		switch name {
		case "OptionName":
			return d.key(&o.Name)
		case "VoucherSN":
			return d.uint32(&o.VoucherSN)
		case "State":
			return d.code(&o.State)
		case "Mode":
			return d.code(&o.Mode)
		case "StartDate":
			return d.word(&o.StartDate)
		case "ExpirationDate":
			return d.word(&o.ExpirationDate)
		case "IsTransferable":
			return d.flag(&o.IsTransferable)
		default:
			return nil
		}
	})
	m.Options = append(m.Options, o)
	return err
}

func (w *writer) setVouchers(m *cwmp.SetVouchers) {
	w.openArray("VoucherList", "soap-enc:base64", len(m.Vouchers))
	for _, v := range m.Vouchers {
		w.text("base64", v)
	}
	w.close("VoucherList")
}

func (w *writer) getOptionsResponse(m *cwmp.GetOptionsResponse) {
	w.openArray("OptionList", "cwmp:OptionStruct", len(m.Options))
	for i := range m.Options {
		o := &m.Options[i]
		w.open("OptionStruct")
		w.text("OptionName", o.Name)
		w.uint32("VoucherSN", o.VoucherSN)
		w.int("State", o.State)
		w.int("Mode", o.Mode)
		w.time("StartDate", o.StartDate)
		w.textIf("ExpirationDate", o.ExpirationDate)
		w.bool("IsTransferable", o.IsTransferable)
		w.close("OptionStruct")
	}
	w.close("OptionList")
}
