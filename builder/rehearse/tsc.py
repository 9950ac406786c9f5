"""How fast this machine's time stamp counter runs, which emulated guests see as theirs."""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from collections.abc import Callable
from pathlib import Path

_RDTSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")  # rdtsc; shl rdx, 32; or rax, rdx; ret
_STEADY = {"constant_tsc", "nonstop_tsc"}
_MEASURED_SECONDS = 0.2
_TRIES = 20


def clock_words(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Words for the guest kernel's command line, or nothing where this machine's counter is not steady.

    QEMU's emulation hands the counter through. A guest that finds out its rate for itself, while the machine is busy,
    is wrong at times, so that its clock runs fast or it falls back to the HPET, where each look at the clock leaves
    the emulation. `tsc_early_khz` and `tsc`: Linux, Documentation/admin-guide/kernel-parameters.txt.
    """
    if platform.machine() != "x86_64" or not _steady(cpuinfo):
        return ""
    try:
        return f"tsc_early_khz={_measure()} tsc=reliable"
    except OSError:  # a policy that forbids memory that is both written and run
        return ""


def _steady(cpuinfo: Path) -> bool:
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    return set(flags.split()) >= _STEADY


def _measure() -> int:
    """In kHz, against the kernel's monotonic clock."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(_RDTSC)
        start = ctypes.c_char.from_buffer(page)
        counter = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(start))
        ticks, at = _look(counter)
        time.sleep(_MEASURED_SECONDS)
        later_ticks, later = _look(counter)
        del start  # or the page could not be given back
    return (later_ticks - ticks) * 1_000_000 // (later - at)


def _look(counter: Callable[[], int]) -> tuple[int, int]:
    """Ticks and nanoseconds of one moment: of several tries the one that took least."""
    best = (1 << 62, 0, 0)
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        ticks = counter()
        after = time.monotonic_ns()
        best = min(best, (after - before, ticks, (before + after) // 2))
    return best[1], best[2]
