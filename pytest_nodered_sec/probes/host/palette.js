// The packages with nodes that are installed: what a bounded reading of their code shows, and whether they can be
// installed again as they are. Nothing of them is run. Part of the first process; flows.js has `bounded`, `re` and rows.
"use strict";
const CODE = 1 << 19; // bytes of one file that is read
const MOST_CODE = 1 << 24; // of all together
const SHOWN = 5; // places of one kind in one package
const ASIDE = new Set(["node_modules", "test", "tests", "__tests__", "examples", "docs", "resources", "locales", "dist-client", "public", "static", "assets", "bin", "scripts"]);
const MARKS = [
  ["listens", /\.createServer\s*\(|\bnew\s+(?:\w+\.)?(?:WebSocket)?Server\s*\(\s*\{|\.listen\s*\(\s*[^)\s]/g],
  ["commands", /(?:require|import)\s*\(\s*["'](?:node:)?child_process["']\s*\)|from\s+["'](?:node:)?child_process["']/g],
];
const ROUTE = /\bhttpAdmin\b(?:\s*\.\s*(\w+)\s*\()?/g;
const SCRIPTS = ["preinstall", "install", "postinstall"];
const jsonOf = (file) => own(attempt(() => JSON.parse(bounded(file, MOST)), null));
const hasNodes = (place, name) => name !== "node-red" && !name.startsWith("@node-red/")
  && isRow(jsonOf(path.join(place, name, "package.json"))["node-red"]);

function packagesIn(folder) { // directories of packages, with those below a scope
  return attempt(() => fs.readdirSync(folder), []).slice(0, 3000).sort().flatMap((name) => name.startsWith("@")
    ? attempt(() => fs.readdirSync(path.join(folder, name)), []).slice(0, 500).sort().map((one) => `${name}/${one}`)
    : name.startsWith(".") ? [] : [name]);
}

function asks(handler, code) { // whether a handler asks for a permission, itself or as the name of one that does
  const name = /^\s*([A-Za-z_$][\w$]*)\s*$/.exec(handler);
  return /needsPermission/.test(handler.slice(0, 500))
    || Boolean(name && new RegExp(`(?<![\\w.$])${name[1].replace(/\$/g, "\\$")}\\s*=[^;{}]*needsPermission`).test(code));
}

function openRoutes(code) { // places where something is registered below the admin root, and nothing there asks for a permission
  const open = [], guarded = [];
  for (const match of code.matchAll(ROUTE)) {
    if (!match[1]) { // handed on, and not only in place of httpNode
      if (!/\|\|\s*(?:\w+\.)?$/.test(code.slice(Math.max(0, match.index - 40), match.index))) open.push(match.index);
      continue;
    }
    if (!["get", "post", "put", "delete", "patch", "all", "use"].includes(match[1])) continue;
    const [first, ...handlers] = argumentsAt(code, match.index + match[0].length);
    const place = (/^\s*["'`]([^"'`]*)["'`]\s*$/.exec(first) || [])[1];
    if (handlers.some((one) => asks(one, code))) {
      if (match[1] === "use" && place) guarded.push(place.replace(/[/*]+$/, "") + "/");
    } else if (!guarded.some((one) => place && `${place}/`.startsWith(one))) open.push(match.index);
  }
  return open;
}

function marksOf(code) { // places, as kind and line
  const plain = code.replace(re("comments"), (all, kept) => kept || all.replace(/[^\n]/g, " "));
  const seen = openRoutes(plain).map((at) => ["routes", at]);
  for (const [kind, pattern] of MARKS) for (const match of plain.matchAll(pattern)) seen.push([kind, match.index]);
  return seen.map(([kind, at]) => [kind, plain.slice(0, at).split("\n").length]);
}

function sources(folder, depth = 5) { // files of code, not those for browsers that lie in the usual places
  return !depth ? [] : attempt(() => fs.readdirSync(folder, { withFileTypes: true }), []).slice(0, 300)
    .sort((one, other) => one.name < other.name ? -1 : 1).flatMap((one) => {
      const full = path.join(folder, one.name);
      if (one.isDirectory()) return ASIDE.has(one.name) || one.name.startsWith(".") ? [] : sources(full, depth - 1);
      return one.isFile() && /\.[cm]?js$/.test(one.name) && !/\.min\.js$/.test(one.name) ? [full] : [];
    }).slice(0, 300);
}

function nodesIn(folders) { // each package with nodes, as Node-RED finds it: the first of its name
  const known = new Set(), seen = [];
  let left = MOST_CODE;
  for (const folder of folders) for (const name of packagesIn(folder)) {
    if (known.has(name) || !hasNodes(folder, name)) continue;
    const place = path.join(folder, name), about = jsonOf(path.join(place, "package.json"));
    known.add(name);
    const marks = [], all = SCRIPTS.filter((one) => isText(own(about.scripts)[one])).map((one) => ["installs", "package.json", one]);
    let whole = true;
    for (const file of sources(attempt(() => fs.realpathSync(place), place))) {
      const code = left > 0 && attempt(() => bounded(file, CODE), null);
      if (typeof code !== "string") { whole = false; continue; }
      left -= code.length;
      const shown = path.relative(attempt(() => fs.realpathSync(place), place), file).replace(/[^\w./@ -]/g, "?").slice(0, 120);
      for (const [kind, line] of marksOf(code))
        if (marks.filter((one) => one[0] === kind).length < SHOWN) marks.push([kind, shown, String(line)]);
    }
    seen.push({ name: printable(name), version: printable(text(about.version)), marks: [...all, ...marks], whole });
    if (seen.length >= 300) return seen;
  }
  return seen;
}

function lockOf(userDir) { // whether what the user directory has can be installed again as it is
  const modules = attempt(() => fs.realpathSync(path.join(userDir, "node_modules")), ""), folder = modules ? path.dirname(modules) : userDir;
  const wanted = Object.keys(own(jsonOf(path.join(folder, "package.json")).dependencies)).slice(0, 1000);
  const there = packagesIn(modules || path.join(userDir, "none"))
    .filter((name) => hasNodes(modules, name));
  const locks = ["npm-shrinkwrap.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"];
  const lock = locks.find((name) => fs.existsSync(path.join(folder, name))) || "";
  const seen = { folder, packages: there.map(printable), lock, broken: "", version: 0, unlocked: [], registries: [], elsewhere: [], scripts: [],
    silent: /^\s*ignore-scripts\s*=\s*true\s*$/m.test(attempt(() => bounded(path.join(userDir, ".npmrc"), MOST), "")) };
  if (!lock.endsWith(".json")) return seen;
  const locked = attempt(() => JSON.parse(bounded(path.join(folder, lock), FLOWS.limit)), null);
  if (!isRow(locked)) return { ...seen, broken: "it cannot be read, or is no JSON" };
  seen.version = Number.isSafeInteger(locked.lockfileVersion) ? locked.lockfileVersion : 0;
  const rows = Object.entries(own(locked.packages)).filter(([place, one]) => place && isRow(one));
  const byPlace = new Map(rows);
  const release = (name) => jsonOf(path.join(modules, name, "package.json")).version;
  seen.unlocked = [...new Set([...wanted, ...there])].filter((name) => !byPlace.has(`node_modules/${name}`)
    || there.includes(name) && byPlace.get(`node_modules/${name}`).version !== release(name)).map(printable);
  const registries = new Set();
  for (const [place, one] of rows) {
    const name = printable(place.slice(place.lastIndexOf("node_modules/") + 13) || place);
    const url = isText(one.resolved) ? attempt(() => new URL(one.resolved), null) : null;
    if (one.hasInstallScript === true) seen.scripts.push(name);
    if (url && ["http:", "https:"].includes(url.protocol) && isText(one.integrity)) registries.add(printable(url.host));
    else if (!one.inBundle && !one.optional && (one.link || isText(one.resolved) || !isText(one.integrity))) seen.elsewhere.push(name);
  }
  seen.registries = [...registries].sort().slice(0, 20);
  for (const key of ["unlocked", "elsewhere", "scripts"]) seen[key] = [...new Set(seen[key])].slice(0, 100);
  return seen;
}
