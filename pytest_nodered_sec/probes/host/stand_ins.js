// What settings.js gets in place of the host's own modules: of fs what reads, of os and path what the running process
// would be told, of programs those whose answer is known, of packages those that only compute. Part of the second process.
"use strict";

const place_ = (file) => path.resolve(INPUT.cwd, file instanceof URL ? require("url").fileURLToPath(file) : String(file));

function read(file, options) { // a small regular file
  const at = reached(place_(file)), stat = fs.statSync(at);
  if (!stat.isFile() || stat.size > MOST) throw failure(`settings.js reads ${printable(file)}, which is no small file`);
  return fs.readFileSync(at, typeof options === "string" ? options : { encoding: options && options.encoding });
}

function reading(asked) { // node:fs, of which what reads works: within bounds, and of regular files
  const can = {
    readFileSync: read, existsSync: (file) => there(place_(file)), constants: fs.constants,
    statSync: (file, options) => fs.statSync(reached(place_(file)), options), Stats: fs.Stats,
    lstatSync: (file, options) => fs.lstatSync(reached(place_(file)), options),
    accessSync: (file, mode) => fs.accessSync(reached(place_(file)), (mode || 0) & ~fs.constants.W_OK),
    exists: (file, act) => asked.waits("fs.exists", [() => act(there(place_(file)))]),
    readdirSync: (folder, options) => fs.readdirSync(place_(folder),
      { withFileTypes: Boolean(own(options).withFileTypes), recursive: Boolean(own(options).recursive) }),
    realpathSync: (file) => fs.realpathSync(place_(file)), readlinkSync: (file) => fs.readlinkSync(place_(file)),
    readJsonSync: (file) => JSON.parse(read(file, "utf8")), pathExistsSync: (file) => there(place_(file)),
  };
  can.realpathSync.native = can.realpathSync;
  const soon = (act) => async (...args) => act(...args);
  const later = { readFile: soon(read), stat: soon(can.statSync), lstat: soon(can.lstatSync), readdir: soon(can.readdirSync),
    access: soon(can.accessSync), realpath: soon(can.realpathSync), constants: fs.constants };
  const rest = inert("fs", asked);
  const unread = (key) => inert(`fs.${key}`, asked)[key]; // reads, and is not done here: its answer may decide something
  const other = (key) =>
    /^(open|read|fstat|glob|stat|createRead|exists|lstat|access|realpath|pathExists)/.test(String(key)) ? unread(key) : rest[key];
  const promises = over(later, raw.promises, other);
  return [over({ ...can, promises }, raw, other), promises];
}

// In place of a module of Node's: with the names that it has, as compilers copy them one by one, and none of an ES module's.
function over(known, real, other) {
  return new Proxy({}, { ownKeys: () => Reflect.ownKeys(real), has: (_, key) => Object.hasOwn(known, key) || key in real,
    get: (_, key) => Object.hasOwn(known, key) ? known[key] : ["__esModule", "default", "then"].includes(key) ? undefined : other(key),
    getOwnPropertyDescriptor: (_, key) => key in real ? { value: undefined, writable: true, enumerable: true, configurable: true } : undefined });
}

