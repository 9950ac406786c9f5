"""Signals while guests run: each ends the rehearsal in order, and none disturbs the end itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_end_it() -> Iterator[None]:
    """SIGTERM and SIGHUP leave the block as Ctrl-C does: by an exception, so that everything can be taken away."""
    with _handled({signal.SIGTERM: _leave, signal.SIGHUP: _leave}):
        yield


@contextmanager
def signals_wait() -> Iterator[None]:
    """While everything is taken away, no more orders are taken."""
    with _handled(dict.fromkeys(_ENDING, signal.SIG_IGN)):
        yield


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[..., object] | signal.Handlers]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
