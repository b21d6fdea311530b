"""
Fuzz the parsers of APIs: ``python -m tests.sources.coverage_guided_responses [CORPUS]``.

As `tests.sources.coverage_guided` does for feeds, with the same options.
"""

import logging
import random
import sys

import atheris

with atheris.instrument_imports(include=["digestbot.sources"]):
    from tests.sources.feed_fuzz import mutated
    from tests.sources.response_fuzz import check


def mutate(data: bytes, limit: int, seed: int) -> bytes:
    """Return *data* changed by our mutations, or sometimes by those of libFuzzer."""
    dice = random.Random(seed)
    changed = atheris.Mutate(data, limit) if dice.random() < 0.2 else mutated(data, dice)
    return bytes(changed[:limit])


if __name__ == "__main__":
    logging.disable()
    atheris.Setup(sys.argv, check, custom_mutator=mutate)
    atheris.Fuzz()
