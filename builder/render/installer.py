"""install.sh: a head of quoted assignments, the shell fragments byte for byte, and one call of main."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from builder.errors import RenderError
from builder.render.quote import quote_sh

HEAD = (
    "BUNDLE_FORMAT",
    "BUNDLER_VERSION",
    "CLUSTER",
    "NODE",
    "ADDRESS",
    "ARCH",
    "KUBERNETES",
    "NOT_BEFORE",
    "NOT_AFTER",
    "UNITS",
    "WAITING",
    "COMMANDS",
    "PORTS",
    "NETWORKS",
    "POD_SUBNET",
    "DISK_KIB",
    "NOTICE",
)
"""The variables of the head, in order; docs/installer.md says what each holds."""

# BUNDLER_INSTALL_LIB lets a test load the functions without running anything. The braces around all make the shell
# read the whole script before it runs any of it: one that was cut off, or changes while it runs, does nothing odd.
_FIRST_LINE = "{"
_LAST_LINE = '[ -n "${BUNDLER_INSTALL_LIB-}" ] || main "$@"\n}\n'


def fragments() -> list[tuple[str, bytes]]:
    """The shipped shell fragments as (file name, content), in running order."""
    found = [item for item in files("builder.installer").iterdir() if item.name.endswith(".sh")]
    return [(item.name, item.read_bytes()) for item in sorted(found, key=lambda item: item.name)]


def render_installer(head: Mapping[str, str]) -> bytes:
    """The whole install.sh of one node. `head` has a value for every name of HEAD, and no other.

    Raises RenderError for a missing or unknown name, and for a value that cannot be quoted.
    """
    odd = sorted(set(head) ^ set(HEAD))
    if odd:
        raise RenderError(f"the head of install.sh lacks, or does not know: {', '.join(odd)}")
    lines = [
        "#!/bin/sh",
        "# install.sh: makes one host a Kubernetes node, without a network.",
        "# SPDX-License-Identifier: Apache-2.0",
        "",
        *(f"{name}={quote_sh(head[name])}" for name in HEAD),
        "",
        _FIRST_LINE,
        "",
    ]
    body = b"\n".join(content for _, content in fragments())
    return "\n".join(lines).encode() + body + b"\n" + _LAST_LINE.encode()
