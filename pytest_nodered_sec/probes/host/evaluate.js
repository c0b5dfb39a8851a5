// The second process: settings.js itself, evaluated as Node-RED's user. Only what `reduce` (reduce.js) lists comes back, on
// one marked line. view.js has `fs`, and stand_ins.js what settings.js gets in place of modules.
// What reads, really reads, within bounds: modules of its own, files, .env, the host's own globals. What acts (writes,
// listens, connects, starts programs, waits) is inert; what an inert answer may have decided is named in `asked`.
"use strict";
const INERT = Symbol("inert"), HELD = Symbol("held");
const TOKEN = require("crypto").randomBytes(8).toString("hex"); // nobody else can write
const TOLD = new RegExp(`\\(${TOKEN} (\\d+) ([^)]*)\\)`, "g");
const REAL = new Set(["path", "os", "url", "util", "querystring", "string_decoder", "buffer", "assert", "events",
  "crypto", "zlib", "constants", "punycode", "path/posix", "util/types"]);
const ACTS = new Set(["fetch", "WebSocket", "EventSource", "BroadcastChannel", "Worker", "localStorage",
  "sessionStorage", "setTimeout", "setInterval", "setImmediate", "queueMicrotask", "clearTimeout", "clearInterval", "clearImmediate",
  "process", "console", "global", "globalThis", "require", "module", "exports", "__filename", "__dirname"]);