function dotenv(environment) { // what dotenv does: reads the file it is told, or .env where Node-RED was started
  const line = /^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/mg;
  const plain = (text) => text.startsWith('"') ? text.slice(1, -1).replace(/\\n/g, "\n").replace(/\\r/g, "\r") : text.slice(1, -1);
  const parse = (body) => Object.fromEntries([...String(body).replace(/\r\n?/g, "\n").matchAll(line)].map(([, name, text = ""]) =>
    [name, /^(['"`])[^]*\1$/.test(text.trim()) ? plain(text.trim()) : text.trim()]));
  const load = (options) => {
    const given = own(options);
    const files = [].concat(given.path || ".env").map(place_);
    const parsed = {};
    let error;
    for (const file of files) {
      const stat = attempt(() => fs.statSync(reached(file)), null);
      if (!stat || !stat.isFile() || stat.size > MOST) { error = new Error("no such file"); continue; }
      for (const [key, value] of Object.entries(parse(fs.readFileSync(file, "utf8"))))
        if (given.override || !Object.hasOwn(parsed, key)) parsed[key] = value;
    }
    for (const [key, value] of Object.entries(parsed))
      if (given.override || !Object.hasOwn(environment, key)) environment[key] = value;
    return error && !Object.keys(parsed).length ? { parsed, error } : { parsed };
  };
  const preload = () => load({ path: environment.DOTENV_CONFIG_PATH, override: environment.DOTENV_CONFIG_OVERRIDE === "true" });
  return { config: load, configDotenv: load, preload, parse, populate: (into, from) => Object.assign(into, { ...from, ...into }) };
}

// What Node.js does before Node-RED: reads files of variables (--env-file), loads modules (-r, NODE_OPTIONS).
function preload(variables, values, asked) {
  const at = INPUT.args.findIndex((one) => RUN.test(one));
  const words = [...(values.NODE_OPTIONS || "").split(/\s+/), ...INPUT.args.slice(0, Math.max(at, 0))];
  const given = words.flatMap((one, place) => { // --option=VALUE, --option VALUE
    const [name, value] = one.split(/=(.*)/s);
    return /^(-r|--require|--import|--env-file|--env-file-if-exists)$/.test(name) ? [[name, value === undefined ? words[place + 1] || "" : value]] : [];
  });
  const read = {};
  for (const [name, value] of given) if (name.startsWith("--env"))
    Object.assign(read, util.parseEnv(attempt(() => fs.readFileSync(reached(place_(value)), "utf8"), "")));
  for (const [key, value] of Object.entries(read)) if (!Object.hasOwn(values, key)) values[key] = value;
  for (const [name, value] of given) if (!name.startsWith("--env")) {
    if (/(^|\/)dotenv\/config(\.js)?$/.test(value)) dotenv(variables).preload();
    else if (!ACTIONS.has(packageOf(value)) && sets(value, values)) asked.filling.push(printable(value));
  }
}

function sets(name, values) { // whether a module that is loaded before may set variables: its own file names them, or loads others
  const from = path.join(INPUT.cwd, "x"), bare = name.replace(/^file:\/\//, "");
  const file = path.isAbsolute(bare) ? bare : /^\./.test(bare) ? path.join(INPUT.cwd, bare) : installed(from, bare, values);
  const at = ["", ".js", ".cjs", "/index.js"].map((ending) => file + ending).find((one) => file && attempt(() => fs.statSync(one).isFile(), false));
  return Boolean(at) && /env|require|import/i.test(attempt(() => read(at, "utf8"), "env"));
}

const own_module = (name) => require("module").builtinModules.includes(name);

function processOf(environment, asked) { // the running process as settings.js sees it: reads answer, acts do nothing
  const stop = (code) => { throw failure(`settings.js calls process.exit(${printable(code)})`); };
  const shown = {};
  for (const key of Object.getOwnPropertyNames(process)) {
    const value = attempt(() => process[key], undefined);
    if (!/^(_|binding|dlopen|mainModule|env|std|channel|permission|report|getBuiltinModule)/.test(key))
      shown[key] = typeof value === "function" ? () => undefined : value;
  }
  const itself = (event, act) => { asked.waits(`process.on ${printable(event)}`, [act]); return shown; };
  for (const key of ["on", "once", "off", "addListener", "removeListener", "removeAllListeners", "prependListener",
    "prependOnceListener", "setMaxListeners"]) shown[key] = itself;
  for (const key of ["getuid", "geteuid", "getgid", "getegid", "getgroups", "hrtime", "memoryUsage", "cpuUsage",
    "resourceUsage", "constrainedMemory", "availableMemory"]) if (process[key]) shown[key] = process[key].bind(process);
  Object.assign(shown, {
    uptime: () => 0.5, env: environment, argv: argv(environment), pid: INPUT.pid, ppid: parent_(), cwd: () => INPUT.cwd, exit: stop,
    reallyExit: stop, abort: stop, kill: () => true, umask: () => process.umask(), emit: () => false, listeners: () => [],
    listenerCount: () => 0, emitWarning: () => {},
    nextTick: (act) => asked.waits("nextTick", [act]), getBuiltinModule: () => undefined,
    loadEnvFile: (file) => { if (dotenv(environment).config({ path: file || ".env" }).error) throw new Error("no such file"); },
    stdin: inert("stdin", asked), stdout: inert("stdout", asked), stderr: inert("stderr", asked),
  });
  return shown;
}

// --- how Node-RED was started, as settings.js sees it

const RUN = /(^|\/)(red\.js|node-red(-pi)?)$/;

function mainFile(environment) { // as it was named, "" where that is not known
  const word = INPUT.args.find((one) => RUN.test(one)) || "";
  if (!word || word.includes("/")) return word && path.resolve(INPUT.cwd, word);
  return (environment.PATH || "").split(":").map((one) => path.join(one, word)).find((one) => fs.existsSync(one)) || "";
}

function argv(environment) {
  const at = INPUT.args.findIndex((one) => RUN.test(one));
  return [process.execPath, mainFile(environment) || "red.js", ...INPUT.args.slice(at + 1)];
}

function mainModule(environment, asked) { // settings.js is never the main module: red.js is, or somebody's application
  const named = mainFile(environment), file = named && attempt(() => fs.realpathSync(named), "");
  if (!file) return inert("require.main", asked);
  const real = /\/node-red-pi$/.test(file) ? path.resolve(file, "../../red.js") : file;
  return { id: ".", filename: real, path: path.dirname(real), exports: {}, paths: [], children: [], loaded: false };
}

const parent_ = () => Number((attempt(() => raw.readFileSync(`/proc/${INPUT.pid}/stat`, "utf8"), "").split(") ").pop() || "").split(" ")[1]);

const own_os = (environment) => ({ ...os, homedir: () => environment.HOME || os.homedir(),
  tmpdir: () => environment.TMPDIR || environment.TMP || environment.TEMP || "/tmp" });

function own_path() { // that knows where the running process is
  const its = { ...path, resolve: (...words) => path.resolve(INPUT.cwd, ...words),
    relative: (from, to) => path.relative(path.resolve(INPUT.cwd, from), path.resolve(INPUT.cwd, to)) };
  its.posix = its;
  return its;
}

// --- programs whose answer is known without starting them

function programs(asked) {
  const rest = inert("child_process", asked);
  const said = (line) => {
    if (/^(\/(usr\/)?bin\/)?(hostname|uname -n)$/.test(line)) return `${os.hostname()}\n`;
    if (/^(\/(usr\/)?bin\/)?(whoami|id -un)$/.test(line)) return `${os.userInfo().username}\n`;
    const [, file] = /^(?:\/(?:usr\/)?bin\/)?cat (\/[\w.\/-]+)$/.exec(line) || [];
    return file && read(file, "utf8");
  };
  const answered = (name, line, args, options) => {
    const text = said(String(line).trim());
    if (text === undefined) return rest[name](...args);
    const encoding = own(options).encoding;
    return encoding && encoding !== "buffer" ? text : Buffer.from(text);
  };
  const known = {
    execSync: (line, options) => answered("execSync", line, [line, options], options),
    execFileSync: (file, words, options) => answered("execFileSync", [file, ...listOf(words)].join(" "), [file, words, options],
      Array.isArray(words) ? options : words),
  };
  return over(known, require("child_process"), (key) => rest[key]);
}

// --- packages

// They compute, read files, and do nothing else: they are evaluated like settings.js itself, and so is what they need.
const COMPUTES = new Set(["json5", "js-yaml", "yaml", "ini", "toml", "@iarna/toml", "smol-toml", "dotenv-expand", "config",
  "convict", "nconf", "rc", "env-var", "envalid", "cfenv", "lodash", "lodash.merge", "lodash.get", "lodash.defaultsdeep",
  "deepmerge", "merge-deep", "deep-extend", "defu", "merge", "extend", "deep-assign", "object-assign", "tslib", "ip",
  "strip-json-comments", "comment-json", "jsonc-parser", "node-red", "dotenv-flow", "dotenv-safe", "dotenv-defaults"]);
const packageOf = (name) => name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/");

const HASHED = new Map(); // hashes that settings.js makes at each start: the password of each

function bcrypt(asked) { // of which a hash is what it is made of: a password, and a cost
  const made = (password, cost) => {
    if (typeof password !== "string" && kindOf(password) !== "computed") throw new Error("Illegal arguments");
    const rounds = Math.min(31, Math.max(4, Math.trunc(Number(cost)) || 10));
    const random = require("crypto").randomBytes(40).toString("base64").replace(/[^A-Za-z0-9]/g, ".");
    const value = `$2b$${String(rounds).padStart(2, "0")}$${random.slice(0, 21)}u${random.slice(21, 51)}u`; // of that form
    HASHED.set(value, password);
    return value;
  };
  const costOf = (salt) => typeof salt === "string" ? (/^\$2[abxy]?\$(\d\d)\$/.exec(salt) || [])[1] : salt;
  const salted = (rounds = 10) => `$2b$${String(Math.min(31, Math.max(4, rounds))).padStart(2, "0")}$${"a".repeat(22)}`;
  const known = { hashSync: (password, salt = 10) => made(password, costOf(salt)), genSaltSync: salted,
    hash: async (password, salt = 10) => made(password, costOf(salt)), genSalt: async (rounds) => salted(rounds),
    getRounds: (value) => Number(costOf(value)) };
  const rest = inert("bcrypt", asked);
  const over = new Proxy({}, { get: (_, key) => key === "default" ? over : Object.hasOwn(known, key) ? known[key] : rest[key] });
  return over;
}
const HASHES = new Set(["bcrypt", "bcryptjs", "@node-rs/bcrypt"]);
