"""
Fill ``${NAME}`` and ``${file:PATH}`` in the values of a config.

Filled values are recorded as hidden, so that no message shows them. Begin at `interpolate`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from digestbot.config.positions import Entries, Flaw, Items, Node, Scalar, Steps, path_text
from digestbot.config.yaml_errors import escaped, tagged

MAX_BYTES = 65_536
"""Size of a file whose content fills a value: a secret or an address."""

# The first alternative that fits counts; the last one is always a mistake.
_OPENING = re.compile(
    r"(?P<escaped>\$\$\{)"
    r"|\$\{file:(?P<file>[^}]+)\}"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}"
    r"|(?P<wrong>\$\{)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Plain data of a config (dicts, lists and scalars), and which of it is hidden."""

    data: object
    hidden: Mapping[Steps, str | None]
    """Values filled from outside, which no message may show; None where filling failed."""
    pieces: frozenset[str]
    """Texts of the variables and files that filled them."""
    flaws: tuple[Flaw, ...]


def interpolate(root: Node, environ: Mapping[str, str], folder: Path) -> Filled:
    """
    Return the data of *root*, filled from *environ* and from files relative to *folder*.

    Only values are filled, not keys. ``$${`` stands for ``${``.
    """
    filling = _Filling(environ, folder)
    data = filling.plain(root, ())
    return Filled(
        data=data,
        hidden=filling.hidden,
        pieces=frozenset(filling.pieces),
        flaws=tuple(filling.flaws),
    )


class _Missing(Exception):
    """A variable or file is missing."""


class _Filling:
    """One walk over one tree."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self.hidden: dict[Steps, str | None] = {}
        self.pieces: set[str] = set()
        self.flaws: list[Flaw] = []

    def plain(self, node: Node, steps: Steps) -> object:
        match node:
            case Entries(keys=keys, nodes=nodes):
                pairs = zip((str(key.value) for key in keys), nodes, strict=True)
                return {key: self.plain(child, (*steps, key)) for key, child in pairs}
            case Items(nodes=nodes):
                return [self.plain(child, (*steps, n)) for n, child in enumerate(nodes)]
            case _:
                self._check_written(node, steps)
                return self._scalar(node.value, steps)

    def _check_written(self, node: Scalar, steps: Steps) -> None:
        """Record text that YAML reads in another way than it looks."""
        message = escaped(node, steps) if node.escaped else tagged(node, steps)
        if message:
            self.flaws.append(Flaw(steps=steps, message=f"{path_text(steps)}: {message}"))

    def _scalar(self, value: object, steps: Steps) -> object:
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            filled = _OPENING.sub(self._filling, value)
        except _Missing as missing:
            self.flaws.append(Flaw(steps=steps, message=f"{path_text(steps)}: {missing}"))
            self.hidden[steps] = None
            return value
        if filled != value.replace("$${", "${"):
            self.hidden[steps] = filled
        return filled

    def _filling(self, found: re.Match[str]) -> str:
        if found["escaped"]:
            return "${"
        if found["file"] or found["name"]:
            file, name = found["file"], found["name"]
            piece = self._file(file.strip()) if file else self._variable(name)
            self.pieces.add(piece)
            return piece
        raise _Missing('"${" must begin ${NAME} or ${file:PATH}; write "$${" for a literal "${"')

    def _variable(self, name: str) -> str:
        if name not in self._environ:
            raise _Missing(f"the environment variable {name} is not set")
        if not self._environ[name]:
            # CI systems set a missing secret to an empty value.
            raise _Missing(f"the environment variable {name} is empty")
        return self._environ[name]

    def _file(self, name: str) -> str:
        try:
            with (self._folder / name).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            text = content.decode()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise _Missing(f"cannot read the file {name}: {reason}") from error
        if len(content) > MAX_BYTES:
            raise _Missing(f"the file {name} is longer than {MAX_BYTES:,} bytes")
        return re.sub(r"\r?\n\Z", "", text)