const MOST = 1 << 20; // bytes of a file that settings.js reads
const WAITS = new Int32Array(new SharedArrayBuffer(4));
function say(value) { // whole, however slowly it is read
  for (let rest = Buffer.from(`\n${INPUT.mark} ${JSON.stringify(value)}\n`); rest.length;) {
    try {
      rest = rest.subarray(raw.writeSync(1, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") return;
      Atomics.wait(WAITS, 0, 0, 10);
    }
  }
}

// When a file, or the link to it, last changed: of the inode too, so that a date that was kept does not hide it.
// Not of one with several names: a new name, as backups by hard links give it, changes the inode too.
const changed = (file) => Math.floor(Math.max(...[fs.lstatSync(file), fs.statSync(file)]
  .flatMap((one) => [one.mtimeMs, one.nlink === 1 ? one.ctimeMs : 0])) / 1000);

const ours = new WeakSet(); // errors with words of our own: no other's words leave
function failure(words) {
  const error = new Error(words);
  ours.add(error);
  return error;
}
const printable = (value) => String(value).replace(/[^\w./@ -]/g, "?").slice(0, 120);

function lax(file, fs_ = fs, uid = 0) { // whether a third party can change it: Node-RED's own files are run, other people's are not
  const people = attempt(() => raw.readFileSync("/etc/group", "utf8"), "").split("\n").map((line) => line.split(":"));
  const primary = attempt(() => raw.readFileSync("/etc/passwd", "utf8"), "").split("\n").map((line) => line.split(":"));
  const me = (primary.find((one) => one[2] === String(process.getuid())) || [""])[0];
  const alone = (gid) => gid === 0 || [...(people.find((one) => one[2] === String(gid)) || ["", "", "", ""])[3].split(","),
    ...primary.filter((one) => one[3] === String(gid)).map((one) => one[0])].every((one) => ["", "root", me].includes(one));
  const listed = (one) => /^\S{10}\+/.test(attempt(() => spawnSync("ls", ["-ld", one], // its access control list lets others write
    { encoding: "utf8", timeout: 3000, env: { PATH: "/usr/bin:/bin" } }).stdout, "") || "");
  for (let here = fs_.realpathSync(file), step = 0; ; here = path.dirname(here), step++) {
    const stat = fs_.statSync(here);
    const sticky = step > 0 && stat.mode & 0o1000;
    if (![0, uid, process.getuid()].includes(stat.uid)) return here;
    if (!sticky && (stat.mode & 0o002 || stat.mode & 0o020 && (!alone(stat.gid) || listed(inside(here))))) return here;
    if (here === path.dirname(here)) return "";
  }
}

// What of the modules that are not run may have decided something.
//   names   of those that surely may: what was compared as a number, walked through, spread.
//   held    answers and members of which nothing more was asked: what they were compared with is not to be seen. One that
//           is a value of the settings is let go (`accounted`): there it is known to be made elsewhere.
// Whether something decided by being there or not is seen: settings.js is evaluated again without the members, without
// the answers, without a module (`without`), and what comes out differently names its modules (`used`).
class Asked {
  constructor(without = "", all = false, only = "") {
    Object.assign(this, { without, all, only, names: new Set(), used: new Set(), held: new Map(), next: 1, waiting: [], filling: [],
      awaited: 0 });
  }
  waits(name, given) { // functions that are called later, if ever (later.js)
    for (const act of given) if (typeof act === "function" && !act[INERT]) this.waiting.push([name, act]);
  }
  add(name) { this.names.add(name); }
  lacks(name, what) {
    const missing = this.without === what && (this.only ? this.only === name : this.all || !ACTIONS.has(name));
    if (missing) this.used.add(name);
    return missing;
  }
  hold(name, key) { // key: of a member; null for an answer; undefined for a module
    this.held.set(this.next, { name, key });
    return this.next++;
  }
  release(value) { // a value of the settings: itself, or a text with it inside
    if (typeof value === "string") for (const [, id] of value.matchAll(TOLD)) this.held.delete(Number(id));
    else if (kindOf(value) === "computed") this.held.delete(value[HELD]);
  }
  modules() { return [...this.held.values()].filter((one) => one.key === undefined).map((one) => one.name); }
  decided(source) { // names; a member that the source calls, or makes something with, is a function and waits for that
    const waits = (key) => {
      const name = key.replace(/\W/g, "\\$&");
      return new RegExp(`(?<![\\w$])${name}\\s*\\(|new\\s+[\\w$.]*\\b${name}\\b|(?<![\\w$.])${name}\\s*\\.`).test(source);
    };
    return [...this.names, ...[...this.held.values()].filter((one) => one.key === null || one.key && !waits(one.key))
      .map((one) => one.name)].filter((name) => !ACTIONS.has(name));
  }
}

const LISTENS = new Set(["on", "once", "off", "addListener", "removeListener", "prependListener", "prependOnceListener"]);

// answers everything with something like itself, so that no module is ever run
function inert(name, asked, id = 0, settled = false, called = "") {
  const members = new Map();
  const used = () => asked.held.delete(id);
  const proxy = new Proxy(function () {}, {
    get: (_, key) => {
      if (key === INERT) return name;
      if (key === HELD) return id;
      if (key === util.promisify.custom) return undefined;
      if (key === "then") return settled ? undefined : (go) => ++asked.awaited > 200 // a loop that waits for nothing else
        ? new Promise(() => {}) : Promise.resolve().then(() => go && go(inert(name, asked, 0, true)));
      if (key === "catch" || key === "finally") return () => proxy;
      if (key === "__esModule") return true; // as compilers ask before they take `default` of it
      used();
      if (key === Symbol.iterator) return function* () { asked.add(name); };
      if (key === Symbol.toPrimitive) return (hint) => {
        if (hint === "number") asked.add(name);
        return `(${TOKEN} ${asked.hold(name, null)} ${name})`; // a text that is known again among the settings
      };
      if (asked.lacks(name, "member")) return undefined;
      if (!members.has(key)) members.set(key, inert(name, asked, asked.hold(name, String(key)), false, String(key)));
      return members.get(key);
    },
    apply: (_, __, given) => {
      used();
      asked.waits(name, given);
      if (asked.lacks(name, "answer")) return undefined;
      const itself = LISTENS.has(called) && typeof given[1] === "function"; // which says nothing new
      return inert(name, asked, itself ? 0 : asked.hold(name, null));
    },
    ownKeys: (target) => { asked.add(name); return Reflect.ownKeys(target); }, // spread, or assigned to something
    construct: (_, given) => { used(); asked.waits(name, given); return inert(name, asked); }, set: () => true,
    has: () => { asked.add(name); return true; },
  });
  return proxy;
}

// What settings call and ask nothing of: a call to one is named only where it makes a difference.
const ACTIONS = new Set(["fs", "http", "https", "http2", "net", "dgram", "tls", "timers", "worker_threads", "cluster",
  "readline", "stream", "perf_hooks", "inspector", "v8", "vm", "tty", "repl", "async_hooks", "diagnostics_channel",
  "stdout", "stderr", "stdin", "trace_events", "process", "timers/promises", "stream/promises", "dns",
  "winston", "winston-daily-rotate-file", "pino", "bunyan", "log4js", "loglevel", "debug", "@sentry/node", "prom-client", "dd-trace", "newrelic", "elastic-apm-node", "applicationinsights",
  "source-map-support", "module-alias", "global-agent", "node-cron", "node-schedule"]);

function timer(name, asked, act) { // one that never ends
  asked.waits(name, [act]);
  const itself = { hasRef: () => false, [Symbol.toPrimitive]: () => 0 };
  for (const key of ["ref", "unref", "refresh", "close"]) itself[key] = () => itself;
  return itself;
}

function installed(from, name, environment) { // where Node finds a module from there; it is not loaded
  const places = (environment.NODE_PATH || "").split(":").filter(Boolean);
  try {
    return createRequire(from).resolve(name);
  } catch (error) {
    const place = places.find((one) => fs.existsSync(path.join(one, name)) || fs.existsSync(path.join(one, `${name}.js`)));
    return place ? attempt(() => createRequire(`${place}/x`).resolve(`./${name}`), name) : error.code !== "MODULE_NOT_FOUND" ? name : "";
  }
}

function loader(environment, loaded, asked) {
  asked.source = "";
  const context = vm.createContext({});
  const globals = vm.runInContext("globalThis", context);
  const builtin = new Set(vm.runInContext("Object.getOwnPropertyNames(globalThis)", context));
  for (const key of Object.getOwnPropertyNames(globalThis)) { // the host's own, without what acts
    if (builtin.has(key) || ACTS.has(key)) continue;
    const value = attempt(() => globalThis[key], undefined);
    if (value !== undefined) globals[key] = value;
  }
  vm.runInContext(CLOCK, context)(Date.now() - STARTED);
  // one that is not there may be set by a module that is not run, which is there for that
  const values = { ...environment }, variables = new Proxy(values, { get: (all, key) => {
    if (typeof key === "string" && !Object.hasOwn(all, key)) for (const name of asked.filling) asked.add(name);
    return all[key];
  } });
  Object.assign(globals, {
    process: processOf(variables, asked), console: new Proxy({}, { get: () => () => {} }), fetch: inert("fetch", asked),
    Buffer, queueMicrotask: (act) => asked.waits("queueMicrotask", [act]),
    clearTimeout: () => {}, clearInterval: () => {}, clearImmediate: () => {}, global: globals,
  });
  for (const key of ["setTimeout", "setInterval", "setImmediate"]) globals[key] = Object.assign((act) => timer(key, asked, act),
    { [util.promisify.custom]: () => inert("timers/promises", asked) });
  Object.defineProperty(globals, "__import", { value: async (name) => inert(printable(name), asked, 0, true) });
  for (const key of ["WebSocket", "EventSource", "Worker", "BroadcastChannel"]) globals[key] = inert(key, asked);
  preload(variables, values, asked);
  const [files, promises] = reading(asked);
  const commands = programs(asked), hashes = bcrypt(asked), main = mainModule(variables, asked);
  const cache = new Map(), modules = new Map(), packaged = new Set();
  const regular = (one) => attempt(() => fs.statSync(one).isFile(), false);
  function resolve(from, name) { // as Node does: beside the real file, by package.json's main
    const base = path.resolve(path.dirname(from), name);
    const main = attempt(() => JSON.parse(read(path.join(base, "package.json"), "utf8")).main, "");
    const bases = typeof main === "string" && main ? [base, path.join(base, main)] : [base];
    const spelled = bases.flatMap((one) => [one, `${one}.js`, `${one}.json`]);
    const file = [...spelled, ...bases.reverse().flatMap((one) => ["index.js", "index.json"].map((at) => path.join(one, at)))]
      .find(regular);
    if (!file) throw Object.assign(failure(`${printable(from)} requires ${printable(name)}, which is not there`),
      { code: "MODULE_NOT_FOUND" });
    return fs.realpathSync(file);
  }
  function compiled(body, file) {
    try {
      if (!file.endsWith(".mjs"))
        return vm.compileFunction(body, ["exports", "require", "module", "__filename", "__dirname"],
          { filename: file, parsingContext: context });
    } catch (error) {
      if (!/import statement|'export'|import\.meta/.test(String(attempt(() => error.message, "")))) throw error;
    }
    throw failure(`${printable(file)} is an ES module, which is not evaluated here, and of which Node-RED takes no default export: write module.exports = {...}`);
  }
  function load(file, parent = main, ofPackage = false) {
    if (cache.has(file)) return cache.get(file).exports;
    const open = lax(file);
    if (open) throw failure(`it is not run, because others than Node-RED's user can change ${printable(open)}`);
    loaded.push({ path: file, changed: changed(file) });
    if (ofPackage) packaged.add(file);
    if (!regular(file)) throw failure(`${printable(file)} is no regular file`);
    if (fs.statSync(file).size > MOST << 3) throw failure(`${printable(file)} is larger than 8 MiB`);
    const body = fs.readFileSync(file, "utf8").replace(/^\uFEFF/, "").replace(/^#!.*/, "")
      .replace(/(?<![\w$.])import(?=\s*\()/g, "__import"); // which a script in a context of its own may not do
    if (!ofPackage) asked.source += `${body}\n`;
    const module = { exports: {}, id: file, filename: file, path: path.dirname(file), paths: [], children: [], loaded: false, parent };
    cache.set(file, module);
    if (file.endsWith(".json")) return (module.exports = JSON.parse(body));
    module.require = requiring(file, module);
    const run = compiled(body, file);
    bounded_(() => run.call(module.exports, module.exports, module.require, module, file, path.dirname(file)), INPUT.limit);
    return module.exports;
  }
  function bounded_(act, limit) {
    Object.defineProperty(globals, "__run", { configurable: true, enumerable: false, value: act });
    vm.runInContext("__run()", context, { timeout: limit });
  }
  asked.run = bounded_;
  function computed(file, name, at, module) { // a package that only computes, or a part of one; undefined where that fails
    const known = COMPUTES.has(packageOf(name)) || packaged.has(file) || /^node-red\/settings(\.js)?$/.test(name);
    if (!known || !/^\/.*\.(js|cjs|json)$/.test(at) || !shared(at) || attempt(() => lax(at), at)) return undefined;
    return attempt(() => load(fs.realpathSync(at), module, true), undefined);
  }
  function requiring(file, module) { // `require` of a file
    const require_ = (name) => {
      const bare = String(name).replace(/^node:/, "");
      if (bare === "os") return own_os(values);
      if (bare === "path" || bare === "path/posix") return own_path();
      if (bare === "child_process") return asked.lacks(bare, "module") ? undefined : commands;
      if (REAL.has(bare)) return require(bare);
      if (bare === "fs" || bare === "fs-extra") return files;
      if (bare === "fs/promises") return promises;
      if (bare === "process") return globals.process;
      if (bare === "dotenv") return dotenv(variables);
      if (bare === "dotenv/config") return dotenv(variables).preload();
      if (bare === "module") return { createRequire: (from) => requiring(from instanceof URL || /^file:/.test(from)
        ? require("url").fileURLToPath(from) : String(from), module), builtinModules: [] };
      if (/^(\.{0,2}\/|\.{1,2}$)/.test(bare)) return load(resolve(file, bare), module, packaged.has(file));
      const at = installed(file, String(name), environment);
      if (!at) throw Object.assign(failure(`${printable(file)} requires `
        + `${printable(name)}, which is not installed where Node.js looks for it`), { code: "MODULE_NOT_FOUND" });
      if (HASHES.has(bare)) return hashes;
      if (!modules.has(bare)) modules.set(bare, computed(file, bare, at, module));
      if (modules.get(bare) === undefined) {
        modules.set(bare, inert(bare, asked, asked.hold(bare)));
        if (/(^|[/@.-])(dot)?envx?\b/i.test(bare)) asked.filling.push(bare);
      }
      return asked.lacks(bare, "module") ? undefined : modules.get(bare);
    };
    require_.resolve = (name) => {
      const bare = String(name).replace(/^node:/, "");
      if (/^(\.{0,2}\/|\.{1,2}$)/.test(bare)) return resolve(file, bare);
      const at = own_module(bare) ? String(name) : installed(file, String(name), environment);
      if (!at) throw Object.assign(failure(`${printable(file)} needs ${printable(name)}, which is not installed where Node.js looks for it`),
        { code: "MODULE_NOT_FOUND" });
      return at;
    };
    require_.cache = {};
    require_.main = main;
    return require_;
  }
  return (file) => {
    const real = attempt(() => fs.realpathSync(file), "");
    if (!real) throw failure("there is no such file that Node-RED's user can reach; name it in the policy: [inside] settings_file");
    if (real !== file) loaded.push({ path: file, changed: changed(file) }); // the link may be newer than what it leads to
    return load(real);
  };
}

const ERRORS = ["Error", "TypeError", "ReferenceError", "SyntaxError", "RangeError", "URIError", "EvalError"];

function trouble(error) { // in our own words: a file's may quote a value, or be shaped like ours
  if (error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return `it did not end within ${INPUT.limit / 1000} s`;
  if (ours.has(error)) return error.message;
  const name = attempt(() => ERRORS.find((one) => one === error.name), "") || "something";
  const missing = name === "ReferenceError" && /^([A-Za-z_]\w{0,39}) is not defined$/.exec(String(attempt(() => error.message, "")));
  return missing ? `it needs ${missing[1]}, which is not there when it is read` : `it throws ${name}`;
}

const differs = (one, other) => one === null || typeof one !== "object" || other === null || typeof other !== "object"
  ? one !== other && one !== "computed" && one !== null // what a module makes is known to be made by it
  : one.kind !== "computed" && one.scheme !== "computed"
    && [...new Set([...Object.keys(one), ...Object.keys(other)])].some((key) => differs(one[key], other[key]));

function deciding(reduced, modules) { // those without which, or whose members or answers, settings.js comes to something else
  const names = [];
  const runs = [["member"], ["answer"], ["member", true], ["answer", true], ...modules.slice(0, 20).map((one) => ["module", true, one])];
  for (const run of runs) {
    const asked = new Asked(...run);
    const settings = attempt(() => loader(INPUT.environment, [], asked)(INPUT.file), null); // without what it needs it may end
    const other = settings && attempt(() => reduce(settings, asked), null);
    if (other && differs(reduced, other)) names.push(...asked.used);
  }
  return names;
}

function form(settings) { // in what form it exports, of which Node-RED takes no settings
  if (kindOf(settings) === "computed") return "";
  if (typeof attempt(() => settings.then, undefined) === "function") {
    attempt(() => settings.catch(() => {}), undefined);
    return "it exports a Promise, which Node-RED does not wait for: it runs without these settings";
  }
  if (typeof settings === "function") return "it exports a function, which Node-RED does not call: it runs without these settings";
  const inner = own(settings.default);
  return settings.__esModule && Object.keys(inner).length && !Object.keys(inner).some((key) => Object.hasOwn(settings, key))
    ? "it exports its settings as `default`, where Node-RED does not look: it runs without them" : "";
}

async function evaluate() {
  for (const event of ["unhandledRejection", "uncaughtException"]) process.on(event, () => {}); // of what it left behind
  const loaded = [], asked = new Asked();
  try {
    const settings = loader(INPUT.environment, loaded, asked)(INPUT.file), anew = made(settings);
    if (anew) throw failure(`it makes ${printable(anew)} by a getter or a Proxy, which Node-RED asks anew with each request: write the value down`);
    const reduced = reduce(settings, asked);
    for (const file of BLIND) throw failure(`it reads ${printable(file.replace(ROOT, ""))}, which takes a group that Node-RED's process has, `
      + "and its user by /etc/group has not: look as root, or add the user to that group");
    const secrets = holding(settings);
    const later = await changing(); // before evaluations in which a loop may wait for nothing
    const decided = [...asked.decided(asked.source), ...deciding(reduced, asked.modules()), ...later];
    say({ settings: reduced, loaded: [...loaded, ...stale(reduced)], secrets, form: form(settings), secretVariables: secretVariables(settings, INPUT.environment), asked: [...new Set(decided)].map(printable).slice(0, 20) });
  } catch (error) {
    say({ trouble: trouble(error), loaded });
  }
  process.exit(0); // whatever it left behind
}
