"""Renders overlays: Jinja2, where an undefined name is an error and every value passes a quoting filter."""

from __future__ import annotations

import base64
import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from builder.errors import RenderError
from builder.model.overlay import OverlaySource
from builder.model.plan import KeyPair, NodePlan
from builder.render import quote


def environment(folders: Iterable[Path]) -> jinja2.Environment:
    """The one Jinja environment; `import` looks in the overlays folders (macros/), last folder first."""
    made = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - nothing here is HTML; every language has its own quoting filter
        loader=jinja2.FileSystemLoader([str(folder) for folder in reversed(tuple(folders))]),
    )
    made.filters.update(
        sh=quote.quote_sh,
        systemd=quote.quote_systemd,
        env=quote.quote_environment,
        yaml=quote.quote_text,
        toml=quote.quote_text,
        iptables=quote.quote_iptables,
        base64=_base64,
        merge_yaml=_merge_yaml,
    )
    return made


def render(
    environment: jinja2.Environment,
    source: OverlaySource,
    plan: NodePlan,
    authorities: Mapping[str, str],
    pairs: Mapping[str, KeyPair],
    shared: Mapping[str, KeyPair] | None = None,
) -> bytes:
    """One host file's bytes. Templates see `cluster`, `node`, `plan`, `ca`, `certs` and `shared`.

    Raises RenderError, naming the overlay and its line, and never a value: it could be a secret.
    """
    if not source.template:
        return source.text.encode()
    try:
        template = environment.from_string(source.text)
        text = template.render(
            cluster=plan.cluster, node=plan.node, plan=plan, ca=authorities, certs=pairs, shared=shared or {}
        )
    except jinja2.TemplateSyntaxError as error:
        raise RenderError(f"{source.origin}:{error.lineno}: {error.message}", "mend the overlay") from error
    except jinja2.UndefinedError as error:
        secrets = [plan.cluster.join.token, *(pair.key for pair in (*pairs.values(), *(shared or {}).values()))]
        told = error.message or ""
        wrong = "an unknown name" if any(secret and secret in told for secret in secrets) else told
        raise RenderError(f"{source.origin}:{_line(error)}: {wrong}", "use a name that the plan has") from error
    except RenderError as error:
        raise RenderError(f"{source.origin}:{_line(error)}: {error.message}", error.remedy) from error
    except Exception as error:
        # whatever a user's template runs into; its own words could hold a secret
        wrong = f"{type(error).__name__} while rendering"
        raise RenderError(f"{source.origin}:{_line(error)}: {wrong}", "mend the overlay") from error
    if source.block and (not text.endswith("\n") or re.search(r"^# (BEGIN|END) bundler ", text, re.MULTILINE)):
        raise RenderError(f"{source.origin}: a block ends in a newline and holds no marker lines", "mend the overlay")
    return text.encode()


def operators_kubeconfig(
    environment: jinja2.Environment, server: str, authorities: Mapping[str, str], admin: KeyPair
) -> str:
    """The kubeconfig of whoever runs the cluster, for the state folder."""
    template = environment.get_template("macros/operator.kubeconfig.j2")
    return template.render(server=server, ca=authorities, admin=admin)


def _line(error: BaseException) -> int:
    """The template's line in which it happened: jinja2 rewrites tracebacks to say so."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    return lines[-1] if lines else 1


def _base64(text: str) -> str:
    """As kubeconfigs embed PEM files."""
    return base64.b64encode(text.encode()).decode("ascii")


def _merge_yaml(body: str, *extras: Mapping[str, Any]) -> str:
    """The YAML mapping in `body` with the user's own settings laid over it, key by key.

    Without extras the body stays as it is written, comments and all.
    """
    wanted = [extra for extra in extras if extra]
    if not wanted:
        return body
    merged = yaml.safe_load(body)
    for extra in wanted:
        merged = _laid_over(merged, extra)
    return str(yaml.safe_dump(merged, sort_keys=False, allow_unicode=False, default_flow_style=False))


def _laid_over(base: Any, extra: Any) -> Any:
    """Mappings are merged key by key; anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(extra, Mapping)):
        return _plain(extra)
    merged = dict(base)
    for key, value in extra.items():
        merged[key] = _laid_over(merged[key], value) if key in merged else _plain(value)
    return merged


def _plain(value: Any) -> Any:
    """Frozen mappings and tuples as the dicts and lists that YAML can write."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
