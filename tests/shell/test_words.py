"""What install.sh says: constant formats with the right number of arguments, so that each can be told in Chinese, too."""

# ruff: noqa: RUF001
from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from builder.render.installer import fragments
from tests.shell.conftest import Bundle, Host, Result

# the functions that take a format; for `problem` a name comes before it
SPEAKERS = (
    *("say", "warn", "die", "would", "detail", "express", "within", "die_of_disk"),
    *("not_well", "drift", "usage_error", "refuse_problems", "problem"),
)
SPOKEN = re.compile(rf"(?:^|[;&|)!{{]|\b(?:if|then|else|do) )\s*({'|'.join(SPEAKERS)}) +", re.MULTILINE)
QUOTED = re.compile(r"""'([^']*)'|"([^"$`\\]*)"(?=[\s;)]|$)""")


class Message(NamedTuple):
    fragment: str
    speaker: str
    key: str
    arguments: int


def past_expansion(text: str, place: int) -> int:
    """The place after the bracket that closes the one at `place`."""
    opening = text[place]
    closing = {"(": ")", "{": "}"}[opening]
    depth = 0
    while True:
        char = text[place]
        depth += (char == opening) - (char == closing)
        place = past_piece(text, place) if char not in "(){}" else place + 1
        if not depth:
            return place


def past_piece(text: str, place: int) -> int:
    """The place after a quoted string, an expansion, or one character."""
    if text[place] == "\\":
        return place + 2
    if text[place] == "'":
        return text.index("'", place + 1) + 1
    if text[place] == "$" and text[place + 1] in "({":
        return past_expansion(text, place + 1)
    if text[place] != '"':
        return place + 1
    place += 1
    while text[place] != '"':
        place = place + 1 if text[place] == "'" else past_piece(text, place)
    return place + 1


def words(text: str) -> list[str]:
    """The words of a simple command, up to its end."""
    found, place = [], 0
    while text[place] not in "\n;|&)":
        start = place
        while text[place] not in " \t\n;|&)":
            place = past_piece(text, place)
        found.append(text[start:place])
        place += len(text[place:]) - len(text[place:].lstrip(" \t"))
    return found


def spoken() -> Iterator[Message]:
    """Every call with a format; those that pass on what they were given (`"$@"`) have none of their own."""
    for name, content in fragments():
        text = re.sub(r"^\s*#.*", "", content.decode(), flags=re.MULTILINE)
        text = re.sub(r"\\\n\s*", "", text)
        for call in SPOKEN.finditer(text):
            found = words(text[call.end() :])
            if call[1] == "problem":
                assert re.fullmatch("[A-Z][A-Za-z]+", found.pop(0)), text[call.start() :][:80]
            if found[0] == '"$@"' or (name == "10-say.sh" and found[0] == '"$would_format"'):
                continue
            format_ = QUOTED.fullmatch(found[0])
            assert format_, f"{name}: the format is no constant: {text[call.start() :][:80]}"
            key = format_[1] if format_[1] is not None else format_[2]
            yield Message(name, call[1], f"would {key}" if call[1] == "would" else key, len(found) - 1)


MESSAGES = list(spoken())


ENTRY = re.compile(r"""^\t(?:'([^']*)'|"([^"$`\\]*)")\) TRANSLATED='([^']*)' ;;$""", re.MULTILINE)
TABLES = [content.decode() for name, content in fragments() if name in ("12-chinese.sh", "13-chinese-refusals.sh")]
CHINESE = {entry[1] or entry[2]: entry[3] for table in TABLES for entry in ENTRY.finditer(table)}
DAMAGED = "the bundle is damaged or was altered; nothing was written; unpack or copy it again"
CJK = re.compile("[\u4e00-\u9fff]")


def test_messages_are_found() -> None:
    assert len(MESSAGES) > 200
    assert Message("60-files.sh", "would", "would make %s with mode %s", 2) in MESSAGES


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: f"{each.fragment}-{each.key[:30]}")
def test_a_format_has_its_arguments(message: Message) -> None:
    wanted = message.key.count("%s") - (message.speaker == "within")
    assert message.arguments == wanted, message
    assert message.key.count("%") == message.key.count("%s")


def test_every_format_is_in_the_tables_once_and_no_other() -> None:
    assert {message.key for message in MESSAGES} == set(CHINESE)
    assert sum(table.count(" TRANSLATED='") for table in TABLES) == len(CHINESE)


@pytest.mark.parametrize("key", CHINESE)
def test_a_chinese_format_is_chinese_and_takes_the_same_arguments(key: str) -> None:
    told = CHINESE[key]
    assert told.count("%s") == key.count("%s") == told.count("%")
    assert CJK.search(told) or told == "[%s] %s"
    names = re.compile(
        r"\[[A-Z]\w+\]|\./install\.sh(?: (?:resume|abort|repair|generations|uninstall|--uninstall|--help))?"
        r"|(?<![\w.])/(?:var|etc|opt)/[\w./]+|(?<![\w-])--\w[\w-]+"
    )
    assert set(names.findall(key)) <= set(names.findall(told))


