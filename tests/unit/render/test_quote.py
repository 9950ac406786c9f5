from __future__ import annotations

import shlex
import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import RenderError
from builder.render.quote import (
    quote_environment,
    quote_iptables,
    quote_sh,
    quote_systemd,
    quote_text,
)
from tests.kit import SHELLS

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

HOSTILE = [
    "",
    "plain",
    "two words",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "$(touch pwned)",
    "`touch pwned`",
    "$HOME",
    "a\\",
    "*",
    "~root",
    "-n",
    "%i %n",
    "#c",
    "&&",
    "é",
    "\U0001f600",
    "\x00\x1b\x7f\x85\u2028\ufeff",
    "{{ x }}",
    "- a",
    "a: b",
    "!!python/object:os.system",
    "1.24",
    "on",
    "null",
]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[-1])
@pytest.mark.parametrize("text", [text for text in HOSTILE if "\0" not in text])
def test_a_shell_gets_back_exactly_what_was_quoted(shell, text, tmp_path):
    script = f"printf '%s' {quote_sh(text)}"
    done = subprocess.run([*shell, "-c", script], capture_output=True, cwd=tmp_path, check=True)
    assert done.stdout.decode() == text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_yaml_and_toml_get_back_exactly_what_was_quoted(text):
    assert yaml.safe_load(f"key: {quote_text(text)}\n") == {"key": text}
    assert tomllib.loads(f"key = {quote_text(text)}\n") == {"key": text}


@pytest.mark.parametrize("quote", [quote_sh, quote_systemd, quote_environment, quote_iptables])
@pytest.mark.parametrize("text", ["a\nb", "a\0b", "\r", "\x1b[2J", "\x7f"])
def test_control_characters_have_no_safe_form(quote, text):
    with pytest.raises(RenderError):
        quote(text)


@pytest.mark.parametrize("text", ["a b", "a'b", 'a"b', "a$b", "a\\b", "a`b", "a\tb"])
def test_an_environment_file_takes_no_word_that_would_split(text):
    with pytest.raises(RenderError):
        quote_environment(text)


@pytest.mark.parametrize("text", ["", "a b", "0.0.0.0/0 -j ACCEPT", "$x", "é"])
def test_an_iptables_rule_takes_names_and_addresses_only(text):
    with pytest.raises(RenderError):
        quote_iptables(text)


def test_systemd_specifiers_and_variables_are_defused():
    assert quote_systemd('%i $HOME "x" \\') == '"%%i $$HOME \\"x\\" \\\\"'


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc"))))
def test_any_text_survives_a_shell_like_reader(text):
    assert shlex.split(quote_sh(text)) == [text]
