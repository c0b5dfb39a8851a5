// One node of a flow as it leaves the host: flows.js says what is read, this which properties of each kind are kept, and
// what stands in place of their values. Part of the first process.
"use strict";

// --- where verification is off: probes/flows/weak.py

const isSaid = (value, wanted) => value === wanted || isText(value) && value.toLowerCase() === String(wanted);

function setsOff(rule) {
  const name = textOf(rule.p).split(".").pop().replace(/^["'\]]+|["'\]]+$/g, "").toLowerCase();
  if (Object.hasOwn(FLOWS.off, name)) return isSaid(rule.to, FLOWS.off[name]);
  if (rule.tot === "jsonata" && isText(rule.to)) return holds("inCode", rule.to);
  if (rule.tot !== "json" || !isText(rule.to)) return false;
  const said = attempt(() => JSON.parse(rule.to), null);
  return isRow(said) && isSaid(said.rejectUnauthorized, false);
}

function weakness(node) { // properties by which a reading sees that a node verifies nothing, or takes old versions
  const code = FLOWS.code.filter((name) => isText(node[name])).map((name) => bare(node[name]));
  const off = Object.entries(node).some(([name, value]) => Object.hasOwn(FLOWS.off, name.toLowerCase())
      && isSaid(value, FLOWS.off[name.toLowerCase()]))
    || ["e-mail", "e-mail in"].includes(node.type) && node.tls === false || code.some((one) => holds("inCode", one) || holds("commands", one))
    || rowsOf(node.rules).some((one) => (one.t === undefined || one.t === "set") && setsOff(one));
  const old = code.some((one) => holds("old", one)) || Object.entries(node).some(([name, value]) => isText(value)
    && ["minversion", "secureprotocol", "tlsversion", "sslversion"].includes(name.toLowerCase()) && whole("oldValue", value));
  return { ...off && { rejectUnauthorized: false }, ...old && { minVersion: "TLSv1" } };
}

function isHere(url) {
  const after = url.slice(url.indexOf("://") + 3);
  const authority = after.split(/[/?#]/, 1)[0].replace(/^.*@/s, "");
  const host = (/^\[(.*)\]/.exec(authority) || [, authority.split(":")[0]])[1].toLowerCase().replace(/\.+$/, "");
  return FLOWS.here.includes(host) || Boolean(whole("environment", after)) || /[{}$]/.test(after.slice(0, 80))
    || /^127\.\d+\.\d+\.\d+$/.test(host) || host === "::1" || host.endsWith(".localhost");
}

function loginInClear(node, url) {
  if (!url.toLowerCase().startsWith("http://") || isHere(url)) return false;
  const headers = Array.isArray(node.headers) ? JSON.stringify(node.headers).toLowerCase() : "";
  return ["basic", "digest", "bearer"].includes(node.authType) || url.slice(7).split("/", 1)[0].includes("@")
    || headers.includes("authorization");
}

function brokerInClear(node, said) {
  const scheme = said.includes("://") ? said.toLowerCase().split("://", 1)[0] : "mqtt";
  return node.usetls !== true && ["mqtt", "tcp", "ws"].includes(scheme) && !isHere(said.includes("://") ? said : `mqtt://${said}`);
}

// --- what decides: probes/flows/taint.py

const rootOf = (name) => textOf(name).replace(/^msg\./, "").split(/[.[]/, 1)[0].slice(0, 200);
const placed = (name) => { // a property's path with dots alone
  const said = textOf(name).replace(/^msg\./, "").replace(re("brackets"), (_, word, number) => `.${word || number}`).slice(0, 200);
  return !said || whole("path", said) ? said : `${rootOf(name)}.?`;
};
const wordsIn = (said) => {
  const bare = isText(said) ? said.replace(re("quoted"), "''") : "";
  return [...every("word", bare).map((one) => one[1]), ...bare.search(re("wholeMessage")) >= 0 ? ["$"] : [],
    ...isText(said) ? every("inContext", said).map((one) => `$flowContext(${one[1] ? JSON.stringify(one[1]) : ""})`) : []].join(" ");
};
const tagsIn = (said) => isText(said) ? every("tag", said).map((one) => `{{${one[1].slice(0, 200)}}}`).join("") : "";
const CONTEXT = ["flow", "global"];
const taken = (said, typed) => typed === "jsonata" ? wordsIn(said) : typed === "msg" ? placed(said) : CONTEXT.includes(typed) ? rootOf(said) : "";
const put = (said, typed) => (typed || "str") === "str" ? tagsIn(said) : taken(said, typed); // in a template too

const RULES = {
  change: (row) => ({ t: row.t, p: placed(row.p), pt: row.pt, to: row.t === "move" ? placed(row.to) : taken(row.to, row.tot), tot: row.tot }),
  switch: (row) => ({ t: row.t, vt: row.vt, v: row.t === "istype" ? ["number", "boolean", "null", "undefined"].find((one) => one === row.v)
    : row.t === "regex" && isText(row.v) && whole("closed", row.v) ? "^a$" : undefined }),
};

const KEPT = { // of each kind of node, what else decides what it does
  tab: (node) => ({ disabled: node.disabled }),
  subflow: (node) => ({ in: node.in, out: node.out }),
  exec: (node) => ({ addpay: isText(node.addpay) ? placed(node.addpay) : node.addpay, useSpawn: node.useSpawn }),
  function: (node) => ({ func: isText(node.func) ? shortest(node.func, node.libs) : undefined }),
  template: (node) => ({ field: node.field === undefined ? undefined : placed(node.field), fieldType: node.fieldType, syntax: node.syntax,
    template: tagsIn(node.template) }),
  change: (node) => Array.isArray(node.rules) ? { rules: rowsOf(node.rules).map(RULES.change) }
    : { action: node.action, property: placed(node.property) },
  switch: (node) => ({ property: node.property === undefined ? undefined : placed(node.property), propertyType: node.propertyType,
    rules: Array.isArray(node.rules) ? rowsOf(node.rules).map(RULES.switch) : undefined }),
  trigger: (node) => ({ op1type: node.op1type, op2type: node.op2type, op1: put(node.op1, node.op1type), op2: put(node.op2, node.op2type) }),
  inject: (node) => ({ props: Array.isArray(node.props) ? rowsOf(node.props).map((row) => ({ p: placed(row.p), vt: row.vt,
    ...Object.hasOwn(row, "v") && { v: taken(row.v, row.vt) } })) : undefined, payloadType: node.payloadType, payload: taken(node.payload, node.payloadType) }),
  range: (node) => ({ property: placed(node.property) }),
  html: (node) => ({ property: placed(node.property), outproperty: placed(node.outproperty) }),
  split: (node) => ({ addname: placed(node.addname) }),
  debug: (node) => ({ tostatus: node.tostatus }),
  status: (node) => ({ scope: node.scope }),
  "link in": () => ({}),
  "link out": (node) => ({ mode: node.mode, links: node.links }),
  "link call": (node) => ({ linkType: node.linkType, links: node.links }),
  catch: (node) => ({ scope: node.scope }),
  complete: (node) => ({ scope: node.scope }),
  file: (node) => ({ filenameType: node.filenameType, filename: node.filenameType ? taken(node.filename, node.filenameType) : node.filename ? "x" : "" }),
  "http in": (node) => ({ method: node.method, url: node.url }),
  "http request": (node, value) => {
    const url = textOf(value("url")), raw = textOf(node.url), from = begins("wholeUrl", raw);
    const clear = loginInClear(node, url);
    return { url: !raw ? "" : from ? `{{${placed(from[1])}}}` : clear ? "http://x.invalid/" : "x", authType: clear ? "basic" : undefined };
  },
  "mqtt-broker": (node, value) => ({ broker: brokerInClear(node, textOf(value("broker"))) ? "x.invalid" : "localhost" }),
  "mqtt in": (node) => ({ broker: node.broker, topic: !textOf(node.topic) ? "" : /[#+]/.test(node.topic) ? "#" : "x" }),
  "websocket in": (node) => ({ server: node.server }),
  "websocket-listener": (node) => ({ path: node.path, wholemsg: node.wholemsg }),
  "tcp in": (node) => ({ server: node.server, port: node.port }),
  "tcp out": (node) => ({ beserver: node.beserver, port: node.port }),
  sqlite: (node) => ({ sqlquery: !node.sqlquery || ["msg.topic", "batch"].includes(node.sqlquery) ? node.sqlquery : "fixed" }),
  MSSQL: (node) => ({ queryOptType: node.queryOptType, queryOpt: node.queryOptType === "msg" ? placed(node.queryOpt) : undefined, outField: placed(node.outField),
    query: node.query ? tagsIn(node.query) || "x" : node.query, parseMustache: node.parseMustache }),
  postgresql: (node) => ({ query: tagsIn(node.query) }),
  "worldmap in": (node) => ({ path: node.path }),
};
KEPT["file in"] = KEPT.file;
const PLACES = ["group", "page", "ui", "fd", "fd_container", "dashboard"]; // nodes that say where a widget is

function short(value, depth = 6) { // what no node of Node-RED's needs to be longer
  if (isText(value)) return value.slice(0, 500);
  if (!depth || value === null || typeof value !== "object") return depth ? value : undefined;
  return Array.isArray(value) ? value.slice(0, 5000).map((one) => short(one, depth - 1))
    : Object.fromEntries(Object.entries(value).slice(0, 50).map(([name, one]) => [name.slice(0, 100), short(one, depth - 1)]));
}

const OPENS = { "http in": ["url"], "websocket-listener": ["path"], "tcp in": ["port"], "tcp out": ["port"], "worldmap in": ["path"] };
const opensAt = (node) => [OPENS, FLOWS.listeners].flatMap((table) => Object.hasOwn(table, node.type) ? table[node.type] : []);

function reducedFlows(nodes) { // every node by what it is and where its messages go
  const holders = new Map(nodes.filter((one) => ["tab", "subflow"].includes(one.type)).map((one) => [textOf(one.id), one]));
  const ids = new Set(nodes.map((one) => textOf(one.id)));
  const said = (holder) => new Map(rowsOf(own(holder).env).filter((one) => isText(one.name) && ["str", "num"].includes(one.type))
    .map((one) => [one.name, one.value]));
  const common = said(nodes.find((one) => one.type === "global-config" && one.d !== true));
  const ownValues = new Map([...holders].map(([ident, holder]) => [ident, said(holder)]));
  const name = (value) => isText(value) && !inText(value).length ? value : undefined;
  const asked = new Set(nodes.flatMap((node) => opensAt(node).map((key) => isText(node[key]) && whole("environment", node[key])).filter(Boolean)
    .map((match) => match[1] || match[2]))); // variables that decide paths and ports
  return nodes.map((node) => {
    const value = (key) => { // of a property, with its environment variable put in
      const raw = node[key], match = isText(raw) && whole("environment", raw);
      const wanted = match && (match[1] || match[2]), here = match && ownValues.get(textOf(node.z));
      return !match ? raw : here && here.has(wanted) ? here.get(wanted) : common.has(wanted) ? common.get(wanted) : raw;
    };
    const kept = Object.hasOwn(KEPT, node.type) ? KEPT[node.type](node, value) : {};
    for (const key of opensAt(node)) kept[key] = node[key];
    if (asked.size && Array.isArray(node.env)) kept.env = rowsOf(node.env).filter((one) => asked.has(one.name) && ["str", "num"].includes(one.type))
      .map((one) => ({ name: one.name, type: one.type, value: one.value }));
    for (const key of PLACES) if (ids.has(textOf(node[key]))) kept[key] = node[key];
    const refers = [...new Set(Object.entries(node).filter(([key, one]) => key !== "id" && isText(one) && ids.has(one)).map(([, one]) => one))];
    return short({ ...Object.fromEntries(refers.map((one, place) => [`r${place}`, one])), ...weakness(node), ...kept, id: node.id, type: node.type,
      z: node.z, g: node.g, d: node.d, wires: node.wires, name: name(node.name), label: name(node.label) });
  });
}

function graphOf(file) { // the flows that run, as far as a reading needs them
  try {
    const parsed = JSON.parse(bounded(file, FLOWS.limit));
    const nodes = Array.isArray(parsed) ? parsed : own(parsed).flows;
    if (!Array.isArray(nodes) || !nodes.every(isRow)) throw failure("it holds no flows of Node-RED");
    const seen = { file, nodes: reducedFlows(nodes), secrets: secretsIn(nodes) };
    if (JSON.stringify(seen).length > FLOWS.limit >> 1) throw failure("what it holds is more than is read");
    return seen;
  } catch (error) {
    return { file, trouble: ours.has(error) ? error.message : error.code === "ENOENT" ? "there is no such file"
      : error.code ? "it cannot be read" : "it is no JSON" };
  }
}