def in_chinese(host: Host, shell: str, *args: str, locale: str = "LANG=zh_CN.UTF-8", extra: str = "X=") -> Result:
    command = host.command(shell, "/root/bundle", *args)
    place = command.index("-i") + 1
    command[place:place] = [locale, extra]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    # strict: whole characters only; bash and mksh have a word to say about a locale that this machine has not
    err = [line for line in done.stderr.decode().splitlines(keepends=True) if "setlocale: " not in line]
    return Result(done.returncode, done.stdout.decode(), "".join(err))


def told_in_english(text: str) -> list[str]:
    """Lines without a Chinese character."""
    return [line for line in text.splitlines() if line and not CJK.search(line)]


def test_an_install_in_chinese_does_the_same(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    assert host.run("dash", "/root/bundle").code == 0
    english, calls = host.tree(), host.calls()
    log = host.root / "var/log/bundler/install.log"
    said = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
    assert host.run("dash", "/root/bundle", "uninstall").code == 0
    host.calls()
    shutil.rmtree(host.root / "run/flannel", ignore_errors=True)
    for module in (host.root / "sys/module").iterdir():
        module.rmdir()
    done = in_chinese(host, shell)
    assert (done.code, done.err) == (0, "")
    assert told_in_english(done.out) == []
    assert done.out.splitlines()[-1] == "完成：写入 15 项，未变 0 项，删除 0 项，重启 0 个单元，启动 2 个单元"
    assert "已写入 /opt/kubernetes/bin/kubelet\n" in done.out
    assert host.calls() == calls
    logged = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
    assert logged[:-1] == said[:-1]  # the last one says how long it took
    apart = ("/var/log/bundler/install.log", "/var/lib/bundler/attributes")  # busybox's cp keeps none
    left = {path: about for path, about in host.tree().items() if not path.startswith(apart)}
    assert left == {path: about for path, about in english.items() if not path.startswith(apart)}


def test_refusals_are_told_in_chinese(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["NODE"] = "k8s-node2"
    folder = bundle.write(host.root / "root/bundle")
    done = in_chinese(host, shell, locale="LC_ALL=zh_TW.utf8")
    assert (done.code, done.out, told_in_english(done.err)) == (1, "", [])
    assert done.err.startswith("[Hostname] 本机主机名为 k8s-node1；请")
    assert done.err.endswith("而本机不是该节点；未写入任何内容\n")
    ignoring = in_chinese(host, shell, "--ignore-preflight-errors=Hostname", "--dry-run")
    assert ignoring.code == 2
    assert ignoring.err.startswith("警告：[Hostname] 本机主机名为 k8s-node1；")
    assert "（已忽略）\n" in ignoring.err
    (folder / "root/etc/extra").write_text("x")
    done = in_chinese(host, shell, "verify")
    assert done.err == "./root/etc/extra：未列入 SHA256SUMS\n\ninstall.sh: " + CHINESE[DAMAGED] + "\n"


def test_json_in_chinese_is_json(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    done = in_chinese(host, shell, "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {"level": "info", "message": "已启动 kubelet.service"} in [
        {name: line[name] for name in ("level", "message")} for line in lines
    ]
    assert lines[-1]["message"] == "exit code 0"


def test_every_way_to_say_which_language(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "root/bundle")

    def wrong(*args: str, locale: str = "LANG=zh_CN.UTF-8", extra: str = "X=") -> bool:
        return bool(CJK.search(in_chinese(host, toolset, *args, "--shoe", locale=locale, extra=extra).err))

    assert wrong()
    assert wrong(locale="LC_MESSAGES=zh_CN.UTF-8", extra="LANG=de_DE.UTF-8")
    assert wrong(locale="LC_ALL=", extra="LANG=zh_CN.UTF-8@pinyin")
    assert wrong("--lang=zh", locale="LANG=C")
    assert not wrong("--lang", "en")
    assert not wrong(locale="LC_ALL=C", extra="LANG=zh_CN.UTF-8")
    assert not wrong(locale="LANG=zh_CN.GB18030")
    assert not wrong(locale="LANG=zh_CN")
    assert not wrong(extra="TERM=linux")
    assert wrong("--lang=zh", extra="TERM=linux")
    assert "--lang" in in_chinese(host, toolset, "--lang=fr").err


def test_help_and_reports_in_chinese(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    help_text = in_chinese(host, shell, "help").out
    options = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
    assert set(options.findall(help_text)) == set(options.findall(host.run(shell, "/root/bundle", "help").out))
    assert help_text.startswith("用法：./install.sh")
    (host.root / "etc/containerd/config.toml").write_text("mine\n")
    (host.root / "fake/units/kubelet.service").write_text("failed\n")
    status = in_chinese(host, shell, "status")
    assert (status.code, told_in_english(status.out)) == (1, [])
    assert "内容已改变：/etc/containerd/config.toml\n" in status.out
    assert told_in_english(in_chinese(host, shell, "generations").out) == []
    check = in_chinese(host, shell, "check").out
    assert check.startswith("not well: generation 1, 1 paths drifted, 1 units down")
