"""Whatever goes in, a result or one sentence comes out: every public entry, called with hostile input.

    pytest tests/repository/test_fuzz.py                    the same cases at every run
    FUZZ=nightly pytest tests/repository/test_fuzz.py -s    many more, others at every run; -s shows how many of each

A case that fails is printed as it was made, with the seed that makes it again: `FUZZ_SEED=... FUZZ=... pytest ...`.
"""

import json
import os
import random
import re
import time

import numpy as np
import pytest
from fuzz_entries import ENTRIES
from fuzzing import ROOT, Counted, Hang, check_result, check_sentence, judged, watched
from hypothesis import HealthCheck, Phase, given, seed, settings

PHASES = (Phase.explicit, Phase.generate, Phase.shrink)  # the others look for failures near failures
NIGHTLY = os.environ.get("FUZZ") == "nightly"


def chosen_seed() -> int:
    """The same at every run, but for the nightly one."""
    wanted = os.environ.get("FUZZ_SEED")
    return int(wanted) if wanted else random.SystemRandom().randrange(2**32) if NIGHTLY else 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENTRIES)
def test_only_results_and_sentences_come_out(name):
    entry, counted, number = ENTRIES[name], Counted(), chosen_seed()
    cases = entry.nightly if NIGHTLY else entry.daily

    @seed(number)
    @settings(max_examples=cases, deadline=None, database=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(entry.cases)
    def check(case):
        counted.cases[entry.judge(case)] += 1

    print(f"FUZZ_SEED={number} {name}")
    check()
    print(f"{name}: {counted}")
    assert counted.total >= cases
    assert counted.share >= entry.least


def test_the_cases_are_as_many_as_promised():
    """Each entry is seen to have made its share by the test above."""
    assert sum(entry.daily for entry in ENTRIES.values()) >= 500
    assert sum(entry.nightly for entry in ENTRIES.values()) >= 10_000


def test_the_guide_tells_how_many():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"{sum(entry.daily for entry in ENTRIES.values()):,} cases, the same in every run" in guide
    (promised,) = re.findall(r"over ([\d,]+) new cases", guide)
    assert sum(entry.nightly for entry in ENTRIES.values()) > int(promised.replace(",", ""))


# The judge itself.


def test_another_exception_and_a_library_s_error_are_failures():
    with pytest.raises(KeyError):
        judged(lambda: {}["a"])
    with pytest.raises(AssertionError, match="no error of ours, but JSONDecodeError"):
        judged(lambda: json.loads("{"))
    with pytest.raises(AssertionError, match="no error of ours, but ValueError"):
        judged(lambda: np.zeros(2) + np.zeros(3))


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "x" * 5000, "a Traceback (most", "got <object at 0x7f>", "7"])
def test_what_is_no_sentence_is_a_failure(text):
    with pytest.raises(AssertionError):
        check_sentence(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, None, "0.5", np.float64(0.5)])
def test_what_is_no_plain_finite_number_is_a_failure(value):
    with pytest.raises(AssertionError):
        check_result({"figure": value})


def test_a_hang_is_a_failure():
    def forever():
        while True:
            try:
                time.sleep(0.01)
            except Exception:  # as the code under test may catch everything
                continue

    with pytest.raises(Hang), watched(1):
        forever()
