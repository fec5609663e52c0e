// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// One conversation of the stock USP Controller library usp-js with an Agent
// over MQTT. It prints a line per step and exits 0 only if all gave what they
// should. The environment says where: HOST, PORT, AGENT, RENAME (a URL that
// makes somebody rename the Wi-Fi at the device itself).

"use strict";

const assert = require("node:assert");
const http = require("node:http");
const connect = require("usp-js").default;

const { HOST, PORT, AGENT, RENAME } = process.env;
const CONTROLLER = "self::uspjs";
const LIMIT = 20000;

const step = (name, value) => console.log(name + ": " + JSON.stringify(value));

const within = (promise, what) =>
  Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error("no " + what)), LIMIT).unref()),
  ]);

const fetch = (url) =>
  new Promise((resolve, reject) => http.get(url, (r) => r.resume().on("end", resolve)).on("error", reject));

async function run() {
  const usp = await connect(
    {
      protocol: "mqtt", host: HOST, port: Number(PORT), clientId: CONTROLLER,
      fromId: CONTROLLER, toId: AGENT,
      subscribeEndpoint: "usp/v1/controller/" + CONTROLLER,
      publishEndpoint: "usp/v1/agent/" + AGENT,
    },
    { onError: (err) => console.log("onError: " + err) },
  );

  step("supportedProto", await within(usp.supportedProto("1.4"), "supported protocol"));

  const ssid = await within(usp.get("Device.WiFi.SSID.1.SSID"), "answer to get");
  step("get", ssid);
  assert.ok(typeof ssid === "string" && ssid.length > 0, "SSID is " + JSON.stringify(ssid));

  const set = await within(usp.set("Device.WiFi.SSID.1.", { SSID: "named by usp-js" }), "answer to set");
  step("set", set);
  assert.strictEqual(await usp.get("Device.WiFi.SSID.1.SSID"), "named by usp-js");

  const row = await within(
    usp.add("Device.NAT.PortMapping.", {
      Enable: "true", ExternalPort: "8080", InternalPort: "80", InternalClient: "192.168.1.10", Protocol: "TCP",
    }),
    "answer to add",
  );
  step("add", row);
  assert.match(row, /^Device\.NAT\.PortMapping\.\d+\.$/);
  assert.strictEqual(await usp.get(row + "ExternalPort"), "8080");

  const notified = new Promise((resolve) => {
    usp
      .subscribe({ id: "ssid", notif: "ValueChange", reference: "Device.WiFi.SSID.1.SSID" }, resolve)
      .then((clear) => step("subscribe", typeof clear));
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  await fetch(RENAME);
  step("notification", await within(notified, "notification"));

  const [reboot, clean] = await usp.operate("Device.Reboot()", { commandKey: "uspjs-1" });
  const done = new Promise((resolve) => reboot.subscribe(resolve));
  await reboot({});
  step("operate", await within(done, "OperationComplete"));
  await clean();

  const gone = await within(usp.del(row), "answer to delete");
  step("delete", gone);
  assert.deepStrictEqual([].concat(gone), [row]);

  await usp.disconnect();
}

run().then(
  () => process.exit(0),
  (err) => {
    console.error(err);
    process.exit(1);
  },
);
