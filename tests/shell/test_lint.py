"""shellcheck finds nothing, in the fragments as they lie and in the whole script."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from builder.errors import RenderError
from builder.render.installer import HEAD, fragments, render_installer
from tests.shell.conftest import SHELLS, Bundle, Host

NAMES = [name for name, _ in fragments()]
# what one fragment cannot show: variables and functions that another one sets or calls
ELSEWHERE = "SC2034,SC2153,SC2154,SC2317"


def shellcheck(script: bytes, *options: str) -> str:
    done = subprocess.run(["shellcheck", "-s", "sh", *options, "-"], check=False, input=script, capture_output=True)
    return done.stdout.decode()


def test_the_joined_script_is_clean() -> None:
    assert shellcheck(render_installer(Bundle().full_head())) == ""


@pytest.mark.parametrize("name", NAMES)
def test_each_fragment_is_clean_and_short(name: str) -> None:
    content = dict(fragments())[name]
    assert shellcheck(content, "-e", ELSEWHERE) == ""
    assert content.startswith(f"# {name[:-3]}: ".encode())
    assert content.count(b"\n") <= 250


def test_fragments_stand_in_running_order_byte_for_byte() -> None:
    script = render_installer(Bundle().full_head())
    places = [script.index(content) for _, content in fragments()]
    assert places == sorted(places)
    assert len(places) > 10
    assert script.splitlines()[-2].endswith(b'main "$@"')
    assert script.splitlines()[-1] == b"}"


def test_a_value_cannot_break_out_of_the_head(tmp_path: Path) -> None:
    hostile = "x'; touch /tmp/owned; '$(id)`id`\"\\"
    script = tmp_path / "install.sh"
    script.write_bytes(render_installer({**Bundle().full_head(), "NOTICE": hostile}))
    show = f'. {script} && printf %s "$NOTICE"'
    for command in (["dash"], ["busybox", "ash"], ["bash"], ["mksh"]):
        done = subprocess.run(
            [*command, "-c", show],
            check=False,
            env={"BUNDLER_INSTALL_LIB": "1", "PATH": "/usr/bin"},
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.stderr) == (hostile, "")


def test_a_missing_or_unknown_head_variable_is_refused() -> None:
    head = Bundle().full_head()
    with pytest.raises(RenderError, match="NODE"):
        render_installer({name: head[name] for name in HEAD if name != "NODE"})
    with pytest.raises(RenderError, match="SHOE_SIZE"):
        render_installer({**head, "SHOE_SIZE": "43"})


@pytest.mark.parametrize("value", ["two\nlines", "nul\0"])
def test_a_control_character_in_the_head_is_refused(value: str) -> None:
    with pytest.raises(RenderError):
        render_installer({**Bundle().full_head(), "NOTICE": value})


def test_a_script_that_was_cut_off_does_nothing(host: Host, bundle: Bundle) -> None:
    folder = bundle.write(host.root / "root/bundle")
    script = (folder / "install.sh").read_bytes()
    for length in (len(script) - 2, len(script) - 5, *(len(script) * part // 9 for part in range(1, 9))):
        (folder / "install.sh").write_bytes(script[:length])
        before = host.tree()
        host.run("dash", "/root/bundle")
        assert host.tree() == before
        assert host.calls() == []


def test_all_four_shells_are_tested() -> None:
    assert set(SHELLS) == {"dash", "busybox", "bash", "mksh"}
