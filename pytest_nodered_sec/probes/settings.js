// What the host's own Node tells of one Node-RED: run as its user from standard input, in two processes.
// The first reads the running process (environment, directories), looks at files, and starts the second, which
// evaluates settings.js: with inert modules, without timers, within a time limit. Only what `reduce` lists comes back,
// on one marked line; password hashes as "which known sample, which scheme, which cost". Nothing is written.
// Python puts `const INPUT = {...};` in front: mark, pid, userDir, settingsFile, args, known (published hash or
// secret to name), modules (whose releases are asked for), limit (ms).
"use strict";
const fs = require("fs"), os = require("os"), path = require("path"), vm = require("vm"), url = require("url");
const { spawnSync } = require("child_process");

const INERT = Symbol("inert");
const REAL = new Set(["path", "os", "url", "util"]);
const say = (value) => fs.writeSync(1, `\n${INPUT.mark} ${JSON.stringify(value)}\n`);

// When a file, or the link to it, last changed: of the inode too, so that a date that was kept does not hide it.
// Not of one with several names: a new name, as backups by hard links give it, changes the inode too.
const changed = (file) => Math.floor(Math.max(...[fs.lstatSync(file), fs.statSync(file)]
  .flatMap((one) => [one.mtimeMs, one.nlink === 1 ? one.ctimeMs : 0])) / 1000);

// --- the second process: settings.js itself

function inert(name) { // answers everything with itself, so that no module is ever run
  const proxy = new Proxy(function () {}, {
    get: (_, key) => key === INERT ? name
      : key === Symbol.toPrimitive ? () => `(${name})`
      : key === Symbol.iterator ? function* () {} : key === "then" ? undefined : proxy,
    apply: () => proxy, construct: () => proxy, set: () => true, has: () => true,
  });
  return proxy;
}

