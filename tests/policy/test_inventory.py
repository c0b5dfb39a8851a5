"""Targets that stand elsewhere: what an inventory may hold, and the sentence that each mistake gets."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from policy_files import file_of

from pytest_nodered_sec.policy import inventory as module
from pytest_nodered_sec.policy.inventory import Listed, targets_of
from pytest_nodered_sec.policy.model import PolicyError

if TYPE_CHECKING:
    from pathlib import Path

FLEET = "[[inventory]]\nfile = 'fleet.csv'\n"
HOSTS = "[[inventory]]\ncommand = ['list']\n"
ANSIBLE: dict[str, Any] = {
    "_meta": {
        "hostvars": {
            "line-7": {"nodered_url": "https://line-7.example", "ansible_password": "hunter2", "ansible_port": 22},
            "line-8": {"ansible_host": "10.0.0.8", "ansible_user": "ops", "url": "https://not.this.example"},
        }
    },
    "all": {"children": ["ungrouped", "plant", "db"]},
    "plant": {"children": ["north", "south"]},
    "north": {"hosts": ["line-7"]},
    "south": {"hosts": ["line-8"], "children": ["plant"]},
    "db": {"hosts": ["db-1"]},
    "ungrouped": {},
}


def listed(folder: Path, table: str, text: str) -> list[Listed]:
    [inventory] = file_of(folder, table).inventories
    return targets_of(inventory, text)


def test_a_csv_file_names_targets_and_their_labels(tmp_path: Path) -> None:
    text = 'name,url,host,site,connect\nline-7,https://line-7.example,ssh://ops@line-7,"north, old",\n\n'
    text += "line-8,https://line-8.example/nr,,,10.0.0.8:8443\n"
    assert listed(tmp_path, FLEET, text) == [
        Listed("line-7", "https://line-7.example", {"host": "ssh://ops@line-7"}, {"site": "north, old"}),
        Listed("line-8", "https://line-8.example/nr", {"connect": "10.0.0.8:8443"}, {}),
    ]
    assert listed(tmp_path, FLEET, "name;url\nx;https://x.example\n") == [Listed("x", "https://x.example", {}, {})]


@pytest.mark.parametrize(
    "text",
    [
        '"name";"url";"north, or south"\r\n"x";"https://x.example";"a;b"\r\n',
        "Name;URL;north, or south;;\n x ; https://x.example ;a;b;;\n;;;;\n".replace("a;b", '"a;b"'),
        "name\turl\tnorth, or south\nx\thttps://x.example\ta;b\n",
        '"name","url","north, or south",\nx,https://x.example,a;b,\n',
    ],
)
def test_a_csv_file_is_as_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    assert listed(tmp_path, FLEET, text) == [Listed("x", "https://x.example", {}, {"north, or south": "a;b"})]


def test_a_list_of_objects(tmp_path: Path) -> None:
    text = json.dumps([{"name": "x", "url": "https://x.example", "labels": {"site": "north"}, "host": "ssh://x"}])
    assert listed(tmp_path, HOSTS, text) == [Listed("x", "https://x.example", {"host": "ssh://x"}, {"site": "north"})]


def test_what_ansible_inventory_prints(tmp_path: Path) -> None:
    table = (
        HOSTS + "group = 'plant'\nurl = 'https://{name}.plant.example'\nhost = 'ssh://{ansible_user}@{ansible_host}'\n"
    )
    ANSIBLE["_meta"]["hostvars"]["line-7"]["nodered_host"] = "local://"
    entry, two = listed(tmp_path, table, json.dumps(ANSIBLE))
    assert entry == Listed("line-7", "https://line-7.example", {"host": "local://"},
                         {"plant": "yes", "north": "yes", "south": "yes"})  # fmt: skip
    assert (two.url, two.values) == ("https://line-8.plant.example", {"host": "ssh://ops@10.0.0.8"})
    every = listed(tmp_path, HOSTS + "url = 'https://{name}.example'\n", json.dumps(ANSIBLE))
    assert [target.name for target in every] == ["db-1", "line-7", "line-8"]


def test_what_an_inventory_script_prints_itself(tmp_path: Path) -> None:
    """Variables of groups, which `ansible-inventory` has merged into the hosts' own, and groups that are lists."""
    printed = {
        "all": {"vars": {"zone": "all", "ansible_user": "root"}},
        "plant": {"children": ["north", "loop"], "vars": {"zone": "plant", "site": "p"}},
        "north": ["line-7", "line-8"],
        "b": {"hosts": ["line-7"], "vars": {"site": "b"}},
        "a": {"hosts": ["line-7"], "vars": {"site": "a", "zone": "a"}},
        "loop": {"children": ["plant"]},
        "_meta": {"hostvars": {"line-8": {"site": "own"}}},
    }
    table = HOSTS + "url = 'https://{site}.{zone}.{inventory_hostname}.it'\nhost = 'ssh://{ansible_user}@x'\n"
    with pytest.raises(PolicyError, match="ansible_user is not given, and host = "):
        listed(tmp_path, table, json.dumps(printed))  # none of its groups is below all
    printed["all"] = {"vars": {"zone": "all", "ansible_user": "root"}, "children": ["plant", "a", "b"]}
    seven, eight = listed(tmp_path, table, json.dumps(printed))
    assert (seven.url, seven.values) == ("https://p.plant.line-7.it", {"host": "ssh://root@x"})
    assert eight.url == "https://own.plant.line-8.it"


