"""The rate of the time stamp counter, for guests that are emulated."""

import platform
import re

import pytest

from builder.rehearse.tsc import clock_words

STEADY = "processor : 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc\n"


@pytest.fixture
def cpuinfo(tmp_path):
    return tmp_path / "cpuinfo"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the counter is x86's")
def test_it_is_measured_the_same_twice(cpuinfo):
    cpuinfo.write_text(STEADY)
    rates = [int(re.fullmatch(r"tsc_early_khz=(\d+) tsc=reliable", clock_words(cpuinfo))[1]) for _ in range(2)]
    assert rates[0] == pytest.approx(rates[1], rel=0.005)  # Linux refines what is right to 1 %


@pytest.mark.parametrize("text", ["", "flags : fpu tsc constant_tsc\n"])
def test_a_counter_that_is_not_steady_is_not_told_of(cpuinfo, text):
    cpuinfo.write_text(text)
    assert not clock_words(cpuinfo)
