// The flows that run, reduced where they lie: types, wiring, paths and ports leave the host, code and values do not. What
// a node does with its message is said in a node of the same kind, as short as can be, so that one reading judges both.
// INPUT.flows has the patterns and tables of probes/flows (elsewhere.py): what is read here is read as it is there.
// Part of the first process; evaluate.js has `attempt`, `own`, `listOf` and `printable`.
"use strict";
const FLOWS = own(INPUT.flows);
const MADE = new Map(); // patterns that were needed
function re(name, form = "any") {
  const key = `${form} ${name}`;
  if (!MADE.has(key)) {
    const [source, flags] = FLOWS.patterns[name];
    MADE.set(key, form === "whole" ? new RegExp(`^(?:${source})$`, flags) : new RegExp(source, (form === "start" ? "y" : "g") + flags));
  }
  return MADE.get(key);
}
const every = (name, said) => [...said.matchAll(re(name))];
const holds = (name, said) => said.search(re(name)) >= 0;
const whole = (name, said) => re(name, "whole").exec(said);
const begins = (name, said) => { re(name, "start").lastIndex = 0; return re(name, "start").exec(said); };
const isText = (value) => typeof value === "string";
const isRow = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const rowsOf = (value) => listOf(value).filter(isRow);
const textOf = (value) => isText(value) ? value : Number.isInteger(value) || typeof value === "boolean" ? String(value) : "";
const lengthOf = (said) => /[\ud800-\udfff]/.test(said) ? [...said].length : said.length;

function bounded(file, most) { // the contents of a regular file, of no more than so many bytes
  const handle = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK); // a pipe must not hold us up
  try {
    const stat = fs.fstatSync(handle);
    if (!stat.isFile()) throw failure(`${printable(file)} is no regular file`);
    if (stat.size > most) throw failure(`${printable(file)} has more than ${most >> 20} MiB`);
    const buffer = Buffer.alloc(stat.size);
    let size = 0, read = 0;
    while (size < buffer.length && (read = fs.readSync(handle, buffer, size, buffer.length - size, null))) size += read;
    return buffer.toString("utf8", 0, size).replace(/^\uFEFF/, "");
  } finally {
    fs.closeSync(handle);
  }
}

// --- what the code of a function does: probes/flows/code.py; sending.js goes on

const bare = (code) => code.replace(re("comments"), (_, kept) => kept || " ");

const keysIn = (pattern, code) => [...new Set(every(pattern, code).map((one) => one[2] || ""))];

