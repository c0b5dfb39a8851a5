// What the running process sees, and this one might not: files of its mount namespace, with its own groups. Part of both
// processes. `fs` is node's, with paths looked up as that process does; `raw` is what the host itself shows.
"use strict";
const raw = require("fs");
const http = require("http"), os = require("os"), path = require("path"), vm = require("vm"), util = require("util");
const { spawnSync } = require("child_process");
const { createRequire } = require("module");

const attempt = (act, otherwise) => { try { return act(); } catch { return otherwise; } };
const ROOT = `/proc/${INPUT.pid}/root`;
const space = (pid) => attempt(() => raw.readlinkSync(`/proc/${pid}/ns/mnt`), "");
const APART = Boolean(space(INPUT.pid)) && space(INPUT.pid) !== space("self"); // PrivateTmp=, BindPaths=, RootDirectory= ...
const ITS = new Set([...attempt(() => raw.readFileSync(`/proc/${INPUT.pid}/status`, "utf8"), "")
  .matchAll(/^(?:Gid|Groups):(.*)$/gm)].flatMap((one) => one[1].split(/\s+/).filter(Boolean).map(Number)));
const MINE = new Set([process.getgid(), process.getegid(), ...process.getgroups()]);
const EXTRA = ITS.size && process.getuid() ? [...MINE].filter((one) => !ITS.has(one)) : []; // sudo gives all that /etc/group names; root needs none
const BLIND = new Set(); // what we may not see, and that process perhaps may

function inside(file, last = true) { // where a path of that process's leads; last: through a link at its end, too
  const full = Buffer.isBuffer(file) || typeof file !== "string" ? file : file.replace(/^\/proc\/self(?=\/|$)/, `/proc/${INPUT.pid}`);
  if (!APART || typeof full !== "string" || !full.startsWith("/") || full.startsWith("/proc/")) return full;
  let rest = full.split("/"), here = "";
  for (let hops = 0; rest.length && hops < 200; hops++) {
    const name = rest.shift();
    if (name === "" || name === ".") continue;
    if (name === "..") { here = here.slice(0, Math.max(0, here.lastIndexOf("/"))); continue; }
    const leads = rest.length || last ? attempt(() => raw.readlinkSync(`${ROOT}${here}/${name}`), "") : "";
    if (!leads) { here = `${here}/${name}`; continue; }
    if (leads.startsWith("/")) here = "";
    rest = [...leads.split("/"), ...rest];
  }
  return ROOT + (here || "/");
}

function barred(file, stat) { // by a group that we have, and that process lacks
  if (!EXTRA.length || stat.uid === process.getuid()) return false;
  return !(stat.mode & (stat.isDirectory() ? 0o001 : 0o004)) && EXTRA.includes(stat.gid);
}

function noted(file, act) { // what a look at a file comes to, for that process
  if (EXTRA.length) for (let here = file; ; here = path.dirname(here)) {
    const stat = attempt(() => raw.statSync(here), null);
    if (stat && barred(here, stat)) throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
    if (here === path.dirname(here) || here === ROOT) break;
  }
  try {
    return act();
  } catch (error) {
    if (["EACCES", "EPERM"].includes(error.code) && [...ITS].some((one) => !MINE.has(one))) BLIND.add(file);
    throw error;
  }
}

const THROUGH = ["readFileSync", "statSync", "accessSync", "readdirSync", "openSync"], TO_THE_LINK = ["lstatSync", "readlinkSync"];
const fs = Object.create(raw); // copied, its deprecated members would warn
for (const [names, last] of [[THROUGH, true], [TO_THE_LINK, false]]) for (const name of names)
  fs[name] = (file, ...rest) => { const at = inside(file, last); return noted(at, () => raw[name](at, ...rest)); };
fs.existsSync = (file) => attempt(() => Boolean(fs.statSync(file)), false);
fs.realpathSync = (file) => {
  const at = inside(file);
  return noted(at, () => { const real = raw.realpathSync(at); return APART && at.startsWith(ROOT) ? at.slice(ROOT.length) || "/" : real; });
};
const shared = (file) => !APART || attempt(() => { // whether a path means the same file here as for that process
  const [here, there] = [raw.statSync(file), fs.statSync(file)];
  return here.ino === there.ino && here.dev === there.dev && raw.realpathSync(file) === fs.realpathSync(file);
}, false);
