// What settings.js comes to, reduced: the part of the second process that says what of it leaves. No secret does; password
// hashes come back as "which known sample, which scheme, which cost", and as a mark by which machines are compared. Each
// key is read as Node-RED reads it.
"use strict";

const kindOf = (value) => value === undefined || value === null ? "unset"
  : (typeof value === "function" || typeof value === "object") && value[INERT] ? "computed"
  : typeof value === "string" && value.search(TOLD) >= 0 ? "computed"
  : typeof value === "function" ? "function" : value === false ? "false"
  : value === "" ? "empty" : "set";
const moduleOf = (value) => kindOf(value) !== "computed" ? "" : value[INERT] || [...value.matchAll(TOLD)][0][2];
const port = (value) => kindOf(value) === "computed" ? "computed" : /^(\d{1,5}|\/[\w./-]{1,100})$/.test(String(value)) ? String(value) : value === undefined ? "" : "(no port)";
const root = (value) => value === false ? "false" : value === "false" ? "/false" : value === undefined || value === null ? "" // of a variable
  : typeof value === "string" && /^[\w./~-]{0,100}$/.test(value) ? value : "(of unusual form)";
const acts = (value) => ["function", "computed"].includes(kindOf(value)) || Array.isArray(value) && value.every(acts);
const rooted = (s, key) => s.httpRoot === false ? "false" : root(s[key] || s[key] === false ? s[key] : s.httpRoot);
const guard = (value) => !acts(value) || Array.isArray(value) && !value.length ? "unset" // an empty list guards nothing
  : listOf(value).some((one) => kindOf(one) === "computed") ? "computed"
  : kindOf(value); // and dashboards pass over what is neither a function nor a list of them
const text = (value) => typeof value === "string" || typeof value === "number" ? String(value).slice(0, 300)
  : value === false ? "false" : "";
const switched = (value) => kindOf(value) === "computed" ? "computed" : value === undefined ? "unset" : value ? "on" : "off";
const listOf = (value) => Array.isArray(value) ? value : [];
const own = (value) => value !== null && typeof value === "object" && !value[INERT] ? value : {};

// What bcrypt can have made. The last letter of the salt, and that of all, carry two and four bits (seen of @node-rs/bcrypt
// 1.10 and bcryptjs 3.0, which refuse every password at others).
const BCRYPT = /^\$2[abxy]\$(0[4-9]|[12]\d|3[01])\$([./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26])$/;

const published = (value) => Object.keys(INPUT.known).find((other) => other === value || BCRYPT.test(other) && other.slice(4) === value.slice(4));

// It has that form, and was made from no password: written by hand, or a published one with other letters or another cost.
const madeUp = (value, letters) => new Set(letters).size < 12 || /replace|example|placehold|password|change.?me|your.?hash/i.test(letters)
  || !published(value) && Object.keys(INPUT.known).some((other) => [...letters].filter((one, at) => one === other[7 + at]).length > 20);

function hash(value) {
  if (kindOf(value) === "computed") return { scheme: "computed", cost: 0, known: "", mark: "" };
  if (typeof value !== "string" || !value) return { scheme: "unset", cost: 0, known: "", mark: "" };
  const made = HASHED.has(value), [, cost, letters] = BCRYPT.exec(value) || [];
  const bcrypt = Boolean(cost) && (made || !madeUp(value, letters));
  const known = INPUT.passwords.includes(HASHED.get(value)) ? "of a password that everybody knows" : INPUT.known[published(value)] || "";
  return {
    scheme: bcrypt ? "bcrypt" : /^[0-9a-f]{32}$/i.test(value) ? "md5" : "other",
    cost: bcrypt ? Number(cost) : 0, known,
    mark: bcrypt && !known && !made ? mark(value) : "",
  };
}

// Of a bcrypt hash alone: 128 bits of its salt are random, so that nobody finds the hash, or the password, from its mark.
// Two machines have the same only if one got it from the other, or both from one image. The letter of $2b$ makes no difference.
const mark = (value) => require("crypto").createHash("sha256").update(`nodered-sec\n${value.replace(/^\$2[a-z]?/, "")}`).digest("hex");

const MISSING = ["undefined", "null", "NaN", "[object Object]", "[object Promise]"]; // made of what was not there
// What people write until they think of a secret, and what everybody tries first.
const GUESSED = new RegExp("^((my|our|your|the|a)?[-_ ]?(own|super|top|very|long|new|some)?[-_ ]?(secret|pass(word)?|credential|encryption)"
  + "([-_ ]?(secret|key|password|here))*[-_ ]?\\d{0,4}|(.*[^a-z])?(change|replace)[-_ ]?(me|this|it)([^a-z].*)?|node-?red\\d{0,4}"
  + "|default|test(ing)?|example|true|false|yes|no|on|off|x+|\\d{0,8}|<.*>)$", "i");

