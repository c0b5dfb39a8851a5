// What the host's own Node tells of one Node-RED: the first of two processes, run as its user from standard input. It
// reads the running process (environment, directories), looks at files, and starts the second, which evaluates
// settings.js (evaluate.js and reduce.js, which the second gets alone; caddy.js, flows.js, graph.js and palette.js are the
// other parts of the first). Nothing is written.
// Python puts `const INPUT = {...};` in front: mark, pid, userDir, settingsFile, args, manager (who keeps it, systemd aside),
// known (published hash or secret to name), modules (whose releases are asked for), caddies (those that are believed:
// executable, file, where the admin endpoint listens), userUnit (its service of its user's own systemd, or ""), limit
// (ms), flows (by what they are read), program (evaluate.js and reduce.js).
"use strict";

// --- the first process: the running one, and its files

function environmentOf(pid) {
  const raw = fs.readFileSync(`/proc/${pid}/environ`, "utf8");
  return Object.fromEntries(raw.split("\0").filter((one) => one.includes("=")).map((one) => {
    const at = one.indexOf("=");
    return [one.slice(0, at), one.slice(at + 1)];
  }));
}

const LONG = ["help", "port", "settings", "title", "userDir", "verbose", "safe", "version", "define", "no-telemetry"];
const SHORT = { "?": "help", p: "port", s: "settings", t: "help", u: "userDir", v: "verbose", D: "define" };
const VALUED = ["port", "settings", "title", "userDir", "define"];
const RED = /(^|\/)(red\.js|node-red(-pi)?)$/;

function optionsOf(word) { // as nopt has it: whole names, letters alone or together, beginnings that only one has
  const said = word.replace(/^-+/, "");
  if (LONG.includes(said)) return [said];
  if (said && [...said].every((one) => Object.hasOwn(SHORT, one))) return [...said].map((one) => SHORT[one]);
  const meant = LONG.filter((one) => one.startsWith(said));
  return meant.length === 1 ? meant : [said];
}

function parsed() { // the arguments as red.js takes them: of an option given twice the last counts
  const options = {}, remain = [], red = INPUT.args.findIndex((one) => RED.test(one));
  for (let here = red < 0 && (INPUT.args[0] || "").startsWith("-") ? 0 : Math.max(red, 0) + 1; here < INPUT.args.length; here++) {
    const [name, value] = INPUT.args[here].split(/=(.*)/s);
    if (/^-{2,}$/.test(name)) return { options, remain: [...remain, ...INPUT.args.slice(here + 1)] };
    if (!/^-./.test(name)) remain.push(...red < 0 && here ? [] : [INPUT.args[here]]); // of a script of somebody's: its own
    else for (const one of optionsOf(name))
      options[one] = !VALUED.includes(one) || value !== undefined ? value || "" : INPUT.args[++here] || "";
  }
  return { options, remain };
}
const option = (name) => parsed().options[name] || "";

function place(environment, cwd) { // as red.js does, from what is left of its arguments
  const absolute = (name) => name && path.resolve(cwd, name);
  const given = INPUT.userDir || absolute(option("userDir"));
  const older = environment.NODE_RED_HOME, kept = older && fs.existsSync(path.join(older, ".config.json")) ? older : "";
  const home = kept || environment.HOME && path.join(environment.HOME, ".node-red");
  // where its arguments are known and name none, it is its default; else it may be anywhere that is usual
  const known = INPUT.args.some((one) => RED.test(one));
  const guesses = given ? [given] : known ? [home] : [home, cwd, environment.HOME, "/data"];
  const file = INPUT.settingsFile || absolute(option("settings"));
  const there = (one) => one && attempt(() => fs.statSync(path.join(one, "settings.js")).isFile(), false);
  const real = (one) => attempt(() => fs.realpathSync(path.join(one, "settings.js")), "");
  const others = file ? [] : [...new Set(guesses.filter(there).map(real))];
  const userDir = guesses.find(there) || given || home || "";
  return { userDir, file: file || (userDir && path.join(userDir, "settings.js")), guessed: !given, named: Boolean(file || given), others,
    starter: known || given || file ? "" : INPUT.manager || INPUT.args[0] || "" };
}