function loader(environment, loaded) {
  const stop = (code) => { throw new Error(`settings.js calls process.exit(${code})`); };
  const process_ = Object.assign(Object.create(null), {
    env: { ...environment }, argv: ["node", "red.js"], platform: process.platform, version: process.version,
    versions: process.versions, arch: process.arch, pid: INPUT.pid, cwd: () => INPUT.cwd, uptime: () => 0,
    exit: stop, abort: stop, kill: () => true, on: () => process_, once: () => process_, emitWarning: () => {},
    hrtime: process.hrtime, memoryUsage: process.memoryUsage, nextTick: () => {},
    getuid: () => process.getuid(), stdout: inert("stdout"), stderr: inert("stderr"),
  });
  const quiet = new Proxy({}, { get: () => () => {} });
  const globals = {
    process: process_, console: quiet, Buffer, URL, URLSearchParams, TextEncoder, TextDecoder, AbortController,
    setTimeout: () => 0, setInterval: () => 0, setImmediate: () => 0, queueMicrotask: () => {},
    clearTimeout: () => {}, clearInterval: () => {}, fetch: inert("fetch"), structuredClone,
  };
  globals.global = globals.globalThis = globals;
  const context = vm.createContext(globals);
  const cache = new Map();
  function resolve(from, name) {
    const base = path.resolve(path.dirname(from), name);
    for (const one of [base, base + ".js", base + ".cjs", base + ".json", path.join(base, "index.js")]) {
      try { if (fs.statSync(one).isFile()) return one; } catch { /* the next spelling */ }
    }
    throw new Error(`${from} requires ${name}, which is not there`);
  }
  function load(file) {
    if (cache.has(file)) return cache.get(file).exports;
    loaded.push({ path: file, changed: changed(file) });
    const text = fs.readFileSync(file, "utf8").replace(/^\uFEFF/, "").replace(/^#!.*/, "");
    const module = { exports: {}, id: file, filename: file, paths: [], children: [] };
    cache.set(file, module);
    if (file.endsWith(".json")) return (module.exports = JSON.parse(text));
    const require_ = (name) => {
      const bare = String(name).replace(/^node:/, "");
      if (REAL.has(bare)) return require(bare);
      return /^(\.{0,2}\/|\.{1,2}$)/.test(bare) ? load(resolve(file, bare)) : inert(bare);
    };
    require_.resolve = (name) => String(name);
    require_.cache = {};
    require_.main = module;
    const body = vm.compileFunction(text, ["exports", "require", "module", "__filename", "__dirname"],
      { filename: file, parsingContext: context });
    globals.__run = () => body.call(module.exports, module.exports, require_, module, file, path.dirname(file));
    vm.runInContext("__run()", context, { timeout: INPUT.limit });
    return module.exports;
  }
  return load;
}

const kindOf = (value) => value === undefined || value === null ? "unset"
  : (typeof value === "function" || typeof value === "object") && value[INERT] ? "computed"
  : typeof value === "function" ? "function" : value === false ? "false"
  : value === "" ? "empty" : "set";
const moduleOf = (value) => kindOf(value) === "computed" ? value[INERT] : "";
const text = (value) => typeof value === "string" || typeof value === "number" ? String(value).slice(0, 300)
  : value === false ? "false" : "";
const own = (value) => value !== null && typeof value === "object" && !value[INERT] ? value : {};

function hash(value) {
  if (kindOf(value) === "computed") return { scheme: "computed", cost: 0, known: "" };
  if (typeof value !== "string" || !value) return { scheme: "unset", cost: 0, known: "" };
  const bcrypt = /^\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(value);
  return {
    scheme: bcrypt ? "bcrypt" : /^[0-9a-f]{32}$/i.test(value) ? "md5" : "other",
    cost: bcrypt ? Number(bcrypt[1]) : 0,
    known: Object.hasOwn(INPUT.known, value) ? INPUT.known[value] : "",
  };
}

const rights = (value) => (Array.isArray(value) ? value : [value]).map(text).join(",");

function login(value) {
  const kind = kindOf(value);
  const auth = own(value);
  const users = Array.isArray(auth.users) ? auth.users : [];
  const fallback = auth.default;
  return {
    kind, module: moduleOf(value), type: text(auth.type), hasStrategy: kindOf(auth.strategy),
    users: users.map((user) => ({ permissions: rights(own(user).permissions), hash: hash(own(user).password) })),
    usersKind: Array.isArray(auth.users) ? "list" : kindOf(auth.users),
    defaultKind: kindOf(fallback), defaultPermissions: rights(own(fallback).permissions),
    sessionSeconds: typeof auth.sessionExpiryTime === "number" ? auth.sessionExpiryTime : 0,
  };
}

function basic(value) {
  return { kind: kindOf(value), module: moduleOf(value), hash: hash(own(value).pass) };
}

function reduce(s) {
  if (kindOf(s) === "computed") throw new Error(`settings.js exports what the module ${moduleOf(s)} makes`);
  const theme = own(s.editorTheme), modules = own(s.externalModules), logging = own(s.logging);
  const install = (part, key) => kindOf(own(modules[part])[key]);
  return {
    uiPort: text(s.uiPort), uiHost: text(s.uiHost), userDir: text(s.userDir), flowFile: text(s.flowFile),
    flowFileIsSet: kindOf(s.flowFile), httpAdminRoot: text(s.httpAdminRoot), httpNodeRoot: text(s.httpNodeRoot),
    httpRoot: text(s.httpRoot), disableEditor: s.disableEditor === true, requireHttps: kindOf(s.requireHttps),
    adminAuth: login(s.adminAuth), httpAdminAuth: basic(s.httpAdminAuth), httpNodeAuth: basic(s.httpNodeAuth),
    httpStaticAuth: basic(s.httpStaticAuth),
    credentialSecret: Object.hasOwn(INPUT.known, s.credentialSecret) ? "published" : kindOf(s.credentialSecret),
    adminMiddleware: kindOf(s.httpAdminMiddleware), nodeMiddleware: kindOf(s.httpNodeMiddleware),
    ui: { path: text(own(s.ui).path), middleware: kindOf(own(s.ui).middleware),
      ioMiddleware: kindOf(own(s.ui).ioMiddleware) },
    dashboard: { middleware: kindOf(own(s.dashboard).middleware), ioMiddleware: kindOf(own(s.dashboard).ioMiddleware) },
    webSocketNodeVerifyClient: kindOf(s.webSocketNodeVerifyClient),
    paletteInstall: install("palette", "allowInstall"), paletteUpload: install("palette", "allowUpload"),
    moduleInstall: install("modules", "allowInstall"), autoInstall: modules.autoInstall === true,
    paletteEditable: kindOf(own(theme.palette).editable),
    functionExternalModules: kindOf(s.functionExternalModules), projects: own(theme.projects).enabled === true,
    audit: Object.values(logging).some((one) => own(one).audit === true), https: kindOf(s.https),
  };
}

function evaluate() {
  const loaded = [];
  try {
    const settings = loader(INPUT.environment, loaded)(INPUT.file);
    say({ settings: reduce(settings), loaded });
  } catch (error) { // its message may quote a value: only ours and the kind of the others leave
    const ours = /^(settings\.js (calls|exports)|.* which is not there$)/.test(error && error.message);
    const timed = error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    say({ trouble: timed ? `it did not end within ${INPUT.limit / 1000} s`
      : ours ? error.message : `it throws ${error && error.name || "something"}`, loaded });
  }
}

// --- the first process: the running one, and its files

const attempt = (act, otherwise) => { try { return act(); } catch { return otherwise; } };

function environmentOf(pid) {
  const raw = fs.readFileSync(`/proc/${pid}/environ`, "utf8");
  return Object.fromEntries(raw.split("\0").filter((one) => one.includes("=")).map((one) => {
    const at = one.indexOf("=");
    return [one.slice(0, at), one.slice(at + 1)];
  }));
}

function option(names) {
  for (let here = 0; here < INPUT.args.length; here++) {
    const [name, value] = INPUT.args[here].split(/=(.*)/s);
    if (names.includes(name)) return value !== undefined ? value : INPUT.args[here + 1];
  }
  return "";
}

function place(environment, cwd) { // as red.js does, from what is left of its arguments
  const absolute = (name) => name && path.resolve(cwd, name);
  const given = INPUT.userDir || absolute(option(["-u", "--userDir"]));
  const home = environment.HOME && path.join(environment.HOME, ".node-red");
  // where its arguments are known and name none, it is its default; else it may be anywhere that is usual
  const known = INPUT.args.some((one) => /node-red|red\.js/.test(one));
  const guesses = given ? [given] : known ? [home] : [home, cwd, environment.HOME, "/data"];
  const file = INPUT.settingsFile || absolute(option(["-s", "--settings"]));
  const there = (one) => one && attempt(() => fs.statSync(path.join(one, "settings.js")).isFile(), false);
  const userDir = guesses.find(there) || given || home || "";
  return { userDir, file: file || (userDir && path.join(userDir, "settings.js")), guessed: !given };
}

function looked(file) { // the file and everything above it, at its real place
  const real = attempt(() => fs.realpathSync(file), null);
  if (!real) return null;
  const steps = [];
  for (let here = real; ; here = path.dirname(here)) {
    const stat = fs.statSync(here);
    steps.push({ path: here, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, folder: stat.isDirectory() });
    if (here === path.dirname(here)) break;
  }
  return { asked: file, steps };
}

function below(folder, accept, depth = 4) {
  if (!depth) return [];
  return attempt(() => fs.readdirSync(folder, { withFileTypes: true }), []).flatMap((one) => {
    const full = path.join(folder, one.name);
    if (one.isDirectory()) return one.name === "node_modules" ? [] : below(full, accept, depth - 1);
    return accept(full) ? [full] : [];
  }).slice(0, 200);
}

const backup = (file) => path.join(path.dirname(file), `.${path.basename(file)}.backup`); // where Node-RED keeps it

const lax = (file) => attempt(() => { // somebody else's, or open to group or others: all others of a thousand are alike
  const stat = fs.statSync(file);
  return Boolean(stat.mode & 0o022) || ![0, process.getuid()].includes(stat.uid);
}, false);
const children = (folder) =>
  attempt(() => fs.readdirSync(folder), []).slice(0, 500).map((one) => path.join(folder, one));

function filesOf(userDir, settings, loaded) {
  const flow = path.resolve(userDir, settings.flowFile || `flows_${os.hostname()}.json`);
  const found = settings.flowFile ? flow : [path.join(userDir, "flows.json"), flow].find((one) => fs.existsSync(one));
  const flows = found || flow;
  const credentials = flows.replace(/(\.[^./]*)?$/, (suffix) => `_cred${suffix}`);
  const kinds = {
    settings: loaded.map((one) => one.path), flows: [flows, backup(flows)],
    credentials: [credentials, backup(credentials)],
    sessions: [path.join(userDir, ".sessions.json")],
    "runtime config": attempt(() => fs.readdirSync(userDir), []).filter((name) => /^\.config\./.test(name))
      .map((name) => path.join(userDir, name)),
    context: below(path.join(userDir, "context"), () => true),
    projects: [path.join(userDir, "package.json"), ...below(path.join(userDir, "projects"),
      (file) => /\/\.git\/config$/.test(file) || /(^|\/)(flows?|.*_cred)[^/]*\.json$/.test(file))],
    code: [path.join(userDir, "node_modules"), ...children(path.join(userDir, "node_modules")).filter(lax),
      path.join(userDir, "lib"), ...below(path.join(userDir, "lib"), lax)],
    "ssh keys": below(path.join(userDir, "projects", ".sshkeys"), () => true),
  };
  const types = attempt(() => {
    const nodes = JSON.parse(fs.readFileSync(flows, "utf8"));
    return { known: true, dashboard1: nodes.some((one) => /^ui_/.test(one.type)),
      dashboard2: nodes.some((one) => /^ui-/.test(one.type)),
      webSockets: nodes.filter((one) => one.type === "websocket-listener" && !one.d).map((one) => text(one.path)) };
  }, { known: false, dashboard1: false, dashboard2: false, webSockets: [] });
  const listed = Object.entries(kinds).map(([kind, names]) => [kind, names.map(looked).filter(Boolean)]);
  const steps = listed.flatMap(([, many]) => many.flatMap((one) => one.steps));
  const shown = attempt(() => spawnSync("ls", ["-ld", ...new Set(steps.map((one) => one.path))],
    { encoding: "utf8", timeout: 3000, env: { PATH: "/usr/bin:/bin" } }).stdout, "") || "";
  const wider = shown.split("\n").filter((line) => /^\S{10}\+/.test(line)); // with an access control list
  for (const one of steps) one.acl = wider.some((line) => line.endsWith(` ${one.path}`));
  return { kinds: Object.fromEntries(listed), types };
}

function versions(pid, cwd, userDir) {
  const red = INPUT.args.map((one) => attempt(() => fs.realpathSync(/\//.test(one) ? path.resolve(cwd, one)
    : ["/usr/bin", "/usr/local/bin"].map((at) => path.join(at, one)).find(fs.existsSync)), ""))
    .filter((one) => /\/node-red\/red\.js$/.test(one)).map((one) => path.resolve(one, "../.."));
  const maps = attempt(() => fs.readFileSync(`/proc/${pid}/maps`, "utf8"), "");
  const mapped = [...maps.matchAll(/(\/\S*?\/node_modules)\//g)].map((one) => one[1]);
  const roots = [...new Set([...mapped, path.join(cwd, "node_modules"), path.join(userDir, "node_modules"),
    path.resolve(process.execPath, "../../lib/node_modules"), "/usr/lib/node_modules", "/usr/local/lib/node_modules"])];
  const packages = [];
  const version = (name, places, all) => { // the first that is there; where that is a guess, all must be of one release
    const found = [...new Set(places.map((root) => path.join(root, name, "package.json")).filter(fs.existsSync)
      .map((file) => attempt(() => fs.realpathSync(file), file)))].slice(0, all ? undefined : 1);
    const told = new Set(found.map((file) => attempt(() => JSON.parse(fs.readFileSync(file, "utf8")).version, "")));
    if (told.size !== 1) return "";
    // its directory's as well: what was replaced may have kept its own date
    const times = [found[0], path.dirname(found[0])].map((one) => fs.statSync(one).mtimeMs);
    packages.push({ path: found[0], changed: Math.floor(Math.max(...times) / 1000) });
    return [...told][0];
  };
  const users = [path.join(userDir, "node_modules"), ...red, ...roots];
  const running = `/proc/${pid}/exe`; // Node-RED's own Node.js, though the one that runs this be another
  const same = attempt(() => fs.realpathSync(running) === fs.realpathSync(process.execPath), false);
  const node = same ? process.version : attempt(() => spawnSync(running, ["--version"], { encoding: "utf8",
    timeout: 3000, cwd: "/", env: {} }).stdout.trim(), "");
  return { node: (/^v(\d\S*)/.exec(node || "") || [])[1] || "",
    nodeRed: version("node-red", red.length ? red : roots, !red.length),
    modules: INPUT.modules.map((name) => [name, version(name, users)]).filter(([, release]) => release),
    packages };
}

function dialled(value) { // whom a route of Caddy hands requests to, however deep it stands
  if (value === null || typeof value !== "object") return [];
  if (value.handler === "reverse_proxy") {
    const secure = Boolean(own(value.transport).tls);
    return (value.upstreams || []).map((one) => ({ dial: text(one.dial), secure }));
  }
  return Object.values(value).flatMap(dialled);
}

const listOf = (value) => Array.isArray(value) ? value : [];

function matched(set) { // one set of conditions: those on host and path, and whether there are others
  const { host, path: paths, path_regexp: pattern, not, ...others } = own(set);
  return { hosts: listOf(host).map(text), paths: listOf(paths).map(text), pattern: text(own(pattern).pattern),
    not: listOf(not).map(matched), others: Object.keys(others).length > 0 };
}

function done(one) { // what a handler of Caddy does to a request
  const kind = { authentication: "login", authenticator: "login", subroute: "routes", rewrite: "rewrite",
    static_response: "end", error: "end", file_server: "end", reverse_proxy: "proxy" }[one.handler] || "other";
  const asks = kind === "proxy" && listOf(one.handle_response).length > 0; // forward_auth
  const dials = kind === "proxy" && !asks ? listOf(one.upstreams).map((to) => text(to.dial)) : [];
  return { kind: asks ? "login" : kind, dials, routes: kind === "routes" ? routed(one.routes) : [] };
}

const routed = (routes) => listOf(routes).map((one) => ({ sets: listOf(one.match).map(matched), group: text(one.group),
  last: one.terminal === true, steps: listOf(one.handle).map(done) }));

function boxed(pid) { // in a container that we do not run in: its files lie in there
  const group = (of) => attempt(() => fs.readFileSync(`/proc/${of}/cgroup`, "utf8"), "");
  const box = /[0-9a-f]{64}/.exec(group(pid));
  return Boolean(box) && !group("self").includes(box[0]);
}

function caddies() { // what each Caddy serves, adapted by itself and reduced: no hash and no token leaves
  const found = attempt(() => fs.readdirSync("/proc"), []).filter((one) => /^\d+$/.test(one))
    .filter((pid) => attempt(() => fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim(), "") === "caddy" && !boxed(pid));
  return found.map((pid) => attempt(() => {
    const args = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const given = (name) => args.includes(name) ? args[args.indexOf(name) + 1] : "";
    const file = given("--config") || "/etc/caddy/Caddyfile";
    const program = path.isAbsolute(args[0]) ? args[0] : "caddy";
    const json = file.endsWith(".json") ? fs.readFileSync(file, "utf8")
      : spawnSync(program, ["adapt", "--config", file, "--adapter", given("--adapter") || "caddyfile"],
        { encoding: "utf8", timeout: 5000, maxBuffer: 1 << 22, cwd: "/", env: { PATH: "/usr/local/bin:/usr/bin:/bin" } })
        .stdout;
    const servers = Object.entries(JSON.parse(json).apps.http.servers).map(([name, one]) => ({
      name, listen: one.listen.map(text), dials: dialled(one.routes || []), routes: routed(one.routes),
      tls: Boolean(one.tls_connection_policies) ||
        !own(one.automatic_https).disable && one.listen.every((at) => /:443$/.test(at)),
    }));
    return { file, servers, trouble: "" };
  }, { file: "", servers: [], trouble: "its configuration cannot be read or adapted as Node-RED's user" }));
}

function groups() { // who else is in a group: /etc/group and the primary groups of /etc/passwd
  const lines = (file) => attempt(() => fs.readFileSync(file, "utf8").split("\n"), []).map((one) => one.split(":"));
  const people = {};
  for (const [name, , gid, members] of lines("/etc/group")) {
    if (gid) people[gid] = { name, members: (members || "").split(",").filter(Boolean) };
  }
  for (const [name, , , gid] of lines("/etc/passwd")) if (people[gid]) people[gid].members.push(name);
  return people;
}

function main() {
  const environment = environmentOf(INPUT.pid);
  const cwd = attempt(() => fs.readlinkSync(`/proc/${INPUT.pid}/cwd`), "/");
  INPUT.args = INPUT.args.flatMap((one) => { // a unit may leave words to the environment: $NODE_RED_OPTIONS
    const name = (/^\$\{?(\w+)\}?$/.exec(one) || [])[1];
    return name ? (environment[name] || "").split(/\s+/).filter(Boolean) : [one];
  });
  const found = place(environment, cwd);
  delete environment.NODE_OPTIONS; // would load modules into our child, or open a debugger
  delete environment.NODE_V8_COVERAGE;
  delete environment.NODE_COMPILE_CACHE;
  const known = JSON.stringify({ ...INPUT, environment, cwd, file: found.file, child: true });
  const done = spawnSync(process.execPath, ["-"], {
    input: `const INPUT = ${known};\n${INPUT.program}`, encoding: "utf8", timeout: INPUT.limit * 2 + 2000,
    killSignal: "SIGKILL", maxBuffer: 1 << 20, cwd: "/", env: { PATH: environment.PATH || "/usr/bin:/bin" },
  });
  const line = (done.stdout || "").split("\n").filter((one) => one.startsWith(`${INPUT.mark} `)).pop();
  const seen = line ? JSON.parse(line.slice(INPUT.mark.length + 1))
    : { trouble: done.signal ? "it did not end in time" : "it ended the process that read it", loaded: [] };
  const userDir = INPUT.userDir || seen.settings && seen.settings.userDir || found.userDir;
  const listed = seen.settings ? filesOf(userDir, seen.settings, seen.loaded) : { kinds: {}, types: {} };
  say({ ...seen, file: found.file, guessed: found.guessed, userDir, ...listed, groups: groups(), caddies: caddies(),
    versions: versions(INPUT.pid, cwd, userDir), port: option(["-p", "--port"]),
    define: INPUT.args.some((one) => /^(-D|--define)/.test(one)) });
}

if (INPUT.child) evaluate(); else main();