// What stands in examples for the secret itself, and was never replaced: of a template, a shell, an instruction.
const LEFT_OVER = /^(\$\{?[A-Z][A-Z0-9_]*(:?-.*)?\}?|\$\(.*\)|`.*`|\{\{.*\}\}|\{%.*%\}|%[A-Z_]+%|@[A-Z_]+@|__[A-Z_]+__|\[[^\]]*\])$/;
const INSTRUCTS = new RegExp("^(process\\.env[.[].*|openssl rand.*|todo|fixme|none|(insert|put|enter|type|paste|add)[-_ ].*here|(fill|set)[-_ ](me|this|it)"
  + "([-_ ]in)?|generate[-_ ](me|one|this)|(a|some|my|your)[-_ ](long[-_ ])?random[-_ ](string|secret|key|value|text)|replace[-_ ]with[-_ ].*)$", "i");

function secret(given) {
  const value = given instanceof Uint8Array ? Buffer.from(given).toString("utf8") : given; // of a file, read without its encoding
  if (kindOf(value) === "computed") return "computed";
  if (Object.hasOwn(INPUT.known, value)) return "published";
  if (MISSING.includes(value)) return "missing";
  if (typeof value !== "string" || !value && value === given) return kindOf(value);
  return [LEFT_OVER, INSTRUCTS, GUESSED].some((form) => form.test(value.trim())) || INPUT.passwords.includes(value.trim().toLowerCase()) ? "guessable" : "set";
}

const rights = (value) => (Array.isArray(value) ? value : [value]).map(text).join(",");

const powerless = (user) => kindOf(user) === "set" // whom Node-RED gives no right at all
  && (Array.isArray(own(user).permissions) ? !own(user).permissions.length : !own(user).permissions);

function login(value) {
  const part = own(value).module; // Node-RED puts it over the rest
  if (kindOf(part) === "computed") return login(part);
  const kind = kindOf(value);
  const auth = { ...own(value), ...own(part) };
  const users = Array.isArray(auth.users) ? auth.users : kindOf(auth.users) === "set" ? [auth.users] : []; // one is taken too
  const fallback = auth.default;
  return {
    kind, module: moduleOf(value), type: text(auth.type), hasStrategy: kindOf(auth.strategy),
    users: users.map((user) => ({ permissions: rights(own(user).permissions), hash: hash(own(user).password) })),
    usersKind: Array.isArray(auth.users) ? "list" : kindOf(auth.users),
    decides: ["authenticate", "tokens"].filter((key) => ["function", "computed"].includes(kindOf(auth[key]))),
    defaultKind: powerless(fallback) ? "powerless" : kindOf(fallback), defaultPermissions: rights(own(fallback).permissions),
    sessionSeconds: typeof auth.sessionExpiryTime === "number" ? auth.sessionExpiryTime : 0,
  };
}

function basic(value) {
  const kind = Array.isArray(value) ? "function" : kindOf(value); // one middleware, or several: they decide themselves
  return { kind, module: moduleOf(value), hash: hash(own(value).pass) };
}

function accounted(value, asked, depth = 5) { // what a module made that is a value of the settings decided that and no more
  asked.release(value);
  if (depth) for (const one of Object.values(own(value)).slice(0, 500)) accounted(one, asked, depth - 1);
}

const EVERY = ["https://catalogue.nodered.org/catalogue.json"]; // what the editor asks unless it is told others

function catalogues(value) { // names of their servers; null where a module makes them
  if (kindOf(value) === "computed") return null;
  return listOf(value || EVERY).map((one) => attempt(() => new URL(text(one)).host, "") || "a relative address");
}

const CROSS = ["httpAdminCors", "httpNodeCors", "httpStaticCors"];
const admits = (value) => own(value).credentials === true && own(value).origin === true; // any page, as whoever is logged in

function cookie(value) { // options that keep a cookie from nobody
  const options = own(value);
  return [...options.httpOnly === false ? ["httpOnly: false"] : [],
    .../^none$/i.test(text(options.sameSite)) ? ['sameSite: "none"'] : []];
}

