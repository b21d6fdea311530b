"""
Fuzz a parser, guided by coverage: ``python -m tests.sources.coverage_guided [oai] [CORPUS]``.

Without ``oai`` it is the feed path. atheris (libFuzzer) keeps the inputs that reach new code. The
options are those of libFuzzer, such as ``-max_total_time=300``. It stops with exit code 77 at the
first input that breaks a property.
"""

import logging
import random
import sys

import atheris

with atheris.instrument_imports(include=["digestbot.sources"]):
    from tests.sources import feed_fuzz, oai_fuzz


def mutate(data: bytes, limit: int, seed: int) -> bytes:
    """Return *data* changed by our mutations, or sometimes by those of libFuzzer."""
    dice = random.Random(seed)
    changed = atheris.Mutate(data, limit) if dice.random() < 0.2 else feed_fuzz.mutated(data, dice)
    return bytes(changed[:limit])


if __name__ == "__main__":
    logging.disable()
    is_oai = "oai" in sys.argv[1:2]
    check = oai_fuzz.check if is_oai else feed_fuzz.check
    arguments = [sys.argv[0], *sys.argv[2:]] if is_oai else sys.argv
    atheris.Setup(arguments, check, custom_mutator=mutate)
    atheris.Fuzz()
