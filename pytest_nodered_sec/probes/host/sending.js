// What the messages that a function sends surely hold: probes/flows/sending.py, in the same steps. Part of the first
// process; flows.js has `re` and what reads text.
"use strict";

function isConstant(value, code) {
  if (whole("constant", value) || whole("choice", value)) return true;
  const name = value.trim();
  if (!/^[A-Za-z_$][\w$]*$/.test(name)) return false;
  const assigned = [...code.matchAll(new RegExp(`(?<![\\w.$])${name.replace(/\$/g, "\\$")}\\s*(\\+?=)(?![=>])([^;\\n]*)`, "g"))];
  return assigned.length > 0 && assigned.every((one) => whole("constant", one[2]));
}

function argumentsAt(code, start) {
  const parts = [""];
  let depth = 0, last = start, quote = "", index = start;
  while (index < Math.min(code.length, start + FLOWS.longestCall)) {
    const letter = code[index];
    if (quote) {
      if (letter === "\\") index++;
      if (letter === quote) quote = "";
    } else if ("\"'`".includes(letter)) quote = letter;
    else if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter)) {
      if (--depth < 0) break;
    } else if (letter === "," && !depth) {
      parts[parts.length - 1] = code.slice(last, index);
      parts.push("");
      last = index + 1;
    }
    index++;
  }
  parts[parts.length - 1] = code.slice(last, index);
  return parts;
}

const meet = (one, other) => one === null ? other : other === null ? one : new Set([...one].filter((pair) => other.has(pair)));
const beginsAt = (name, said, at) => { re(name, "start").lastIndex = at; return re(name, "start").exec(said); };
const pairOf = (variable, name) => `${variable} ${name}`;

function constantsOf(said, code) { // the properties of an object literal that are constant
  const rows = said.includes("...") ? [] : every("pair", said), not = new Set(rows.filter((row) => !isConstant(row[2], code)).map((row) => row[1]));
  return new Set(rows.map((row) => row[1]).filter((name) => !not.has(name)));
}

class Scan {
  constructor(code) {
    Object.assign(this, { code, blocks: [], parens: 0, awaiting: "", opened: 0, pending: "", after: false, sets: new Set(), clears: null, wild: false,
      known: new Set(["msg"]), derived: new Set() });
    this.push("", false);
  }

  run() {
    for (const match of every("tokens", this.code)) {
      const [, mark, word, send, variable, name, keyed] = match, end = match.index + match[0].length;
      if (mark === "\n") {
        if (this.top().single && this.parens === this.top().parens) this.closeSingles();
        continue;
      }
      if (mark || word || send || variable || name || keyed) {
        const begun = this.begin(mark, word), after = this.after;
        this.after = after && mark === ";";
        if (begun) continue;
        if (mark) this.mark(mark);
        else if (word) this.word(word, end, after);
        else if (send) {
          this.parens++;
          this.leave(argumentsAt(this.code, end)[0]);
        } else this.assign(match, end);
      }
      if (!this.blocks.length) return { sets: this.sets, clears: new Set(), wild: true }; // not understood
    }
    return { sets: this.sets, clears: new Set([...this.clears || []].filter((name) => !this.sets.has(name))), wild: this.wild };
  }

  top() { return this.blocks[this.blocks.length - 1]; }

  push(kind, single) {
    const sure = this.blocks.length ? this.top().sure : [];
    this.blocks.push({ kind, sure: new Set(sure), parens: this.parens, single, ends: false, lost: new Set(), chain: null, exits: null, base: new Set(sure), fallback: false });
  }

  begin(mark, word) {
    const kind = this.pending;
    this.pending = "";
    if (!kind) return false;
    if (kind === "else" && word === "if") {
      this.awaiting = "elseif";
      return true;
    }
    this.push(kind, mark !== "{");
    return mark === "{";
  }

  close() {
    const block = this.blocks.pop(), parent = this.top();
    if (!parent) return;
    for (const pair of block.lost) { parent.sure.delete(pair); parent.lost.add(pair); }
    const gained = block.ends ? null : block.sure;
    if (block.kind === "if" || block.kind === "elseif") {
      parent.chain = block.kind === "if" ? gained : meet(parent.chain, gained);
      this.after = true;
    } else if (block.kind === "else" || block.kind === "switch" && block.fallback) {
      const both = meet(block.kind === "else" ? parent.chain : block.exits, gained);
      if (both === null) parent.ends = true;
      else for (const pair of both) parent.sure.add(pair);
    }
  }

  closeSingles() { while (this.blocks.length && this.top().single) this.close(); }

