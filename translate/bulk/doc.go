// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package bulk writes the reports of Device.BulkData.Profile.{i}. [TR-369 Bulk Data
// Collection]: what a parameter is called in a report, and the text of one in JSON or CSV.
// It knows neither Agents nor where values come from. All of it is safe for concurrent use.
package bulk
