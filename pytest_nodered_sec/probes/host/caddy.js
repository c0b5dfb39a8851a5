// What each Caddy on the host serves, reduced: no hash and no token leaves. Part of the program that settings.js ends;
// Python names the Caddys that are believed (INPUT.caddies), and the executables that may be run.
"use strict";

function dialled(value) { // whom a route of Caddy hands requests to, however deep it stands
  if (value === null || typeof value !== "object") return [];
  if (value.handler === "reverse_proxy") {
    const secure = Boolean(own(value.transport).tls);
    return (value.upstreams || []).map((one) => ({ dial: text(one.dial), secure }));
  }
  return Object.values(value).flatMap(dialled);
}

// An expression (CEL) as sets of conditions that mean the same, null where it holds what is not understood. "a || b" is
// "not (not a and not b)". Of headers and queries only their names leave, as elsewhere.
function expressed(whole) {
  const tokens = whole.match(/&&|\|\||[!(){}\[\],:]|[a-z_]+(?=\()|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|\S/g) || [];
  const none = (...sets) => ({ not: sets }), take = (sign) => tokens[0] === sign && Boolean(tokens.shift());
  const wanted = (sign) => { if (!take(sign)) throw new Error("not understood"); };
  const string = () => {
    const token = tokens.shift() || "";
    if (!/^["'`]/.test(token) || /\{/.test(token)) throw new Error("not understood");
    return token[0] === "`" ? token.slice(1, -1) : token.slice(1, -1).replace(/\\(.)/g, (_, one) => {
      if (/[a-z0-9]/i.test(one)) throw new Error("not understood");
      return one;
    });
  };
  const list = () => { const all = [string()]; while (take(",")) all.push(string()); return all; };
  const table = () => { // of names, with a value or a list each
    const names = {};
    wanted("{");
    do {
      const name = string();
      wanted(":");
      if (take("[")) { list(); wanted("]"); } else string();
      names[name] = true;
    } while (take(","));
    wanted("}");
    return names;
  };
  const calls = { path: () => ({ path: list() }), host: () => ({ host: list() }), method: () => ({ method: list() }),
    protocol: () => ({ protocol: string() }), remote_ip: () => ({ remote_ip: { ranges: list() } }),
    client_ip: () => ({ client_ip: { ranges: list() } }), header: () => ({ header: table() }), query: () => ({ query: table() }),
    path_regexp: () => { const [first, second] = list(); return { path_regexp: { pattern: second || first, name: second ? first : "" } }; },
    header_regexp: () => { const names = list(); return { header_regexp: { [names[names.length - 2]]: true } }; } };
  const single = () => {
    if (take("!")) return none(single());
    if (take("(")) { const inside = either(); wanted(")"); return inside; }
    const call = calls[tokens.shift()];
    wanted("(");
    const set = call();
    wanted(")");
    return set;
  };
  const joined = (part, sign) => { const all = [part()]; while (take(sign)) all.push(part()); return all; };
  const both = () => { const all = joined(single, "&&"); return all.length > 1 ? none(...all.map((one) => none(one))) : all[0]; };
  const either = () => { const all = joined(both, "||"); return all.length > 1 ? none(none(...all)) : all[0]; };
  return attempt(() => { const set = either(); if (tokens.length) throw new Error("not understood"); return set; }, null);
}

function matched(set) { // one set of conditions; of headers and queries only their names leave
  const { host, path: paths, path_regexp: pattern, not, method, protocol, remote_ip: remote, client_ip: client,
    header, header_regexp: headers, query, expression, file, ...others } = own(set);
  const source = text(own(expression).expr || expression);
  const failed = /^\{http\.error\.status_code\} in \[([\d, ]+)\]$/.exec(source);
  const said = expression === undefined || failed ? undefined : expressed(source);
  return { hosts: listOf(host).map(text), paths: listOf(paths).map(text), pattern: text(own(pattern).pattern),
    name: text(own(pattern).name), not: [...listOf(not), ...said ? [{ not: [said] }] : []].map(matched), methods: listOf(method).map(text),
    protocol: text(protocol), networks: listOf(own(remote).ranges).map(text), forwarded: listOf(own(client).ranges).map(text),
    headers: [header, headers, query].flatMap((one) => Object.keys(own(one))),
    statuses: failed ? failed[1].split(",").map(Number) : [], files: file !== undefined,
    unread: [...said === null ? ["expression"] : [], ...Object.keys(others)] };
}

const CADDY = { // what the handlers of Caddy do to a request
  authentication: "login", authenticator: "login", subroute: "routes", rewrite: "rewrite", static_response: "end",
  error: "error", file_server: "file", reverse_proxy: "proxy", invoke: "invoke", vars: "pass", headers: "pass",
  encode: "pass", map: "pass", tracing: "pass", log_append: "pass", push: "pass", request_body: "pass",
  templates: "pass", intercept: "pass", metrics: "pass", copy_response: "end", copy_response_headers: "pass" };

function rewritten(one) { // how a path is rewritten
  return { uri: text(one.uri), prefix: text(one.strip_path_prefix), suffix: text(one.strip_path_suffix),
    swaps: listOf(one.uri_substring).map((each) => [text(each.find), text(each.replace), Number(each.limit) || 0]),
    patterns: listOf(one.path_regexp).map((each) => [text(each.find), text(each.replace)]) };
}

function done(one) { // one step of a route
  const answers = one.handler === "intercept" && dialled(one.handle_response).length; // hands some answers on
  const names = one.handler === "headers" ? Object.values(own(one.request)).flatMap((each) => Object.keys(own(each))) : [];
  const kind = names.some((name) => /^authorization$/i.test(name)) ? "sign" : !answers && CADDY[one.handler] || "unknown";
  const rewrite = rewritten(kind === "proxy" ? own(one.rewrite) : kind === "rewrite" ? one : {});
  const dials = kind === "proxy" ? listOf(one.upstreams).map((to) => text(to.dial)) : [];
  return { ...rewrite, kind, name: text(kind === "invoke" ? one.name : one.handler), dials,
    status: Number(one.status_code) || 0, passes: one.pass_thru === true, gathers: Boolean(one.dynamic_upstreams),
    routes: kind === "routes" ? routed(one.routes) : [], errors: routed(own(one.errors).routes),
    answers: kind === "proxy" ? listOf(one.handle_response).map((each) => ({ routes: routed(each.routes),
      statuses: listOf(own(each.match).status_code).map(Number) })) : [] };
}

function verifies(asked) { // whether it is a client certificate that Caddy itself verifies: "require" takes any
  const { mode, ca, trusted_ca_certs: certs, trusted_ca_certs_pem_files: files, trusted_leaf_certs: leaves, verifiers } = own(asked);
  const listed = [leaves, verifiers].some((one) => listOf(one).length);
  return mode === "require_and_verify" || mode === "require" && listed
    || !mode && Boolean(listed || ca || [certs, files].some((one) => listOf(one).length));
}

function demanded(one) { // the names for which Caddy demands a client certificate, "*" for all
  return listOf(one.tls_connection_policies).filter((each) => verifies(own(each).client_authentication))
    .flatMap((each) => !own(each.match).sni ? ["*"] : one.strict_sni_host === false ? [] : listOf(each.match.sni).map(text));
}

function trusted(proxies) { // whose word on a client's address Caddy takes, "*" where that is found out as it runs
  return kindOf(proxies) === "unset" ? [] : own(proxies).source === "static" ? listOf(proxies.ranges).map(text) : ["*"];
}

function relayed(wrappers) { // whose PROXY protocol Caddy takes, "*" where its release decides
  return listOf(wrappers).filter((each) => own(each).wrapper === "proxy_protocol").flatMap((each) => {
    const policy = text(each.fallback_policy || each.fallback).toUpperCase();
    if (["USE", "REQUIRE"].includes(policy)) return ["0.0.0.0/0", "::/0"];
    return listOf(each.allow).length || policy ? listOf(each.allow).map(text) : ["*"];
  });
}

function raws(config) { // servers of the app layer4, which hand connections on without looking into them
  const dials = (value) => value === null || typeof value !== "object" ? [] : Object.entries(value)
    .flatMap(([key, one]) => key === "dial" ? [].concat(one).map((to) => ({ dial: text(to), secure: false })) : dials(one));
  return Object.entries(own(own(own(config.apps).layer4).servers)).map(([name, one]) => ({ name: `layer4 ${name}`, raw: true,
    listen: listOf(one.listen).map(text), dials: dials(one), tls: false, routes: [], errors: [], named: [],
    certificates: [], trusts: [], relays: [] }));
}

function speaksTls(one, http) { // by its own policies, or because Caddy itself gets certificates for its names
  const ports = listOf(one.listen).map((at) => /:(\d+)$/.exec(text(at))).map((found) => found ? Number(found[1]) : 0);
  if (listOf(one.tls_connection_policies).length) return true;
  const automatic = own(one.automatic_https);
  if (automatic.disable || ports.every((port) => port === (http.http_port || 80))) return false;
  if (ports.every((port) => port === (http.https_port || 443))) return true;
  const names = listOf(one.routes).flatMap((route) => listOf(route.match)).flatMap((set) => listOf(own(set).host));
  return names.some((name) => !listOf(automatic.skip).includes(name));
}

const routed = (routes) => listOf(routes).map((one) => ({ sets: listOf(one.match).map(matched), group: text(one.group),
  last: one.terminal === true, steps: listOf(one.handle).map(done) }));

const served = (http) => Object.entries(http.servers).map(([name, one]) => ({
  name, listen: one.listen.map(text), dials: dialled([one.routes, own(one.errors).routes, own(one.named_routes)]),
  routes: routed(one.routes), errors: routed(own(one.errors).routes), tls: speaksTls(one, http),
  named: Object.entries(own(one.named_routes)).map(([key, route]) => [key, routed([route])[0]]),
  certificates: demanded(one), trusts: trusted(one.trusted_proxies), raw: false,
  relays: relayed(one.listener_wrappers) }));

// What Caddy's admin endpoint says that it runs: it only reads. The very socket that Caddy listens on is asked: another
// address of "localhost", or another network namespace, may be anybody's.
const running = ({ address, port, inode }) => new Promise((resolve) => {
  const listens = () => ["tcp", "tcp6"].map((one) => attempt(() => raw.readFileSync(`/proc/net/${one}`, "utf8"), ""))
    .join("\n").split("\n").some((line) => line.trim().split(/\s+/)[9] === inode);
  if (!listens()) return resolve(null);
  const headers = { Host: `localhost:${port}` };
  const ask = http.get({ host: address, port, path: "/config/", timeout: 2000, headers }, (answer) => {
    let body = "";
    answer.setEncoding("utf8").on("data", (part) => { body += part; if (body.length > 1 << 22) ask.destroy(); })
      .on("end", () => resolve(listens() ? attempt(() => JSON.parse(body), null) : null)); // else it may be anybody's by now
  });
  ask.on("timeout", () => ask.destroy()).on("error", () => resolve(null)).on("close", () => resolve(null));
});

function imported(file, body, depth = 5) { // the files that a Caddyfile takes in; of those by a pattern their directory, too
  const names = [...body.matchAll(/^\s*import\s+("[^"]*"|`[^`]*`|\S+)/gm)]
    .map((found) => path.resolve(path.dirname(file), found[1].replace(/^["`]|["`]$/g, "")));
  return names.flatMap((name) => {
    const folder = path.dirname(name), last = path.basename(name);
    if (/[*?[\\]/.test(folder) || /[[\\]/.test(last)) throw failure(`it imports ${printable(name)}, which is not followed,`);
    const like = new RegExp(`^${last.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".")}$`);
    const files = attempt(() => raw.readdirSync(folder), []).filter((one) => like.test(one)).map((one) => path.join(folder, one))
      .filter((one) => attempt(() => raw.statSync(one).isFile(), false));
    return [...files.flatMap((one) => [one, ...depth ? imported(one, attempt(() => raw.readFileSync(one, "utf8"), ""), depth - 1) : []]),
      .../[*?]/.test(last) && attempt(() => raw.statSync(folder).isDirectory(), false) ? [folder] : []]; // what was taken out of it
  });
}

function written(one) { // its file, adapted by the program that runs, which is root's own
  if (one.resume) return [null, "it resumed what it ran before (--resume), and its admin endpoint is off"];
  if (one.elsewhere) return [null, one.elsewhere];
  const body = attempt(() => raw.statSync(one.file).isFile() ? raw.readFileSync(one.file, "utf8") : null, null);
  if (body === null) return [null, `${one.file} cannot be read as Node-RED's user`];
  const json = one.file.endsWith(".json") && !one.adapter;
  let taken = [];
  try {
    taken = json ? [] : imported(one.file, body);
  } catch (error) {
    return [null, `${ours.has(error) ? error.message : "what it imports cannot be read,"} and its admin endpoint is off`];
  }
  for (const file of [one.file, ...taken]) {
    const open = attempt(() => lax(file, raw, one.uid), file);
    if (open) return [null, `others than root, Caddy's user and Node-RED's can change ${printable(open)}, and its admin endpoint is off`];
    if (attempt(() => [raw.statSync(file), raw.lstatSync(file)], []).flatMap((stat) => [stat.mtimeMs, stat.ctimeMs])
      .some((at) => at / 1000 > one.started + 2))
      return [null, `${file} was changed after Caddy started, and its admin endpoint is off`];
    if (!json && raw.statSync(file).isFile() && /\{\$\w/.test(attempt(() => raw.readFileSync(file, "utf8"), "{$X}")))
      return [null, `${file} takes values from Caddy's environment, and its admin endpoint is off`];
  }
  if (json) return [attempt(() => JSON.parse(body), null), ""];
  if (!one.exe) return [null, "its program was deleted or replaced after it started, or others than root can change "
    + "it, so it does not adapt its file, and its admin endpoint is off"];
  const done = spawnSync(one.exe, ["adapt", "--config", one.file, "--adapter", one.adapter || "caddyfile"],
    { encoding: "utf8", timeout: 5000, maxBuffer: 1 << 22, cwd: "/", env: {} });
  return [attempt(() => JSON.parse(done.stdout), null), ""];
}

async function caddies() { // what each Caddy serves: as it says itself, or as its file does
  return Promise.all(INPUT.caddies.map(async (one) => {
    const told = one.admin ? await running(one.admin) : null;
    const [config, trouble] = told ? [told, ""] : written(one);
    if (!told && own(own(own(config).admin).config).load) return { file: one.file, servers: [],
      trouble: "it loads its configuration from elsewhere (admin.config.load), and its admin endpoint is off" };
    const file = told ? "Caddy's running configuration" : one.file;
    const http = attempt(() => config.apps.http || { servers: {} }, null);
    return attempt(() => ({ file, servers: [...served(http), ...raws(config)], trouble: "" }),
      { file, servers: [], trouble: trouble || "its configuration cannot be read or adapted as Node-RED's user" });
  }));
}
