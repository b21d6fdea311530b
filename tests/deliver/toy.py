"""
Unregistered kind of destination, run through the real command line.

``python -m tests.deliver.toy COMMAND…`` is ``digestbot`` with one more line in the registry.
"""

import asyncio
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from digestbot.deliver import REGISTRY, Checkpoint, DestinationConfig, DestinationType, Sender
from digestbot.errors import Misconfigured
from digestbot.model import Form, OutgoingMessage, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ToySettings:
    """Settings of the toy: the config key ``toy:``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    prefix: str = ""
    """Prefix of each line."""


class ToySender:
    """Writes the subject of each message to a file."""

    def __init__(self, settings: ToySettings) -> None:
        self._settings = settings

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        await checkpoint.data_done()
        line = f"{self._settings.prefix}{outgoing.bodies[Form.SUBJECT]}\n"
        path = Path(outgoing.delivery.destination.address)
        await asyncio.to_thread(path.write_text, line, encoding="utf-8")
        return Receipt(detail="written")

    async def check(self, addresses: Collection[str]) -> str:
        return f"toys: {len(addresses)}"

    async def close(self) -> None:
        pass


def _check_value(text: str) -> str:
    if not text.endswith(".toy"):
        raise ValueError(f'"{text}" is not a toy')
    return text


def _open(config: DestinationConfig) -> Sender:
    settings = config.section(ToySettings)
    if settings is None:
        raise Misconfigured('toys need settings: set "toy" in the config')
    return ToySender(settings)


TOY: Final = DestinationType(
    kind="toy",
    description="A file that ends in .toy.",
    open=_open,
    forms=frozenset({Form.SUBJECT}),
    check_value=_check_value,
    address=lambda value, folder: str(folder / value),
    section="toy",
    settings=ToySettings,
    requires=("toy",),
    requires_hint='needs settings: add "toy:" at the top level',
)

if __name__ == "__main__":
    REGISTRY[TOY.kind] = TOY

    from digestbot.cli import main

    main(sys.argv[1:])
