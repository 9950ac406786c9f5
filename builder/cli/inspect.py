"""`bundler inspect` shows what is in a bundle; `bundler verify` checks every digest in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from builder.errors import BundleError
from builder.pack.inspect import Bundle, about_bundle, verify_bundle
from builder.pki.sign import must_be_signed

_BUNDLE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("bundle", type=_BUNDLE)
@click.option("--files", is_flag=True, help="List the files, too.")
@click.option("-o", "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def inspect(bundle: Path, files: bool, form: str) -> None:
    """Show whose bundle it is and what it holds; unpacks nothing to disk and checks no digest."""
    about = about_bundle(bundle)
    click.echo(json.dumps(about, indent=2) if form == "json" else _text(about, files=files))


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=_BUNDLE)
@click.option("--key", type=_BUNDLE, help="Check the signature, too, with this public key (PEM).")
def verify(bundles: tuple[Path, ...], key: Path | None) -> None:
    """Check every digest of each bundle, and that it holds just what it lists."""
    for bundle in bundles:
        found = verify_bundle(bundle)
        signed = ""
        if key is not None:
            _must_be_signed(bundle, found, key)
            signed = "; signed"
        click.echo(f"{bundle}: good; node {found.node}, {len(found.files)} files{signed}")


def _must_be_signed(path: Path, bundle: Bundle, key: Path) -> None:
    if bundle.signature is None:
        raise BundleError(f"{path}: not signed", "build it with --sign-key")
    try:
        pem = key.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{key}: cannot be read", "give a PEM public key") from error
    must_be_signed(pem, str(key), bundle.sums_text, bundle.signature)


def _text(about: dict[str, Any], *, files: bool) -> str:
    lines = [
        f"node        {about['node']} ({about['address']}, {about['arch']}), {', '.join(about['roles'])}",
        f"cluster     {about['cluster']}, Kubernetes {about['kubernetes']}, join by {about['join']}",
        f"pod subnet  {about['podSubnet'] or 'none'}",
        f"units       {' '.join(about['units'])}",
        "components",
    ]
    for item in about["components"]:
        if "version" in item:
            lines.append(f"  {item['name']:24} {item['version']:14} {item['licence']}")
        if "notice" in item:
            lines.append(f"    NOTICE: {item['notice']}")
    if about.get("images"):
        lines.append("images")
        lines += [f"  {item['name']}  {item['digest']}" for item in about["images"]]
    lines.append("certificates")
    lines += [
        f"  {name:24} {window['notBefore']} to {window['notAfter']}" for name, window in about["certificates"].items()
    ]
    if files:
        lines.append("files")
        lines += [f"  {item['kind']:5} {item.get('mode', '    ')} {item['path']}" for item in about["files"]]
    return "\n".join(lines)
