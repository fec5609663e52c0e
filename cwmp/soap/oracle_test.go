// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"encoding/xml"

	"github.com/uspgate/uspgate/cwmp/wsdl"
)

// oracleEnvelope reads an envelope with encoding/xml into the types that
// gowsdl made of the WSDL.
type oracleEnvelope struct {
	XMLName xml.Name `xml:"Envelope"`
	Header  struct {
		ID             *string `xml:"ID"`
		HoldRequests   bool    `xml:"HoldRequests"`
		SessionTimeout uint32  `xml:"SessionTimeout"`
	} `xml:"Header"`
	Body struct {
		GetParameterValuesResponse *wsdl.GetParameterValuesResponse `xml:"GetParameterValuesResponse"`
	} `xml:"Body"`
}
