"""Apache httpd's configuration, from the text of its files to a tree: includes, definitions and modules resolved.

The files were fetched; nothing of Apache's is run. Directives that decide nothing about a request are left out, and so
is what may be secret in the others. Where a condition cannot be told from the files, it matters only if what it
encloses does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_proxies import Directive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEPTH: Final = 20
_BUILT_IN: Final = {  # by the place of the program: what Debian's and Fedora's packages have compiled in
    "/usr/sbin/apache2": "core so watchdog http_core log_config logio version unixd",
    "/usr/sbin/httpd": "core so http_core",
}
_BASES: Final = {  # likewise: ServerRoot, and the file below it
    "/usr/sbin/apache2": ("/etc/apache2", "apache2.conf"),
    "/usr/sbin/httpd": ("/etc/httpd", "conf/httpd.conf"),
}
_VARIABLE: Final = re.compile(r"\$\{([^}:]*)\}")
_EXPRESSION: Final = re.compile(r"require\s+((?:not\s+)?expr)\s+(.*)", re.IGNORECASE)
_HIDDEN: Final = "(hidden)"
_DECIDING: Final = re.compile(
    r"virtualhost|server(name|alias|path)|listen|location(match)?|proxy(match)?|directory(match)?|files(match)?|if|elseif|"
    r"else|limit(except)?|require(all|any|none)?|authtype|authmerging|authbasicprovider|satisfy|order|allow|deny|"
    r"proxypass(match|inherit)?|proxyrequests|rewrite(engine|rule|cond|options)|redirect(match|permanent|temp)?|"
    r"errordocument|ssl(engine|verifyclient|proxyengine|proxyverify|requiressl|require)|"
    r"remoteip(header|internalproxy|trustedproxy|internalproxylist|trustedproxylist|proxyprotocol(exceptions)?)|sethandler|addhandler|allowoverride|"
    r"setenvif(nocase|expr)?|browsermatch(nocase)?|allowencodedslashes|mergeslashes|balancermember|alias(match)?|scriptalias(match)?|"
    r"oidcunauthaction"
)
_HARMLESS: Final = re.compile(
    r"accept(filter|pathinfo|mutex)|access(filename|log)|action|add(alt|charset|default|description|encoding|icon|input|"
    r"language|module|moduleinfo|output|type)|agentlog|allowmethods_|allowoverridelist|anonymous_|asyncfilter|asyncrequest|"
    r"auth(name|user|group|digest|dbd|dbm|ldap|z?sendforbidden|nprovider_|basicauthoritative|basicusedigest|formauthoritat|"
    r"form|ncache|zdbd|nz)|authzprovideralias_|balancer(growth|inherit|persist)|browsermatch|bufferedlogs|buffersize|bytes|"
    r"cache|cgi|charset|checkspelling|chrootdir|contentdigest|cookie|coredump|customlog|dav|dbd|default(icon|language|"
    r"runtime|type)|deflate|directory(index|slash|checkhandler)|documentroot|dtrace|dump|enable|errorlog|example|expires|"
    r"extendedstatus|ext|fcgi|file(etag|magic)|filter|flush|forcelanguage|forcetype|forensic|globallog|gprof|gracefulshut|"
    r"group$|h2|header|heartbeat|hostname|http(protocol|2)|ident|imap|index|input|interpolate|isapi|keepalive|"
    r"keptbody|language|ldap|limit(internal|request|xml)|listenbacklog|listencoresb|loadfile|log|max|mcache|md|mem|metad|"
    r"metaf|metas|mime|min|mmap|modmime|modem|multiviews|mutex|namevirtualhost|nwssl|openldap|options$|outputsed|passenv|"
    r"passenger(root|ruby|default|pool|max|user|group|log)|php|pidfile|pooldebug|protocol|proxy(add|bad|block_|domain|error|"
    r"ftp|hc|hcexpr|html|iobuffer|max|passreverse|preserve|receive|sci_|sendbuf|set$|source|status|timeout|via|fcgi|wstun|"
    r"websocket)|ratelimit|readmename|receivebuffer|redirectrelative|reflector|regexdefault|remoteipproxiesheader|removealt|"
    r"remove|requestheader|requestreadtimeout|require_|rewritebase|rewritelog|rewritemap|rewritelock|rlimit|scoreboard|"
    r"scriptlog|scriptinterp|scriptsock|sec|seerequesttail|send|server(admin|limit|root|signature|tokens)|session|setenv|"
    r"setinput|setoutput|sfile|simple|ssi|ssl(alpn|ca|carev|cert|cipher|compression|crypto|fips|honor|insecure|ocsp|open|"
    r"options|passphrase|policy|protocol|proxy(ca|check|cipher|machine|protocol)|random|reneg|session|srp|stapling|strict|"
    r"user|usestapling|verifydepth|ct|dh|log)|start|suexec|substitute|thread|timeout|tracking|traceenable|transfer|types|"
    r"unset|usecanonical|user$|userdir|vhostcgi|warn|watchdog|win32|xbit|xml2|xsendfile|oidc(?!unauth)|mellon(?!enable)|shib(?!request|require)|gssapi|krb"
)


def _is_early(name: str, words: list[str]) -> bool:
    """Whether it sets a header before anybody is asked who he is."""
    return name == "requestheader" and words[-1:] == ["early"]


def defaults(program: str) -> tuple[str, str] | None:
    """Return the ServerRoot and the file that a program has compiled in, None where that is not known here."""
    return _BASES.get(program)


def tree(
    main: str,
    base: str,
    program: str,
    defined: frozenset[str],
    texts: Mapping[str, str | ProbeError],
    standing: Mapping[str, bool] = MappingProxyType({}),
) -> tuple[Directive, ...]:
    """Parse files as Apache reads them.

    Args:
        main: the first.
        base: ServerRoot, as it was started.
        program: the executable.
        defined: names that its command line defines.
        texts: what each file holds, or why that is not known.
        standing: whether a path led to anything when Apache read its files; without those of which it is not known.

    Raises:
        ProbeError: a file is not there, or what it says is not followed.
    """
    reader = _Reader(base, _BUILT_IN.get(program), defined, texts, standing)
    return tuple(reader.file(main, _DEPTH))


@dataclass(frozen=True)
class _Macro:
    """What mod_macro keeps: names of parameters, lines with their numbers, and the file that they are from."""

    names: tuple[str, ...]
    lines: tuple[tuple[int, str], ...]
    path: str


class _Reader:
    def __init__(
        self,
        base: str,
        built_in: str | None,
        defined: frozenset[str],
        texts: Mapping[str, str | ProbeError],
        standing: Mapping[str, bool],
    ) -> None:
        self.base = base
        self.whole = built_in is not None
        self.modules = {name for part in (built_in or "core so http_core").split() for name in _names(part)}
        self.defined = dict.fromkeys(defined, "")
        self.texts = texts
        self.standing = standing
        self.macros: dict[str, _Macro] = {}

    def file(self, path: str, depth: int) -> list[Directive]:
        if path not in self.texts:
            raise ProbeError(f"Apache httpd: {path} was not read: not judged", Cause.FORBIDDEN)
        if not depth:
            raise ProbeError(f"Apache httpd: the includes form a loop at {path}", Cause.PROTOCOL)
        text = self.texts[path]
        if isinstance(text, ProbeError):
            raise text.again()
        return self.block(_lines(text), path, "", depth)

    def block(self, lines: Iterator[tuple[int, str]], path: str, until: str, depth: int) -> list[Directive]:
        """Read up to the end of a section, or of the file."""
        result: list[Directive] = []
        for number, line in lines:
            if line.startswith("</"):
                if line[2:].rstrip("> \t").lower() == until:
                    return result
                raise ProbeError(f"{path}:{number}: {line[:40]} ends no section: not judged", Cause.PROTOCOL)
            if line.startswith("<"):
                name, rest = _head(line, path, number)
                result += self.section(name, rest, lines, (path, number), depth)
                continue
            name, *words = _words(line)
            if raw := _EXPRESSION.match(line):  # whose quotes tell what is compared
                words = [*raw[1].lower().split(), raw[2]]
            result += self.directive(name.lower(), [self.resolved(word) for word in words], (path, number), depth)
        if until:
            raise ProbeError(f"{path}: the section <{until}> has no end: not judged", Cause.PROTOCOL)
        return result

    def section(
        self, name: str, rest: str, lines: Iterator[tuple[int, str]], where: tuple[str, int], depth: int
    ) -> list[Directive]:
        path, number = where
        words = [self.resolved(word) for word in _words(rest)]
        holds = self.holds(name, words)
        if holds is None:
            before = dict(self.defined), set(self.modules)
            inside = self.block(lines, path, name, depth)
            if inside:
                shown = " ".join((name, *words))
                raise ProbeError(
                    f"{path}:{number}: whether <{shown}> holds is not known: not judged; if it does, write what it "
                    "encloses without it",
                    Cause.PROTOCOL,
                )
            self.defined, self.modules = before
            return []
        if not holds:
            list(_inside(lines, name))
            return []
        if name in ("ifmodule", "ifdefine", "ifversion", "iffile"):
            return self.block(lines, path, name, depth)
        if name == "macro":
            self.macros["".join(words[:1]).lower()] = _Macro(tuple(words[1:]), tuple(_inside(lines, name)), path)
            return []
        inside = self.block(lines, path, name, depth)
        if name in ("authnprovideralias", "mdomainset", "mdomain"):
            return []
        return [Directive(name, (rest,) if name in ("if", "elseif") else tuple(words), tuple(inside), path, number)]

    def holds(self, name: str, words: list[str]) -> bool | None:
        """Whether what a section encloses is read; None: not known."""
        if name == "ifversion":
            return _is_version(words)
        if name in ("ifdirective", "ifsection"):
            return None
        if name not in ("iffile", "ifmodule", "ifdefine"):
            return True
        text = "".join(words[:1])
        negated, plain = text.startswith("!"), text.removeprefix("!")
        if name == "iffile":
            stood = self.standing.get(str(PurePosixPath(self.base) / plain))
            return None if stood is None else stood != negated
        if name == "ifdefine":
            return (plain in self.defined) != negated
        if plain in self.modules:
            return not negated
        return negated if self.whole else None

    def directive(self, name: str, words: list[str], where: tuple[str, int], depth: int) -> list[Directive]:
        path, number = where
        if name in ("include", "includeoptional"):
            return [directive for word in words[:1] for file in self.included(word, name, where) for directive in
                    self.file(file, depth - 1)]  # fmt: skip
        if name == "define" and words:
            self.defined[words[0]] = "".join(words[1:2])
        elif name == "undefine" and words:
            self.defined.pop(words[0], None)
        elif name == "loadmodule" and len(words) > 1:
            self.modules |= {words[0], *_names(PurePosixPath(words[1]).stem.removeprefix("mod_"))}
        elif name == "serverroot" and words:
            self.base = words[0]
        elif name == "use":
            return self.used(words, where, depth)
        elif name == "undefmacro" and words:
            self.macros.pop(words[0].lower(), None)
        elif _DECIDING.fullmatch(name):
            return [Directive(name, tuple(words), (), path, number)]
        elif _is_early(name, words) or (
            not _HARMLESS.match(name) and name not in ("define", "undefine", "error", "loadmodule", "serverroot")
        ):
            return [Directive(name, (_HIDDEN,) * bool(words), (), path, number)]
        return []

    def used(self, words: list[str], where: tuple[str, int], depth: int) -> list[Directive]:
        """Read the lines of a macro as mod_macro makes them: values in place of parameters, the longest name first."""
        path, number = where
        macro = self.macros.get("".join(words[:1]).lower())
        if macro is None or len(macro.names) != len(words) - 1 or not depth:
            shown = " ".join(words[:1])
            raise ProbeError(f"{path}:{number}: Use {shown} is not followed: not judged", Cause.PROTOCOL)
        values = {
            name: f'"{value}"' if name.startswith("@") else value  # as mod_macro quotes what is marked so
            for name, value in zip(macro.names, words[1:], strict=True)
        }
        if strange := [
            name for name, value in values.items() if name.startswith("@") and re.search(r'[\\"\']', value[1:-1])
        ]:
            raise ProbeError(f"{path}:{number}: the value of {strange[0]} is not followed: not judged", Cause.PROTOCOL)
        names = re.compile("|".join(map(re.escape, sorted(values, key=len, reverse=True))) or "(?!)")
        lines = [(at, names.sub(lambda match: values[match[0]], line)) for at, line in macro.lines]
        for (at, line), (_, made) in zip(macro.lines, lines, strict=True):
            if line != made and re.match("include", line, re.IGNORECASE):  # was not fetched under that name
                raise ProbeError(
                    f"{macro.path}:{at}: {line[:40]} in a macro is not followed: not judged", Cause.PROTOCOL
                )
        return self.block(iter(lines), macro.path, "", depth - 1)

    def resolved(self, word: str) -> str:
        """Put definitions in their places; of what the environment may hold, a text that is not known."""
        return _VARIABLE.sub(lambda match: self.defined.get(match[1], f"\0the environment's {match[1]}\0"), word)

    def included(self, pattern: str, name: str, where: tuple[str, int]) -> list[str]:
        """Return the files that a pattern names, in Apache's order."""
        if "\0" in pattern:
            raise ProbeError(f"{where[0]}:{where[1]}: the path of {name} is not known: not judged", Cause.PROTOCOL)
        path = str(PurePosixPath(self.base) / pattern)
        if path in self.texts:
            return [path]
        if re.search(r"[*?\[]", pattern):
            depth = path.count("/")
            return sorted(file for file in self.texts if file.count("/") == depth and fnmatchcase(file, path))
        below = sorted(file for file in self.texts if file.startswith(f"{path}/"))
        if not below and name == "include":
            raise ProbeError(f"Apache httpd: {path} was not read: not judged", Cause.FORBIDDEN)
        return below


