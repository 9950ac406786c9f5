"""The reader of units, held to the systemd that is installed wherever that tells what it read."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.unitfile import command, environment_file, service, settings, words

GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
MANAGER = Path("/usr/lib/systemd/systemd")
NOBODY = 65534


def test_lines_are_continued_and_comments_may_stand_between():
    text = "[Unit]\nDescription = two words \n[Service]\n; no\nExecStart=/bin/x \\\n  # no\n  --a \\\n--b\nType=oneshot"
    assert settings(text) == [
        ("Unit", "Description", "two words"),
        ("Service", "ExecStart", "/bin/x    --a  --b"),
        ("Service", "Type", "oneshot"),
    ]


def test_a_doubled_backslash_at_the_end_continues_nothing():
    assert settings("[S]\nA=x\\\\\nB=y") == [("S", "A", "x\\\\"), ("S", "B", "y")]


LINES = [
    '"a b"c \'q"r\' "it\'s"',
    r"\x41 \s \101 a\tb",
    r'"in \"quotes\"" \\',
    "100%% --flag=a=b,c;d",
    '"" end',
    "mid'dle q'uote",
    "a  \\\n   # between\n  b",
]


@pytest.mark.parametrize("line", LINES)
def test_words_are_those_that_systemd_reads(line, tmp_path):
    """systemd --test prints its words, quoted as C strings."""
    if not MANAGER.exists():
        pytest.skip("no systemd here")
    text = f"[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/echo {line}\n"
    (tmp_path / "probe.service").write_text(text)
    (tmp_path / "probe.target").write_text("[Unit]\nDefaultDependencies=no\nWants=probe.service\n")
    environ = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "SYSTEMD_UNIT_PATH": str(tmp_path),
        "SYSTEMD_LOG_TARGET": "console",
    }
    run = [str(MANAGER), "--test", "--user", "--unit=probe.target"]
    if os.geteuid() == 0:
        # as root it refuses to be a user's manager; nobody must be able to read the folder and those above it
        run = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *run]
        os.chown(tmp_path, NOBODY, -1)
        for above in (tmp_path, *tmp_path.parents):
            if above.stat().st_uid == 0 and "pytest-of" in str(above):
                above.chmod(above.stat().st_mode | 0o011)
    done = subprocess.run(run, env=environ, capture_output=True, text=True, check=False, timeout=60)
    read = re.findall(r"Command Line: /bin/echo ?(.*)", done.stdout)
    assert read, done.stdout[-2000:] + done.stderr[-2000:]
    start = service(text).start[0].words
    assert words(read[0]) == list(start[1:])


def test_variables_are_split_only_where_they_stand_alone():
    made = command('/bin/x $ALL ${ALL} a$ALL "$ALL" $$ALL ${NONE} $NONE -${ONE}- $ALL/x')
    environ = {"ALL": "--a 'b c'  --d=\"e f\"", "ONE": "1"}
    assert made.argv(environ) == [
        "/bin/x",
        *("--a", "b c", "--d=e f"),
        environ["ALL"],
        "a$ALL",
        *("--a", "b c", "--d=e f"),
        "$ALL",
        "",
        "-1-",
    ]
    assert command("-:/bin/x $ALL").argv(environ) == ["/bin/x", "$ALL"]


@pytest.mark.parametrize(
    "value", ["bin/x", "", '/bin/x "open', r"/bin/x \q", "/bin/x %n", "/bin/x ; /bin/y", "@/bin/x y"]
)
def test_what_systemd_would_not_run_as_it_stands_is_refused(value):
    with pytest.raises(ValueError):
        command(value)


def test_a_service_is_read_whole():
    made = service(
        "[Service]\nType=notify\nEnvironment=A=1 'B=2 3'\nEnvironmentFile=-/etc/x\nExecStartPre=-/bin/a\n"
        "ExecStart=/bin/b\nExecStart=\nExecStart=/bin/c $A\nExecStartPost=/bin/d\nRestart=always\n"
    )
    assert made.type == "notify"
    assert made.environment == {"A": "1", "B": "2 3"}
    assert made.environment_files == [("/etc/x", True)]
    assert [made.start_pre[0].may_fail, made.start_pre[0].words] == [True, ("/bin/a",)]
    assert [each.words for each in made.start] == [("/bin/c", "$A")]
    assert made.start_post[0].words == ("/bin/d",)
    assert made.other == {"Restart": "always"}


FILES = [
    "A=plain\nB = spaced  out \n",
    'A="x y" z\nB=\'q\\n "r"\'\n',
    "A=--one \\\n  --two=2 \\\n  --three\nB=end",
    "# A=no\n; B=no\nC=yes # part of it\n",
    'A="fir\\\nst"\nB="a\\\\b\\"c\\q"\n',
    "no equals\nA=1\nA=2\n",
    "# a comment \\\nA=swallowed or not\nB=1\n",
    "A=1\nB=tail\\",
    "A=x\\ty\\ \nB=\\'z\n",
]


@pytest.mark.parametrize("text", FILES)
def test_an_environment_file_is_read_as_systemd_reads_it(text, tmp_path):
    """environment.d has the same parser (and expands variables, of which there are none here)."""
    if not GENERATOR.exists():
        pytest.skip("no systemd here")
    (tmp_path / "environment.d").mkdir()
    (tmp_path / "environment.d" / "1.conf").write_text(text)

    def variables():
        environ = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
        done = subprocess.run([GENERATOR], env=environ, capture_output=True, text=True, check=True)
        found = environment_file(done.stdout)
        return {name: found[name] for name in ("A", "B", "C") if name in found}

    assert variables() == {name: value for name, value in environment_file(text).items() if name in ("A", "B", "C")}


def test_an_environment_file_has_values_that_are_empty_or_of_two_lines():
    """environment.d's output cannot show these."""
    assert environment_file('A=\nB="first\nsecond"\n') == {"A": "", "B": "first\nsecond"}


def test_an_environment_file_expands_nothing():
    assert environment_file('A=$HOME ${X}\nB="\\$HOME \\`"\n') == {"A": "$HOME ${X}", "B": "$HOME `"}
