// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// SetVouchers gives the CPE option vouchers [TR-069 A.4.1.3]. Each is base64,
// as on the wire.
type SetVouchers struct{ Vouchers []string }

// Method returns "SetVouchers".
func (*SetVouchers) Method() string { return "SetVouchers" }
func (*SetVouchers) isRequest()     {}

// SetVouchersResponse answers it.
type SetVouchersResponse struct{}

// Method returns "SetVouchersResponse".
func (*SetVouchersResponse) Method() string { return "SetVouchersResponse" }
func (*SetVouchersResponse) isResponse()    {}

// GetOptions reads the options that vouchers have set [TR-069 A.4.1.4]. An
// empty OptionName means all of them.
type GetOptions struct{ OptionName string }

// Method returns "GetOptions".
func (*GetOptions) Method() string { return "GetOptions" }
func (*GetOptions) isRequest()     {}

// GetOptionsResponse answers it.
type GetOptionsResponse struct{ Options []Option }

// Method returns "GetOptionsResponse".
func (*GetOptionsResponse) Method() string { return "GetOptionsResponse" }
func (*GetOptionsResponse) isResponse()    {}

// Option is an OptionStruct. Times are as sent; an empty ExpirationDate is
// absent on the wire.
type Option struct {
	Name           string
	VoucherSN      uint32
	State          int // 0 to 3
	Mode           int // 0 disabled, 1 enabled with an expiration date, 2 without
	StartDate      string
	ExpirationDate string
	IsTransferable bool
}
