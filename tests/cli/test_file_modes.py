"""Files with papers or addresses are private, in every command that writes any."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

EXPORTS = (
    ("deliveries", "export", "ledger.jsonl"),
    ("subscribers", "export", "--out", "subscribers.csv"),
    ("suppressions", "export", "--out", "suppressions.csv"),
    ("preview", "systems", "--out", "preview.html"),
)


def run(folder: Path, *arguments: str) -> None:
    """Run the program as a shell with the usual umask does."""
    subprocess.run(
        [sys.executable, "-m", "digestbot", *arguments],
        cwd=folder,
        umask=0o022,
        check=True,
        capture_output=True,
        env=os.environ | {"NO_COLOR": "1"},
    )


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.parts[-1] != "config.yaml"
    }


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    run(tmp_path, "demo", "--out", "demo")
    return tmp_path / "demo"


def test_files_are_private(demo: Path) -> None:
    assert stat.S_IMODE(demo.stat().st_mode) == 0o700
    for command in EXPORTS:
        run(demo, *command)
    found = modes(demo)
    assert {"demo.db", "ledger.jsonl", "subscribers.csv", "preview.html"} <= set(found)
    assert {mode for name, mode in found.items() if (demo / name).is_file()} == {0o600}


def test_the_config_can_share_files(demo: Path) -> None:
    config = demo / "config.yaml"
    config.write_text(f'umask: "027"\n{config.read_text()}')
    for command in EXPORTS:
        run(demo, *command)
    found = modes(demo)
    assert {found[command[-1]] for command in EXPORTS} == {0o640}
