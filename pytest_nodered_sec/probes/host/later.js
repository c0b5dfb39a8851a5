// What settings.js comes to at another time than when it was read: what it leaves behind to be run later, and what it read
// that has changed since. Part of the second process; everything here is asked of evaluations of its own.
"use strict";

const STARTED = (() => { // of the running process, ms: a tick of Linux is 1/100 s wherever systemd and Docker run (sysconf(3))
  const ticks = attempt(() => raw.readFileSync(`/proc/${INPUT.pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ")[19], "");
  const up = attempt(() => raw.readFileSync("/proc/uptime", "utf8").split(" ")[0], "");
  return ticks && up ? Date.now() - Number(up) * 1000 + Number(ticks) * 10 : Date.now();
})();
const SLACK = 2000; // ms that a start may take, as probes/host/proxies.py has it

// The clock of settings.js: as when Node-RED started, which read it then.
const CLOCK = `((offset) => { const Real = Date, now = () => Real.now() - offset;
  globalThis.Date = new Proxy(Real, { construct: (target, given, as) => Reflect.construct(target, given.length ? given : [now()], as),
    apply: () => new Real(now()).toString(), get: (target, key) => key === "now" ? now : Reflect.get(target, key) });
  Real.prototype.constructor = globalThis.Date; })`;

const LOOKED = new Set(); // files that settings.js looked at, and that are there
let gone = ""; // a file that is taken for one that is not there

function reached(file) { // before it is looked at
  if (file === gone) throw Object.assign(new Error("ENOENT: no such file or directory"), { code: "ENOENT" });
  if (!/^\/(proc|sys|dev)\//.test(file) && fs.existsSync(file)) LOOKED.add(file);
  return file;
}

const there = (file) => attempt(() => fs.existsSync(reached(file)), false);

function stale(reduced) { // files that have come or changed since, and without which settings.js comes to something else
  const files = [];
  for (const file of [...LOOKED].slice(0, 50)) {
    const at = attempt(() => changed(file), 0), asked = new Asked();
    if (at * 1000 <= STARTED + SLACK) continue;
    gone = file;
    const other = attempt(() => reduce(loader(INPUT.environment, [], asked)(INPUT.file), asked), null);
    gone = "";
    if (!other || differs(reduced, other) || differs(other, reduced)) files.push({ path: file, changed: at, read: true });
  }
  return files;
}

// What is made anew whenever it is asked for, as Node-RED asks for adminAuth with each request: by a getter, or a Proxy. A
// getter that only names something, as compilers write it for what a file exports, is as good as a value (`changing`). So is
// one of JavaScript itself (Map's size): functions that are bound, and Proxies, are native, too, but have no such name.
const NAMING = /^(get [\w$]+|function( [\w$]+)?)?\s*\(\)\s*(=>)?\s*(\{\s*return [\w$.[\]]+;?\s*\}|[\w$.[\]]+)$|^function get [\w$]+\(\) \{ \[native code\] \}$/;
const FREE = new Set(["functionGlobalContext", "logging", "contextStorage", "storageModule"]); // of nodes and others

function made(value, name = "", depth = 4) { // which setting, "" for none
  if (value === null || typeof value !== "object" || kindOf(value) === "computed") return "";
  if (util.types.isProxy(value)) return name || "all settings";
  for (let here = value; here && (here === value || !(here instanceof Object)); here = Object.getPrototypeOf(here)) { // not Node's classes
    for (const key of Object.getOwnPropertyNames(here).slice(0, 500)) {
      if (!name && FREE.has(key)) continue;
      const { get, value: part } = Object.getOwnPropertyDescriptor(here, key), where = name || key;
      if (get && !NAMING.test(Function.prototype.toString.call(get))) return where;
      const inside = depth && here === value ? made(part, where, depth - 1) : "";
      if (inside) return inside;
    }
  }
  return "";
}

const turn = () => new Promise((go) => setImmediate(go));
const turns = async () => { for (let round = 0; round < 5; round++) await turn(); };

async function changing() { // what changes the settings later: timers, watchers, handlers, what is awaited
  const asked = new Asked(), names = new Set();
  const settings = attempt(() => loader(INPUT.environment, [], asked)(INPUT.file), null);
  if (!settings) return [];
  let last = attempt(() => reduce(settings, asked), null);
  const compare = (name) => {
    const now = attempt(() => reduce(settings, asked), null);
    if (last && now && (differs(last, now) || differs(now, last))) names.add(name);
    last = now || last;
  };
  await turns();
  compare("an async function");
  const until = Date.now() + INPUT.limit;
  for (const [name, act] of asked.waiting.slice(0, 60)) {
    if (Date.now() > until) {
      names.add(name); // not tried
      break;
    }
    const given = Array.from({ length: 4 }, () => inert(name, new Asked()));
    attempt(() => asked.run(() => act(...given), 200), undefined);
    await turns();
    compare(name);
  }
  return [...names];
}