function items(said) {
  const inner = /^\s*\[([\s\S]*)\]\s*$/.exec(said);
  if (inner && inner[1].split(",").every((one) => whole("constant", one))) return "[]";
  const callback = /^\s*(async\s*)?(function\b|\(|\w+\s*=>)/.test(said);
  return callback && (said.includes("=>") || said.includes("function")) ? "[]" : said;
}

function isGiven(name, code, start) {
  const [first, ...more] = argumentsAt(code, start);
  return ![first, ...FLOWS.twoArguments.includes(name) ? more.slice(0, 1) : []].every((said) => isConstant(items(said), code));
}

function runs(code) {
  const calls = every("call", code);
  return !calls.length || calls.some((one) => isGiven(one[1], code, one.index + one[0].length));
}

function callsOf(code, held, modules) { // what is called of some modules, or of any: the last name, and the first argument
  const calls = every("atOnce", code).filter((one) => !modules || modules.includes(one[1])).map((one) => [one[2], one]);
  for (const variable of new Set(held.filter((one) => one[0] && (!modules || modules.includes(one[1]))).map((one) => one[0]))) {
    const called = new RegExp(`(?<![\\w.$])${variable.replace(/[^\w]/g, "\\$&")}((?:\\s*\\.\\s*\\w+)*)\\s*\\(`, "g");
    calls.push(...[...code.matchAll(called)].map((one) => [one[1], one]));
  }
  return calls.map(([name, one]) => [name.split(".").pop().trim(), argumentsAt(code, one.index + one[0].length)[0]]);
}

function decidesHost(said, code, depth = 0) {
  const name = said.trim();
  if (isConstant(said, code) || begins("fixedHost", said)) return false;
  if (depth < FLOWS.followed && name.startsWith("{")) return every("address", said).some((one) => decidesHost(one[1], code, depth + 1));
  if (depth === FLOWS.followed || !/^[A-Za-z_$][\w$]*$/.test(name)) return true;
  const assigned = [...code.matchAll(new RegExp(`(?<![\\w.$])${name.replace(/\$/g, "\\$")}\\s*\\+?=(?![=>])`, "g"))];
  return !assigned.length || assigned.some((one) => {
    const value = argumentsAt(code, one.index + one[0].length)[0];
    return decidesHost(/^\s*\{/.test(value) ? value : value.split(/[;\n]/, 1)[0], code, depth + 1);
  });
}

function shows(said, code) { // whether a status is more than constants
  if (!/^\s*\{/.test(said) || said.includes("...")) return !isConstant(said, code);
  return every("pair", said).some((one) => one[1] === "text" && !isConstant(one[2], code));
}

function shortest(body, libs) { // a function that does to its message what this one does, and no more
  const code = bare(body.slice(0, FLOWS.longestCode));
  const unread = body.length > FLOWS.longestCode || code.split(/[=({[]/).length - 1 > FLOWS.densest;
  const leaves = unread ? { sets: [], clears: [], wild: true } : sent(code);
  const given = rowsOf(libs).map((one) => [textOf(one.var), textOf(one.module).replace(/^node:/, "")]);
  const found = every("held", code).map((one) => [one[1], one[2]]), held = [...given, ...found];
  const modules = new Set([...held.map((one) => one[1]), ...every("requires", code).map((one) => one[1])]);
  const sets = new Set(unread ? [] : [...leaves.sets, ...every("pair", code).filter((one) => !isConstant(one[2], code)).map((one) => one[1]),
    ...every("shorthand", code).map((one) => one[1])]);
  const may = listOf(libs).length || holds("words", body), first = (one) => argumentsAt(code, one.index + one[0].length)[0];
  const has = (names) => names.some((one) => modules.has(one));
  const ran = may && (unread ? has(FLOWS.runners) || holds("evaluates", code) || holds("byAnyName", code) : every("evaluates", code).some((one) => !isConstant(first(one), code)) || has(FLOWS.runners) && runs(code)
    || every("byAnyName", code).some((one) => isGiven(one[1], code, one.index + one[0].length))
    || callsOf(code, found, null).some(([name, said]) => FLOWS.starts.includes(name) && !isConstant(items(said), code)));
  const opens = may && (unread ? has(FLOWS.files) : callsOf(code, held, FLOWS.files).some(([, said]) => !isConstant(items(said), code)));
  const asks = may && (unread ? has(FLOWS.requesters) : callsOf(code, held, FLOWS.requesters).some(([, said]) => decidesHost(said, code)));
  const wild = leaves.wild || holds("wild", code), key = (name) => name ? JSON.stringify(name) : "k";
  const loads = body.includes(".get(") ? keysIn("gets", code) : [], stores = body.includes(".set(") ? keysIn("sets", code) : [];
  return [...wild ? ["msg=y;"] : [], ...[...sets].map((name) => `msg["${name}"]=y;`),
    ...[...leaves.clears].filter((name) => !sets.has(name)).map((name) => `msg["${name}"]=1;`),
    ...ran ? ["eval(y);"] : [], ...opens ? ['require("fs").open(y);'] : [], ...asks ? ['require("axios").get(y);'] : [],
    ...unread || every("status", code).some((one) => shows(first(one), code)) ? ["node.status(y);"] : [],
    ...stores.map((name) => `flow.set(${key(name)});`), ...loads.map((name) => `flow.get(${key(name)});`), "return msg;"].join("\n");
}

// --- secrets: probes/flows/secrets.py

const KINDS = new Map(); // what a property's name tells: names are few

function kindOfName(name) {
  if (!KINDS.has(name))
    KINDS.set(name, whole("header", name) ? "header" : whole("sure", name) ? "password" : whole("maybe", name) ? "maybe" : "");
  return KINDS.get(name);
}

function isRandom(value) {
  if (lengthOf(value) < FLOWS.long || !whole("token", value) || value.startsWith("/") || value.includes("://")) return false;
  if (whole("dotted", value) || !/\p{Nd}/u.test(value) || !/[A-Za-z]/.test(value)) return false;
  const letters = [...value], counts = new Map();
  for (const one of letters) counts.set(one, (counts.get(one) || 0) + 1);
  return -[...counts.values()].reduce((sum, one) => sum + one / letters.length * Math.log2(one / letters.length), 0) >= FLOWS.bits;
}

function byName(kind, value, key, holder) {
  if (isRow(holder) && FLOWS.suffixes.some((one) => FLOWS.noLiteral.includes(holder[key + one]))) return [];
  const size = lengthOf(value), stripped = value.trim();
  if (size > FLOWS.longestSecret || whole("placeholder", stripped)) return [];
  if (kind === "header") {
    const scheme = begins("bearer", value);
    return scheme && lengthOf(scheme[1]) >= FLOWS.least && !whole("placeholder", scheme[1].trim())
      ? [["Authorization header", lengthOf(scheme[1])]] : [];
  }
  if (kind === "password") return !/\s/.test(stripped) || isRandom(value) ? [["password", size]] : [];
  return isRandom(value) ? [["secret by its name", size]] : [];
}

function inRow(row) {
  return FLOWS.pairs.flatMap(([naming, saying, typing]) => {
    const name = row[naming], value = row[saying];
    if (!isText(name) || !isText(value) || lengthOf(value) < FLOWS.least || FLOWS.noLiteral.includes(row[typing])) return [];
    const kind = kindOfName(name.slice(name.lastIndexOf(".") + 1).replace(/^["'\]]+|["'\]]+$/g, ""));
    return kind ? byName(kind, value, "", null) : [];
  });
}

function inText(value) {
  const seen = [];
  if (lengthOf(value) >= FLOWS.long) FLOWS.formats.forEach(([kind, words], place) => {
    if (!words.some((one) => value.includes(one))) return;
    const told = every(`format${place}`, value).map((match) => match.slice(1).find((one) => one !== undefined) || match[0]);
    const said = told.find((one) => !whole("placeholder", one));
    if (said) seen.push([kind, lengthOf(said)]);
  });
  if (value.includes("://") && value.includes("@")) {
    const match = every("url", value).find((one) => ![one[1], "port"].includes(one[2]) && !whole("placeholder", one[2]));
    if (match) seen.push(["password in a URL", lengthOf(match[2])]);
  }
  const lowered = /[:=]/.test(value) ? value.toLowerCase() : "";
  if (lowered && FLOWS.words.some((one) => lowered.includes(one)))
    for (const match of every("assigned", value)) {
      const name = match[1].slice(match[1].lastIndexOf(".") + 1).toLowerCase();
      seen.push(...byName(name.includes("authorization") ? "header" : name.endsWith("token") ? "maybe" : "password", match[3], "", null));
    }
  return seen;
}

function inProperty(name, value, holder) {
  const waiting = [[name, value, holder, 0]], seen = [];
  while (waiting.length) {
    const [key, said, around, depth] = waiting.pop();
    if (isText(said)) {
      const size = lengthOf(said), kind = said && size >= FLOWS.least ? kindOfName(key) : "";
      if (kind) seen.push(...byName(kind, said, key, around));
      if (size >= FLOWS.long || size > FLOWS.long >> 1 && !/^[\p{L}\p{N}]*$/u.test(said)) seen.push(...inText(said));
    } else if (isRow(said) && depth < FLOWS.deepest) {
      seen.push(...inRow(said));
      for (const [inner, content] of Object.entries(said)) waiting.push([inner, content, said, depth + 1]);
    } else if (Array.isArray(said) && depth < FLOWS.deepest)
      for (const content of said) waiting.push([key, content, around, depth + 1]);
  }
  return seen;
}

function secretsIn(nodes) {
  const seen = new Map();
  for (const node of nodes) for (const [name, value] of Object.entries(node)) {
    if (FLOWS.structure.includes(name)) continue;
    for (const [kind, length] of inProperty(name, value, node)) {
      const one = JSON.stringify([node.id, name, kind]);
      if (!seen.has(one)) seen.set(one, [kind, textOf(node.id), /^[A-Za-z_][\w-]{0,39}$/.test(name) ? name : "?", length]);
    }
  }
  return [...seen.values()].slice(0, FLOWS.kept);
}
