"""
Fuzz a parser, guided by coverage: ``python -m tests.sources.coverage_guided [WHAT] [CORPUS]``.

WHAT is ``feeds`` (the default), ``oai``, ``apis`` or ``saved``. atheris (libFuzzer) keeps the
inputs that reach new code. The options are those of libFuzzer, such as ``-max_total_time=300``. It
stops with exit code 77 at the first input that breaks a property.
"""

import logging
import random
import sys

import atheris

with atheris.instrument_imports(include=["digestbot.sources"]):
    from tests.sources import api_fuzz, feed_fuzz, oai_fuzz, saved_fuzz

CHECKS = {
    "apis": api_fuzz.check,
    "feeds": feed_fuzz.check,
    "oai": oai_fuzz.check,
    "saved": saved_fuzz.check,
}


def mutate(data: bytes, limit: int, seed: int) -> bytes:
    """Return *data* changed by our mutations, or sometimes by those of libFuzzer."""
    dice = random.Random(seed)
    changed = atheris.Mutate(data, limit) if dice.random() < 0.2 else feed_fuzz.mutated(data, dice)
    return bytes(changed[:limit])


if __name__ == "__main__":
    logging.disable()
    name, *rest = sys.argv
    what = rest.pop(0) if rest[:1] and rest[0] in CHECKS else "feeds"
    atheris.Setup([name, *rest], CHECKS[what], custom_mutator=mutate)
    atheris.Fuzz()
