// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package deploy holds the tests of the files in the folder deploy.
package deploy