  mark(mark) {
    if (mark === "(") {
      this.parens++;
      if (this.awaiting && !this.opened) this.opened = this.parens;
    } else if (mark === ")") {
      if (this.awaiting && this.parens === this.opened) { this.pending = this.awaiting; this.awaiting = ""; this.opened = 0; }
      if (--this.parens < this.top().parens) this.closeSingles();
    } else if (mark === "{") this.push("", false);
    else if (mark === "}") {
      this.closeSingles();
      if (this.blocks.length) this.close();
    } else if (this.parens === this.top().parens) this.closeSingles();
  }

  word(word, end, after) {
    const block = this.top();
    if (word === "else") this.pending = after ? "else" : "loop";
    else if (word === "if" || word === "switch") this.awaiting = word;
    else if (word === "for" || word === "while") this.awaiting = "loop";
    else if (word === "case" || word === "default") {
      if (block.kind !== "switch") return;
      block.sure = new Set([...block.base].filter((pair) => !block.lost.has(pair)));
      block.ends = false;
      block.fallback = block.fallback || word === "default";
    } else {
      if (word === "break") this.leaveSwitch();
      else if (word === "return") this.leave(this.returned(end));
      block.ends = true;
    }
  }

  leaveSwitch() {
    const lost = new Set();
    for (const block of [...this.blocks].reverse()) {
      if (block.kind === "switch") {
        block.exits = meet(block.exits, new Set([...block.sure].filter((pair) => !lost.has(pair))));
        return;
      }
      for (const pair of block.lost) lost.add(pair);
    }
  }

  returned(start) {
    let depth = 0, index = start;
    while (index < Math.min(this.code.length, start + FLOWS.longestCall)) {
      const letter = this.code[index];
      depth += "([{".includes(letter) - ")]}".includes(letter);
      if (depth < 0 || (letter === ";" || letter === "\n") && !depth) break;
      index++;
    }
    return this.code.slice(start, index);
  }

  assign(match, end) {
    const block = this.top(), variable = match[4] || "", name = match[5] || match[6], deeper = match[7], pair = pairOf(variable, name);
    if (!name) {
      if (!deeper) this.declare(variable, end);
      return;
    }
    if (!this.isLiteral(end)) {
      this.sets.add(name);
      for (const one of every("names", deeper).slice(-1)) this.sets.add(one[0]);
      block.sure.delete(pair);
      block.lost.add(pair);
    } else if (variable && !deeper && !match[8] && !/(?:[&|?(]|=>)$/.test(this.code.slice(Math.max(0, match.index - 20), match.index).trimEnd())) block.sure.add(pair);
  }

  isLiteral(start) {
    const match = beginsAt("constant", this.code, start);
    if (match) {
      const next = this.code.slice(start + match[0].length, start + match[0].length + 1);
      if (["", ";", "}", ","].includes(next) || match[0].includes("\n") && !FLOWS.operators.includes(next)) return true;
    }
    return isConstant(argumentsAt(this.code.slice(start, start + FLOWS.longestCall).split(/[;\n]/, 1)[0], 0)[0], this.code);
  }

  declare(variable, end) {
    const block = this.top();
    for (const pair of [...block.sure].filter((one) => one.startsWith(`${variable} `))) { block.sure.delete(pair); block.lost.add(pair); }
    (beginsAt("derived", this.code, end) ? this.derived : this.known).add(variable);
    if (/^\s*\{/.test(this.code.slice(end, end + 20)))
      for (const name of constantsOf(argumentsAt(this.code, end)[0], this.code)) block.sure.add(pairOf(variable, name));
  }

  leave(expression) { // what a message that leaves is made of
    const said = expression.replace(re("cloned"), (_, inner) => inner).trim();
    let sure = new Set();
    if (whole("listed", said)) {
      const names = every("names", said).map((one) => one[0]).filter((name) => !FLOWS.nothing.includes(name));
      if (!names.length) return;
      this.wild = this.wild || names.some((name) => this.derived.has(name) || !this.known.has(name));
      const held = names.map((one) => new Set([...this.top().sure].filter((pair) => pair.startsWith(`${one} `)).map((pair) => pair.slice(one.length + 1))));
      sure = held.reduce(meet);
    } else if (whole("constant", said)) return;
    else if (/^[{[]/.test(said)) sure = holds("among", said) ? new Set() : constantsOf(said, this.code);
    this.wild = this.wild || Boolean(begins("derived", said));
    this.clears = this.clears === null ? sure : meet(this.clears, sure);
  }
}

const sent = (code) => new Scan(code).run();