@pytest.mark.parametrize(
    ("table", "text", "sentence"),
    [
        (FLEET, "\n", "is empty"),
        (FLEET, ",,\n", "line 1: give each column a name of its own, and one of them `name`"),
        (FLEET, "url\nhttps://x.example", "line 1: give each column*"),
        (FLEET, "name,name\nx,y", "line 1: give each column*"),
        (FLEET, "name,url\n", "lists no target, and a run without targets proves nothing"),
        (HOSTS, '{"all": {}}', "lists no target, and a run without targets proves nothing; run it by hand to see why*"),
        (FLEET, "name,url\nx,https://x.example,3", "line 2: has 3 values for 2 columns"),
        (FLEET, "name,url\nx", "line 2: has 1 value for 2 columns"),
        (FLEET, 'name,url\n"x"y,z', "line 2: is not CSV: *"),
        (FLEET, "name,url\nx,ftp://x.example", 'line 2: url = "ftp://x.example": not an HTTP URL*'),
        (FLEET, "name,url\nx,https://a:hunter2@x.example", "line 2: url: credentials do not belong in a URL*"),
        (FLEET, "name,url\nx,", "line 2: give it a url, or the [[][[]inventory]] a pattern: url = *"),
        (FLEET, "name,url\n,https://x.example", 'line 2: name = "": give some text'),
        (FLEET, "name,url\nx,http://x.it\nx,http://y.it", "line 3: a second target is called x; remove one"),
        (FLEET, "name,url,host\nx,http://x.it,ssh://x?ssh_config=/evil", "line 2: host: options of a connection*"),
        (FLEET, "name,url,host\nx,https://x.example,x", 'line 2: host = "x": give the connection type*'),
        (FLEET + "group = 'x'", "name\nx", "group chooses hosts of an Ansible inventory, and this is CSV"),
        (FLEET + "url = 'https://{ip}'", "name,ip\nx,x@evil", "line 2: ip is more than a name, an address or*"),
        (FLEET + "url = 'https://{ip}'", "name,ip\nx,", "line 2: ip is not given, and url = https://{ip} needs it;*"),
        (FLEET + "url = 'https://{{name}}.it'", "name\nx", 'url = "https://{{name}}.it": put each field*'),
        (FLEET + "connect = '{name'", "name\nx", 'connect = "{name": put each field between single braces: {name}'),
        (FLEET, "name,url\nx,https://{{ name }}.it", "line 2: url is a template, which*pattern, such as url = *"),
        (FLEET + "host = 'ssh://{ip}'", "name,ip,url\nx,-oProxyCommand=y,http://x.it", "line 2: ip is more than*"),
        (HOSTS, "", "prints nothing"),
        (HOSTS, "[{hunter2", "is not JSON at line 1, column 3; the command has to print JSON, as `ansible-inventory*"),
        (HOSTS, "9" * 5000, "is not JSON at its start;*"),
        pytest.param(
            HOSTS, "[" * 200_000, "is JSON too deeply nested to be an inventory",
            marks=pytest.mark.skipif(sys.platform == "emscripten", reason="ends the engine's own stack first"),
        ),
        (HOSTS, "3", 'write a list, [[]{"name": "line-7", "url": "https://*'),
        (HOSTS, "{}", "is an object, and not what `ansible-inventory --list` prints"),
        (HOSTS, '{"_meta": 3, "all": {}}', "is an object, and not what*"),
        (HOSTS, "[3]", "entry 1: write an object, its labels as an object of strings"),
        (HOSTS, '[{"name": "x", "editor": "protected"}]', "entry 1: unknown key editor; known are name, *"),
        (HOSTS, '[{"name": "x", "url": 3}]', "entry 1: give url as a string, or leave it out"),
        (HOSTS, '[{"name": "x", "labels": {"a": 3}}]', "entry 1: give a as a string, or leave it out"),
        (HOSTS + "group = 'x'", "[]", "group chooses hosts of an Ansible inventory, and this is a list"),
        (HOSTS + "group = 'x'", '{"all": {}}', "group = x: the inventory has no such group; run it by hand to see*"),
        (HOSTS, '{"all": {"hosts": ["x"], "vars": 3}}', "host x: its variables are no object"),
        (HOSTS, '{"gateways": [{"name": "x"}]}', "is an object, and not what*"),
        (HOSTS, '{"all": {"hosts": 3}}', "group all: give hosts and children as lists of names"),
        (HOSTS, '{"all": {"hosts": ["x"]}}', "host x: give it the variable nodered_url, or the*"),
        (HOSTS, '{"all": {"hosts": ["x"]}, "_meta": {"hostvars": {"x": 3}}}', "host x: its variables are no object"),
        (HOSTS, '{"all": {"hosts": ["x\\u001b[2J"]}}', 'host x\\x1b[[]2J: name = *: give some text'),
    ],
)  # fmt: skip
def test_a_broken_inventory_is_one_sentence(tmp_path: Path, table: str, text: str, sentence: str) -> None:
    with pytest.raises(PolicyError) as caught:
        listed(tmp_path, table, text)
    place = "fleet.csv" if "file" in table else "list"
    told = str(caught.value).replace("[[inventory]]: ", f"[[inventory]] {place}: ")  # what the table itself has wrong
    pytest.LineMatcher([told]).fnmatch_lines([f"nodered-sec.toml: [[][[]inventory]] {place}: {sentence}"])
    assert "hunter2" not in str(caught.value)


def test_no_inventory_is_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TARGETS", 2)
    rows = "".join(f"x{number},https://x{number}.example\n" for number in range(3))
    with pytest.raises(PolicyError, match="lists more than 2 targets; split it"):
        listed(tmp_path, FLEET, "name,url\n" + rows)
