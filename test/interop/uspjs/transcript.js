// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Holds a conversation of test/transcript with an Agent over MQTT, as far as the stock
// USP Controller library usp-js has words for it, and prints what the library makes of
// each answer as "said" and one line of JSON. HOST, PORT and AGENT say where, FILES is the URL of a file server; STEPS is the
// conversation, a JSON array of {verb, name, …}.

"use strict";

const connect = require("usp-js").default;

const { HOST, PORT, AGENT, FILES, STEPS } = process.env;
const CONTROLLER = "self::transcript";
const LIMIT = 20000;

const within = (promise, what) =>
  Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error("no answer to " + what)), LIMIT).unref()),
  ]);

// find returns the first value of a key, at any depth.
const find = (value, key) => {
  if (typeof value !== "object" || value === null) return undefined;
  if (typeof value[key] === "string") return value[key];
  for (const v of Object.values(value)) {
    const found = find(v, key);
    if (found !== undefined) return found;
  }
  return undefined;
};

const names = { $files: FILES };
const fill = (text) => Object.keys(names).reduce((t, n) => t.split(n).join(names[n]), text);
const filled = (value) => JSON.parse(fill(JSON.stringify(value)));

// values makes the settings of a Set or Add.
const values = (step) =>
  step.objects.map((o) => {
    const out = { allowPartial: step.partial };
    for (const p of o.params || []) out[p.name] = { value: p.value, required: p.required };
    return out;
  });

// settle waits until a count is 0.
const settle = async (usp, path) => {
  while ((await usp.get(path)) !== "0") await new Promise((resolve) => setTimeout(resolve, 20));
  return "0";
};

const say = (usp, step) => {
  const paths = step.objects ? step.objects.map((o) => o.path) : step.paths;
  switch (step.verb) {
    case "Get":
      return usp.get(paths, { raw: true, max_depth: step.depth });
    case "GetInstances":
      return usp.instances(paths, { firstLevelOnly: step.first });
    case "GetSupportedDM":
      return usp.supportedDM(paths, {
        firstLevelOnly: step.first, returnParams: step.params, returnCommands: step.commands, returnEvents: step.events,
      });
    case "GetSupportedProtocol":
      return usp.supportedProto("1.4");
    case "Set":
      return usp.set(paths, values(step), { raw: true });
    case "Add":
      return usp.add(paths, values(step), { raw: true });
    case "Delete":
      return usp.del(paths, step.partial);
    case "Settle":
      return settle(usp, paths[0]);
    case "Operate":
      return usp._operate(step.command, "OPERATE@" + Math.random(), true, step.args);
    default:
      return Promise.reject(new Error("no word for " + step.verb));
  }
};

async function run() {
  const usp = await connect({
    protocol: "mqtt", host: HOST, port: Number(PORT), clientId: CONTROLLER, fromId: CONTROLLER, toId: AGENT,
    subscribeEndpoint: "usp/v1/controller/" + CONTROLLER, publishEndpoint: "usp/v1/agent/" + AGENT,
  });
  for (const template of JSON.parse(STEPS)) {
    const step = filled(template);
    let line;
    try {
      const result = await within(say(usp, step), template.verb);
      line = { result };
      if (template.name) {
        names[template.name] = (find(result, "instantiatedPath") || find(result, "reqObjPath") || "").replace(/\.$/, "");
        line.path = names[template.name];
      }
    } catch (err) {
      line = { error: err instanceof Error ? { message: err.message } : err };
    }
    console.log("said " + JSON.stringify(line)); // the library prints lines of its own
  }
  await usp.disconnect();
}

run().then(
  () => process.exit(0),
  (err) => {
    console.error(err);
    process.exit(1);
  },
);