def _is_version(words: list[str]) -> bool | None:
    """Whether a release of 2.4 is what <IfVersion> asks for; None where that depends on which."""
    operator, wanted = ("", "=", *words)[-2:]
    negated, operator = operator.startswith("!"), operator.removeprefix("!").replace("==", "=")
    if operator not in ("=", "<", "<=", ">", ">=") or not re.fullmatch(r"\d+(\.\d+){0,2}", wanted):
        return None
    asked = [*map(int, wanted.split(".")), 0, 0][:3]
    answers = set()
    for release in ([2, 4, 1], [2, 4, 999]):
        fits = {"=": release == asked, "<": release < asked, ">": release > asked}
        answers.add(any(fits[sign] for sign in operator) != negated)
    return answers.pop() if len(answers) == 1 else None


def _names(module: str) -> tuple[str, ...]:
    """Return what IfModule may call a module."""
    return f"mod_{module}.c", f"{module}.c", f"{module}_module"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers: joined where a backslash ends them, without comments."""
    whole, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        first = first or number
        if line.rstrip("\r").endswith("\\"):
            whole += line.rstrip("\r")[:-1]
            continue
        whole = (whole + line).strip()
        if whole and not whole.startswith("#"):
            yield first, whole
        whole, first = "", 0


def _head(line: str, path: str, number: int) -> tuple[str, str]:
    """Return the name of a section and what follows it."""
    if not line.endswith(">"):
        raise ProbeError(f"{path}:{number}: {line[:40]} is not closed: not judged", Cause.PROTOCOL)
    name, _, rest = line[1:-1].strip().partition(" ")
    return name.strip().lower(), rest.strip()


def _inside(lines: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a section up to its end, unread."""
    depth = 1
    for number, line in lines:
        if re.match(rf"</{name}\s*>", line, re.IGNORECASE):
            depth -= 1
        elif re.match(rf"<{name}[\s>]", line, re.IGNORECASE):
            depth += 1
        if not depth:
            return
        yield number, line


def _words(text: str) -> list[str]:
    """Split a line as Apache does: a backslash hides a backslash, and inside quotes the quote."""
    words = []
    place = 0
    while match := re.compile(r"""\s*(?:"((?:\\["\\]|[^"])*)"?|'((?:\\['\\]|[^'])*)'?|(\S+))""").match(text, place):
        place = match.end()
        for group, quote in ((1, '"'), (2, "'"), (3, "")):
            if match[group] is not None:
                words.append(re.sub(rf"\\([\\{quote}])", r"\1", match[group]))
    return words