function reduce(s, asked) {
  if (kindOf(s) === "computed") throw failure(`settings.js exports what the module ${printable(moduleOf(s))} makes`);
  const listed = (key) => Object.prototype.propertyIsEnumerable.call(s, key) ? s[key] : undefined; // as Node-RED's runtime copies
  const gotten = (key) => Object.prototype.hasOwnProperty.call(s, key) ? s[key] : undefined; // as it asks for single ones
  const theme = own(listed("editorTheme")), modules = own(listed("externalModules")), logging = own(s.logging);
  const ui = own(listed("ui")), dashboard = own(listed("dashboard")), telemetry = own(gotten("telemetry"));
  accounted(s, asked);
  for (const one of [s.disableEditor, modules.autoInstall, own(theme.projects).enabled, s.userDir, s.flowFile,
    s.httpAdminRoot, s.httpNodeRoot, s.httpRoot, own(s.ui).path, ...Object.values(logging).map((each) => own(each).audit),
    s.editorTheme, theme.projects, s.externalModules, modules.palette, modules.modules, s.logging, s.ui, s.dashboard])
    if (kindOf(one) === "computed") asked.add(moduleOf(one)); // its value itself is judged
  const install = (part, key) => kindOf(own(modules[part])[key]);
  return {
    uiPort: port(s.uiPort), uiHost: text(s.uiHost), userDir: text(s.userDir), flowFile: text(listed("flowFile")),
    flowFileIsSet: kindOf(listed("flowFile")), httpAdminRoot: rooted(s, "httpAdminRoot"), httpNodeRoot: rooted(s, "httpNodeRoot"),
    httpRoot: root(s.httpRoot), disableEditor: switched(s.disableEditor) === "on", requireHttps: kindOf(s.requireHttps),
    adminAuth: login(s.adminAuth), httpAdminAuth: basic(s.httpAdminAuth || s.httpAuth),
    httpNodeAuth: basic(s.httpNodeAuth || s.httpAuth),
    httpStaticAuth: basic(s.httpStaticAuth),
    credentialSecret: secret(gotten("credentialSecret")),
    adminMiddleware: kindOf(s.httpAdminMiddleware), nodeMiddleware: kindOf(s.httpNodeMiddleware),
    ui: { path: text(ui.path), middleware: guard(ui.middleware),
      ioMiddleware: guard(ui.ioMiddleware) },
    dashboard: { middleware: guard(dashboard.middleware), ioMiddleware: guard(dashboard.ioMiddleware) },
    webSocketNodeVerifyClient: guard(listed("webSocketNodeVerifyClient")),
    paletteInstall: install("palette", "allowInstall"), paletteUpload: install("palette", "allowUpload"),
    moduleInstall: install("modules", "allowInstall"), autoInstall: modules.autoInstall === true,
    paletteEditable: kindOf(own(theme.palette).editable),
    telemetry: switched(telemetry.enabled), catalogues: [s.editorTheme, theme.palette]
      .some((one) => kindOf(one) === "computed") ? null : catalogues(own(theme.palette).catalogues),
    assistant: switched(own(own(listed("flowforge")).assistant).enabled), adminCookie: cookie(s.httpAdminCookieOptions),
    cors: [...CROSS.filter((key) => admits(s[key])), ...listOf(s.httpStatic).some((one) => admits(own(one).cors)) ? ["httpStatic"] : []],
    functionExternalModules: kindOf(listed("functionExternalModules")), projects: own(theme.projects).enabled === true,
    audit: Object.entries(logging).some(([name, one]) => own(one).audit && (name === "console" || one.handler)),
    https: kindOf(s.https),
  };
}

function secretsOf(s) { // what the settings keep secret, and what hashes are made of at each start
  const users = listOf(own(s.adminAuth).users).concat(own(own(s.adminAuth).users));
  const secrets = [s.credentialSecret, ...users.map((one) => own(one).password),
    ...["httpAdminAuth", "httpNodeAuth", "httpStaticAuth", "httpAuth"].map((key) => own(s[key]).pass)].filter((one) => typeof one === "string");
  return [...secrets, ...secrets.map((one) => HASHED.get(one)).filter((one) => typeof one === "string")];
}

function secretVariables(s, environment) { // names of those whose values the settings keep secret
  const all = secretsOf(s);
  return Object.entries(environment).filter(([, value]) => value.length > 5 && all.some((one) => one.includes(value))).map(([name]) => printable(name));
}

function holding(s) { // files that settings.js reads such a secret from, but for those that a service manager hands over
  const all = secretsOf(s).filter((one) => one.length > 5);
  return [...LOOKED].filter((file) => !/^\/run\/(secrets|credentials)\//.test(file)
    && attempt(() => fs.statSync(file).isFile() && fs.statSync(file).size <= MOST && all.some((one) => fs.readFileSync(file, "utf8").includes(one)), false));
}
