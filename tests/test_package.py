"""The shipped wheel, and the public names."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import digestbot

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it outside the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_runs_the_demo_without_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    code = "import digestbot, sys; sys.stderr.write(digestbot.__file__); digestbot.cli.main()"
    command = [sys.executable, "-c", f"import digestbot.cli; {code}", "demo", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.startswith(str(unpacked)), "must run from the wheel"
    facts = json.loads(done.stdout)
    assert (facts["fetched"], facts["papers"]) == (15, 6)
    assert "Kubernetes" in (tmp_path / facts["html"]).read_text()


def test_wheel_contains_data_files(unpacked: Path) -> None:
    package = unpacked / "digestbot"
    assert {path.name for path in (ROOT / "templates").iterdir()} == {
        path.name for path in (package / "templates").iterdir()
    }
    catalogue = "locales/de/LC_MESSAGES/digestbot.po"
    for name in ("config.example.yaml", "py.typed", "seed/arxiv-cs.DC-start180.xml", catalogue):
        assert (package / name).is_file(), name
    assert list((package / "store" / "migrations" / "versions").glob("r*.py"))


def test_public_names() -> None:
    assert digestbot.__all__ == ["__version__"]