function mounts() { // as the running process sees them: what is mounted where, and whether nobody there can write to it
  const name = (word) => word.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
  const seen = new Map();
  for (const line of attempt(() => fs.readFileSync(`/proc/${INPUT.pid}/mountinfo`, "utf8"), "").split("\n")) {
    const [here, device] = line.split(" - ").map((part) => part.split(" "));
    if (device) seen.set(name(here[4]), [here[5], device[2]].some((words) => (words || "").split(",").includes("ro")));
  }
  return seen;
}
const MOUNTS = mounts();

function fixed(file) { // whether it lies on what is mounted for reading only
  for (let here = file; ; here = path.dirname(here)) {
    if (MOUNTS.has(here)) return MOUNTS.get(here);
    if (here === path.dirname(here)) return false;
  }
}

function step(here) { // own: whether Node-RED itself can write to it, or allow itself to
  const stat = raw.statSync(here);
  const may = stat.uid === process.getuid() || Boolean(stat.mode & 0o020 && ITS.has(stat.gid))
    || attempt(() => { raw.accessSync(here, raw.constants.W_OK); return true; }, false);
  return { path: here, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, folder: stat.isDirectory(),
    own: may && !fixed(here), mount: MOUNTS.has(here) };
}

function turned(link) { // a link is changed by replacing it: whoever owns its directory can, or in a sticky one its owner
  const stat = raw.lstatSync(link), folder = raw.statSync(path.dirname(link));
  const sticky = Boolean(folder.mode & 0o1000), uid = sticky ? stat.uid : folder.uid;
  return { path: link, mode: 0, uid, gid: stat.gid, folder: false, mount: false,
    own: sticky && uid === process.getuid() && !fixed(path.dirname(link)) };
}

function above(here) { // all directories above it
  const steps = [];
  while (here !== path.dirname(here)) steps.push(step(here = path.dirname(here)));
  return steps;
}

function links(file) { // on the way to the file: who can change one, or a directory above it, decides where it leads
  const seen = [];
  let rest = path.resolve(file).split("/").filter(Boolean), here = "/";
  for (let hops = 0; rest.length && hops < 200; hops++) {
    const next = path.join(here, rest.shift());
    const leads = attempt(() => raw.readlinkSync(next), "");
    if (leads) {
      seen.push(next);
      rest = [...leads.split("/").filter(Boolean), ...rest];
      if (leads.startsWith("/")) here = "/";
    } else here = next;
  }
  return seen;
}

const elsewhere = new Set(); // what the service has mounted from a place of the host that is not known here

