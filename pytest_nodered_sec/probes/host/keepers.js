// How pm2 and supervisord started Node-RED, and whether they will again: from the environment that they gave it, and from
// their own files. Part of the first process. A file counts only where root or Node-RED's user alone can change it, and
// supervisord read it as it is now.
"use strict";

const parentOf = (pid) => (attempt(() => raw.readFileSync(`/proc/${pid}/stat`, "utf8"), "").split(") ").pop() || "").split(" ")[1];

function startOf(pid) { // seconds since 1970
  const ticks = Number(attempt(() => raw.readFileSync(`/proc/${pid}/stat`, "utf8"), "").split(") ").pop().split(" ")[19]);
  const boot = Number((/^btime (\d+)$/m.exec(attempt(() => raw.readFileSync("/proc/stat", "utf8"), "")) || [])[1]);
  return boot + ticks / 100; // USER_HZ
}

const settled = (file) => { // a file of root's or our own
  if (attempt(() => lax(file, raw), file)) throw failure(`others than root and Node-RED's user can change ${printable(file)}`);
  return file;
};

function ofPm2(environment) { // fork mode hides the arguments; what pm2 saved has them, if nothing was restarted by hand since
  const said = attempt(() => own(JSON.parse(environment.pm2_env)), {}); // of cluster mode
  const value = (key) => said[key] !== undefined ? String(said[key]) : environment[key];
  const script = value("pm_exec_path") || "", home = environment.PM2_HOME || path.join(environment.HOME || "", ".pm2");
  const dump = path.join(home, "dump.pm2"), saved = attempt(() => JSON.parse(bounded(settled(dump), MOST)), null);
  const itself = (Array.isArray(saved) ? saved : []).find((one) => own(one).name === value("name") && own(one).pm_exec_path === script);
  const same = itself && String(itself.created_at) === value("created_at");
  const words = Array.isArray(said.args) ? said.args : same && Array.isArray(itself.args || []) ? itself.args || [] : null;
  const known = words && RED.test(script);
  return { args: known ? [script, ...words.map(String)] : [], files: [], trouble: known ? "" : "pm2 save would show them",
    restarts: value("autorestart") === undefined ? null : value("autorestart") !== "false",
    starts: saved ? Boolean(itself) : attempt(() => raw.existsSync(dump), true) ? null : false };
}

function sectionsOf(body) { // of an ini file, as Python reads it
  const found = {};
  let here = null, last = "";
  for (const line of body.split("\n")) {
    const head = /^\[([^\]]+)\]/.exec(line), pair = /^([^\s;#=:][^=:]*?)\s*[=:]\s*(.*)$/.exec(line);
    if (head) here = found[head[1]] = Object.hasOwn(found, head[1]) ? found[head[1]] : {};
    else if (!here || /^\s*[;#]/.test(line) || !line.trim()) continue;
    else if (/^\s/.test(line) && last) here[last] += ` ${line.trim()}`;
    else if (pair) here[last = pair[1].trim()] = pair[2].replace(/\s;.*$/, "").trim();
  }
  return found;
}

function ofSupervisord(environment) {
  const keeper = parentOf(INPUT.pid), cwd = attempt(() => raw.readlinkSync(`/proc/${keeper}/cwd`), "/");
  const words = attempt(() => raw.readFileSync(`/proc/${keeper}/cmdline`, "utf8"), "").split("\0");
  const named = words.map((one, place) => /^(-c|--configuration)$/.test(one) ? words[place + 1] : (/^--configuration=(.*)$/.exec(one) || [])[1])
    .find(Boolean);
  if (![0, process.getuid()].includes(raw.statSync(`/proc/${keeper}`).uid)) throw failure("it is somebody else's supervisord");
  const file = named ? path.resolve(cwd, named) : ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"].find(raw.existsSync);
  const main = sectionsOf(bounded(settled(file), MOST));
  const more = (own(main.include).files || "").split(/\s+/).filter(Boolean).flatMap((one) => {
    const full = path.resolve(path.dirname(file), one), like = new RegExp(`^${path.basename(full).replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*/g, ".*").replace(/\?/g, ".")}$`);
    return raw.readdirSync(path.dirname(full)).filter((name) => like.test(name)).sort().map((name) => path.join(path.dirname(full), name));
  });
  const files = [file, ...more], name = environment.SUPERVISOR_GROUP_NAME || environment.SUPERVISOR_PROCESS_NAME;
  const all = Object.assign({}, main, ...more.map((one) => sectionsOf(bounded(settled(one), MOST))));
  const program = all[`program:${name}`];
  const late = files.find((one) => changed(one) > startOf(keeper) + 2);
  if (!program) throw failure(`${printable(file)} names no program ${printable(name)}`);
  if (late) throw failure(`${printable(late)} was changed after supervisord read it: restart supervisord`);
  const command = program.command || "";
  return { args: /[%'"\\]/.test(command) ? [] : command.split(/\s+/), restarts: program.autorestart !== "false",
    starts: program.autostart !== "false", files };
}

function keeper(environment) { // what the process manager, systemd aside, says of Node-RED
  const nothing = { args: [], restarts: null, starts: null, files: [], trouble: "" };
  try {
    const seen = INPUT.manager === "pm2" ? ofPm2(environment) : INPUT.manager === "supervisord" ? ofSupervisord(environment) : {};
    return { ...nothing, ...seen };
  } catch (error) {
    return { ...nothing, trouble: ours.has(error) ? error.message : "its files cannot be read" };
  }
}
