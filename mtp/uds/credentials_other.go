// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package uds

// socketCredentials: the ways of other systems are not known here.
func socketCredentials(int) (Credentials, error) { return Credentials{}, errNoCredentials }
