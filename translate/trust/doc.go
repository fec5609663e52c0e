// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package trust decides what a Controller may do with which part of a data model: the
// Permissions of the Roles that it has, as Device.LocalAgent.ControllerTrust. describes
// them [TR-369 Roles (Access Control)]. It knows neither Agents nor how Roles are stored.
package trust
