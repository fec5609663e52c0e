// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// lineTestCommands are the tests of a line: DSL and ATM. The rules have no lines of TR-098
// to run them on.
func lineTestCommands() []*command {
	list := []*diagnostic{
		{
			name: "ADSLLineTest()", object: "Device.DSL.Diagnostics.", of: needs{tr181: "DSL.Diagnostics.ADSLLineTest."},
			in: []string{"Interface"},
			out: []string{
				"ACTATPds", "ACTATPus", "ACTPSDds", "ACTPSDus", "BITSpsds", "BITSpsus", "HLINGds", "HLINGus",
				"HLINSCds", "HLINSCus", "HLINpsds", "HLINpsus", "HLOGGds", "HLOGGus", "HLOGMTds", "HLOGMTus",
				"HLOGpsds", "HLOGpsus", "LATNpbds", "LATNpbus", "QLNGds", "QLNGus", "QLNMTds", "QLNMTus",
				"QLNpsds", "QLNpsus", "SATNds", "SATNus", "SNRGds", "SNRGus", "SNRMTds", "SNRMTus", "SNRpsds",
				"SNRpsus",
			},
		},
		{
			name: "SELTUER()", object: "Device.DSL.Diagnostics.", of: needs{tr181: "DSL.Diagnostics.SELTUER."},
			in: []string{"Interface", "UERMaxMeasurementDuration"},
			out: []string{
				"ExtendedBandwidthOperation", "UER", "UERGroupSize", "UERScaleFactor", "UERVar",
			},
		},
		{
			name: "SELTQLN()", object: "Device.DSL.Diagnostics.", of: needs{tr181: "DSL.Diagnostics.SELTQLN."},
			in: []string{"Interface", "QLNMaxMeasurementDuration"},
			out: []string{
				"ExtendedBandwidthOperation", "QLN", "QLNGroupSize",
			},
		},
		{
			name: "SELTP()", object: "Device.DSL.Diagnostics.", of: needs{tr181: "DSL.Diagnostics.SELTP."},
			in: []string{
				"Interface", "CapacityEstimateEnabling", "CapacitySignalPSD", "CapacityNoisePSD", "CapacityTargetMargin",
			},
			out: []string{
				"AttenuationCharacteristics", "CapacityEstimate", "LoopLength", "LoopTermination",
				"LoopTopology", "MissingFilter", "TFlogGroupSize",
			},
		},
		{
			name: "F5Loopback()", object: "Device.ATM.Diagnostics.", of: needs{tr181: "ATM.Diagnostics.F5Loopback."},
			in: []string{"Interface", "NumberOfRepetitions", "Timeout"},
			out: []string{
				"AverageResponseTime", "FailureCount", "MaximumResponseTime", "MinimumResponseTime",
				"SuccessCount",
			},
		},
	}
	commands := make([]*command, len(list))
	for i, d := range list {
		d.required = []string{"Interface"}
		d.status = []string{statusComplete, "Error_Internal", statusOther}
		commands[i] = d.command()
	}
	return commands
}
