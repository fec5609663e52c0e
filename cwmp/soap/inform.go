// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

func (d *decoder) inform() (cwmp.Message, error) {
	m := &cwmp.Inform{}
	return m, d.each(func(name string) error {
		switch name {
		case "DeviceId":
			return d.deviceID(&m.DeviceID)
		case "Event":
			return d.events(&m.Events)
		case "MaxEnvelopes":
			return d.uint32(&m.MaxEnvelopes)
		case "CurrentTime":
			return d.word(&m.CurrentTime)
		case "RetryCount":
			return d.uint32(&m.RetryCount)
		case "ParameterList":
			return d.parameterValues(&m.Params)
		default:
			return nil
		}
	})
}

// deviceID reads a DeviceId. Its strings are copies: identities live longer
// than the envelope.
func (d *decoder) deviceID(id *cwmp.DeviceID) error {
	return d.each(func(name string) (err error) {
		switch name {
		case "Manufacturer":
			err = d.key(&id.Manufacturer)
			id.Manufacturer = strings.Clone(id.Manufacturer)
		case "OUI":
			err = d.word(&id.OUI)
			id.OUI = strings.Clone(id.OUI)
		case "ProductClass":
			err = d.key(&id.ProductClass)
			id.ProductClass = strings.Clone(id.ProductClass)
		case "SerialNumber":
			err = d.key(&id.SerialNumber)
			id.SerialNumber = strings.Clone(id.SerialNumber)
		}
		return err
	})
}

func (d *decoder) events(list *[]cwmp.Event) error {
	return d.entries(func() error {
		var e cwmp.Event
		err := d.each(func(name string) error {
			switch name {
			case "EventCode":
				return d.word(&e.Code)
			case "CommandKey":
				return d.key(&e.CommandKey)
			default:
				return nil
			}
		})
		*list = append(*list, e)
		return err
	})
}

func (d *decoder) informResponse() (cwmp.Message, error) {
	m := &cwmp.InformResponse{}
	return m, d.each(func(name string) error {
		if name == "MaxEnvelopes" {
			return d.uint32(&m.MaxEnvelopes)
		}
		return nil
	})
}

func (w *writer) inform(m *cwmp.Inform) {
	w.open("DeviceId")
	w.text("Manufacturer", m.DeviceID.Manufacturer)
	w.text("OUI", m.DeviceID.OUI)
	w.text("ProductClass", m.DeviceID.ProductClass)
	w.text("SerialNumber", m.DeviceID.SerialNumber)
	w.close("DeviceId")
	w.openArray("Event", "cwmp:EventStruct", len(m.Events))
	for i := range m.Events {
		w.open("EventStruct")
		w.text("EventCode", m.Events[i].Code)
		w.text("CommandKey", m.Events[i].CommandKey)
		w.close("EventStruct")
	}
	w.close("Event")
	w.uint32("MaxEnvelopes", max(m.MaxEnvelopes, 1))
	w.time("CurrentTime", m.CurrentTime)
	w.uint32("RetryCount", m.RetryCount)
	w.parameterValues(m.Params, true)
}