function looked(file) { // the file at its real place, and each link that leads to it
  const real = attempt(() => fs.realpathSync(file), null);
  if (!real) return [];
  if (!shared(file)) return elsewhere.add(file) && [];
  return [[step(real), ...above(real)], ...links(file).map((link) => [turned(link), ...above(link)])]
    .map((steps) => ({ asked: file, steps }));
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

const open = (file) => attempt(() => { // somebody else's, or open to group or others: all others of a thousand are alike
  const stat = fs.statSync(file);
  return Boolean(stat.mode & 0o022) || ![0, process.getuid()].includes(stat.uid);
}, false);
const children = (folder) =>
  attempt(() => fs.readdirSync(folder), []).slice(0, 500).map((one) => path.join(folder, one));

function flowsOf(userDir, settings, environment, cwd) { // the flows that run: an active project's, else the file's
  const given = parsed().remain.flatMap((one) => one === "$FLOWS" ? environment.FLOWS || [] : one); // of entrypoint.sh
  const name = given[0] || (INPUT.args.length ? "" : environment.FLOWS || "") || settings.flowFile;
  const json = (file) => own(attempt(() => JSON.parse(bounded(file, MOST)), null));
  const projects = json(path.join(userDir, ".config.projects.json"));
  const active = Object.hasOwn(own(projects.projects), name) ? name : text(projects.activeProject);
  const said = environment.NODE_RED_ENABLE_PROJECTS, on = said ? !/^false$/i.test(said) : settings.projects;
  if (on && active && fs.existsSync(path.join(userDir, "projects", active))) {
    const folder = path.join(userDir, "projects", active);
    const given = own(own(json(path.join(folder, "package.json"))["node-red"]).settings).flowFile;
    return path.join(folder, typeof given === "string" ? given : "flow.json");
  }
  if (!name) {
    const old = path.join(userDir, `flows_${os.hostname()}.json`), usual = path.join(userDir, "flows.json");
    return fs.existsSync(usual) || !fs.existsSync(old) ? usual : old;
  }
  if (path.isAbsolute(name)) return name;
  const beside = path.join(cwd, name);
  return name.startsWith("./") || fs.existsSync(beside) ? beside : path.join(userDir, name);
}

function filesOf(userDir, { loaded, secrets }, flows, ofUnit) {
  const { dir, name, ext } = path.parse(flows);
  const given = own(own(own(attempt(() => JSON.parse(bounded(path.join(dir, "package.json"), MOST)), null))["node-red"])
    .settings).credentialsFile; // of a project
  // Node-RED 4 keeps them in the user directory, 5 where they are: there, else beside the flows
  const credentials = [...new Set([`${name}_cred${ext}`, text(given)].filter(Boolean)
    .flatMap((one) => [path.join(dir, one), path.join(userDir, one)]))];
  const kinds = {
    settings: [...loaded.filter((one) => !one.read).map((one) => one.path), ...secrets], "environment files": ofUnit, flows: [flows, backup(flows)],
    credentials: credentials.flatMap((one) => [one, backup(one)]),
    sessions: [".sessions.json", ".flowfuse-assistant.json"].map((one) => path.join(userDir, one)), // tokens
    "runtime config": attempt(() => fs.readdirSync(userDir), []).filter((name) => /^\.config\./.test(name))
      .map((name) => path.join(userDir, name)),
    context: below(path.join(userDir, "context"), () => true),
    projects: [path.join(userDir, "package.json"), ...below(path.join(userDir, "projects"),
      (file) => /\/\.git\/config$/.test(file) || /(^|\/)(flows?|.*_cred)[^/]*\.json$/.test(file))],
    code: [path.join(userDir, "node_modules"), ...children(path.join(userDir, "node_modules")).filter(open),
      path.join(userDir, "lib"), ...below(path.join(userDir, "lib"), open)],
    "ssh keys": below(path.join(userDir, "projects", ".sshkeys"), () => true),
  };
  const types = attempt(() => {
    const nodes = JSON.parse(bounded(flows, FLOWS.limit));
    return { known: true, dashboard1: nodes.some((one) => /^ui_/.test(one.type)),
      dashboard2: nodes.some((one) => /^ui-/.test(one.type)),
      pages: nodes.filter((one) => one.type === "ui-base" && !one.d).map((one) => text(one.path) || "/dashboard"),
      webSockets: nodes.filter((one) => one.type === "websocket-listener" && !one.d).map((one) => text(one.path)) };
  }, { known: false, dashboard1: false, dashboard2: false, pages: [], webSockets: [] });
  const listed = Object.entries(kinds).map(([kind, names]) => [kind, names.flatMap(looked)]);
  const apart = Object.entries(kinds).flatMap(([kind, names]) => names.filter((one) => elsewhere.has(one)).map((one) => [kind, one]));
  const steps = listed.flatMap(([, many]) => many.flatMap((one) => one.steps));
  const shown = attempt(() => spawnSync("ls", ["-ld", ...new Set(steps.map((one) => one.path))],
    { encoding: "utf8", timeout: 3000, env: { PATH: "/usr/bin:/bin" } }).stdout, "") || "";
  const wider = shown.split("\n").filter((line) => /^\S{10}\+/.test(line)); // with an access control list
  for (const one of steps) one.acl = wider.some((line) => line.endsWith(` ${one.path}`));
  return { kinds: Object.fromEntries(listed), types, apart: Object.fromEntries(apart) };
}

function telemetry(userDir, environment) { // what was said outside settings.js: by a user of the editor, or at the start
  const file = path.join(userDir, ".config.runtime.json");
  const known = attempt(() => JSON.parse(bounded(file, MOST)), null);
  if (!known && fs.existsSync(file)) return { chosen: "computed", silenced: false };
  const marks = [["instance", own(known).instanceId], ["secret", own(known)._credentialSecret]]
    .filter(([, value]) => typeof value === "string" && /^[0-9a-f]{16,128}$/.test(value)) // as Node-RED makes them: no words
    .map(([name, value]) => [name, require("crypto").createHash("sha256").update(`nodered-sec\n${value}`).digest("hex")]);
  return { chosen: switched(own(known).telemetryEnabled),
    ...Object.fromEntries(marks),
    silenced: Boolean(environment.NODE_RED_DISABLE_TELEMETRY) || INPUT.args.includes("--no-telemetry") };
}

function placesOf(pid, cwd, userDir) { // directories of packages: the user's, Node-RED's own, and where it may be
  const red = INPUT.args.map((one) => attempt(() => fs.realpathSync(/\//.test(one) ? path.resolve(cwd, one)
    : ["/usr/bin", "/usr/local/bin"].map((at) => path.join(at, one)).find(fs.existsSync)), ""))
    .filter((one) => /\/node-red\/red\.js$/.test(one)).map((one) => path.resolve(one, "../.."));
  const maps = attempt(() => fs.readFileSync(`/proc/${pid}/maps`, "utf8"), "");
  const mapped = [...maps.matchAll(/(\/\S*?\/node_modules)\//g)].map((one) => one[1]);
  const roots = [...new Set([...mapped, path.join(cwd, "node_modules"), path.join(userDir, "node_modules"),
    path.resolve(process.execPath, "../../lib/node_modules"), "/usr/lib/node_modules", "/usr/local/lib/node_modules"])];
  return { own: path.join(userDir, "node_modules"), red, roots };
}

function versions(pid, { own: mine, red, roots }) {
  const packages = [];
  const version = (name, places, all) => { // the first that is there; where that is a guess, all must be of one release
    const found = [...new Set(places.map((root) => path.join(root, name, "package.json")).filter(fs.existsSync)
      .map((file) => attempt(() => fs.realpathSync(file), file)))].slice(0, all ? undefined : 1);
    const told = new Set(found.map((file) => text(jsonOf(file).version)));
    if (told.size !== 1) return "";
    // its directory's as well: what was replaced may have kept its own date
    const times = [found[0], path.dirname(found[0])].map((one) => fs.statSync(one).mtimeMs);
    packages.push({ path: found[0], changed: Math.floor(Math.max(...times) / 1000) });
    return [...told][0];
  };
  const users = [mine, ...red, ...roots];
  // Node-RED's own Node.js, though the one that runs this be another; not one that is gone, or that others can change
  const running = attempt(() => fs.readlinkSync(`/proc/${pid}/exe`), "");
  const same = attempt(() => running === raw.realpathSync(process.execPath) && shared(running), false);
  const node = same ? process.version : attempt(() => lax(running, raw) || !shared(running) ? "" : spawnSync(running, ["--version"],
    { encoding: "utf8", timeout: 3000, cwd: "/", env: {} }).stdout.trim(), "");
  return { node: (/^v(\d\S*)/.exec(node || "") || [])[1] || "",
    nodeRed: version("node-red", red.length ? red : roots, !red.length),
    modules: INPUT.modules.map((name) => [name, version(name, users)]).filter(([, release]) => release),
    packages };
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

function ownUnit() { // what its user's own systemd says of its service: it only shows
  const keys = "Id,ActiveState,UnitFileState,Restart,NoNewPrivileges,ProtectSystem,UMask,FragmentPath,DropInPaths,ExecStart,EnvironmentFiles";
  const shown = INPUT.userUnit && attempt(() => spawnSync("systemctl", ["--user", "show", "--no-pager", "-p", keys,
    INPUT.userUnit], { encoding: "utf8", timeout: 3000, cwd: "/", env: { PATH: "/usr/bin:/bin", LC_ALL: "C",
    XDG_RUNTIME_DIR: `/run/user/${process.getuid()}` } }).stdout, "");
  const said = (shown || "").split("\n").map((line) => line.split(/=(.*)/s)).filter(([key, value]) => key && value !== undefined);
  const { ExecStart: start = "", EnvironmentFiles: _, ...unit } = Object.fromEntries(said);
  const environment = said.filter(([key]) => key === "EnvironmentFiles").map(([, value]) => value.replace(/ \([^()]*\)$/, ""));
  const argv = /argv\[\]=(.*?) ;/.exec(start); // arguments that the process itself has overwritten
  if (argv && !INPUT.args.length) INPUT.args = argv[1].split(/\s+/);
  const files = [unit.FragmentPath || "", ...(unit.DropInPaths || "").split(" "), ...environment].filter(Boolean);
  return { unit, environment, files: files.flatMap((file) => attempt(() => [{ path: file, changed: changed(file) }], [])) };
}

function inspectors(environment) { // ports that Node.js was told for its inspector
  const clustered = attempt(() => own(JSON.parse(environment.pm2_env)).node_args, []); // of cluster mode
  const words = [...INPUT.args, ...[environment.NODE_OPTIONS, environment.node_args, clustered].join(" ").split(/[\s,]+/)];
  return words.flatMap((word) => (/^--(?:inspect(?:-brk|-wait|-port)?|debug-port)=(?:.*:)?(\d{1,5})$/.exec(word) || []).slice(1)).map(Number);
}

async function everything() {
  const environment = attempt(() => environmentOf(INPUT.pid), null);
  if (!environment) return say({ trouble: "the environment of Node-RED's process is shown to nobody but root, as where its "
    + "service has capabilities (AmbientCapabilities=), users of its own (PrivateUsers=), or a group that its user by /etc/group has not", loaded: [] });
  const { unit, files, environment: ofUnit } = ownUnit();
  const cwd = attempt(() => fs.readlinkSync(`/proc/${INPUT.pid}/cwd`), "/");
  const kept = keeper(environment);
  if (kept.args.length && !INPUT.args.length) INPUT.args = kept.args;
  INPUT.args = INPUT.args.flatMap((one) => { // a unit may leave words to the environment: $NODE_RED_OPTIONS
    const name = (/^\$\{?(\w+)\}?$/.exec(one) || [])[1];
    return name ? (environment[name] || "").split(/\s+/).filter(Boolean) : [one.replace(/\$\{(\w+)\}/g, (_, part) => environment[part] || "")];
  });
  const found = place(environment, cwd);
  const known = JSON.stringify({ ...INPUT, environment, cwd, file: found.file, child: true });
  const done = spawnSync(process.execPath, ["-"], {
    input: `const INPUT = ${known};\n${INPUT.program}`, encoding: "utf8", timeout: INPUT.limit * 2 + 2000,
    killSignal: "SIGKILL", maxBuffer: 1 << 20, cwd: "/", // of its environment nothing more: NODE_OPTIONS would load modules into our child
    env: { PATH: environment.PATH || "/usr/bin:/bin", ...environment.TZ ? { TZ: environment.TZ } : {} },
  });
  const line = (done.stdout || "").split("\n").filter((one) => one.startsWith(`${INPUT.mark} `)).pop();
  const seen = line ? JSON.parse(line.slice(INPUT.mark.length + 1))
    : { trouble: done.signal ? "it did not end in time" : "it ended the process that read it", loaded: [] };
  const own_ = found.guessed && seen.settings && seen.settings.userDir; // an argument outweighs what the file says
  const userDir = own_ ? path.resolve(cwd, own_) : found.userDir;
  const flows = seen.settings && flowsOf(userDir, seen.settings, environment, cwd);
  const listed = flows ? { ...filesOf(userDir, seen, flows, ofUnit), flows: graphOf(flows) } : { kinds: {}, types: {} };
  const places = placesOf(INPUT.pid, cwd, userDir);
  const nodes = nodesIn([places.own, ...places.red.length ? places.red : places.roots.filter((one) => fs.existsSync(path.join(one, "node-red")))]);
  say({ ...seen, ...found, nodes, lock: lockOf(userDir), userDir, ...listed, groups: groups(), caddies: await caddies(),
    ownUnit: unit, kept, loaded: [...seen.loaded, ...files, ...kept.files.map((one) => ({ path: one, changed: changed(one) }))], versions: versions(INPUT.pid, places), telemetry: telemetry(userDir, environment), port: option("port"),
    define: "define" in parsed().options, inspectors: inspectors(environment) });
}

async function main() { // whoever writes the files may give them any form
  return everything().catch(() =>
    say({ trouble: "what was read of it, or of the files beside it, has another form than is read here", loaded: [] }));
}

main();
