"""A new kind of destination is one module and one line in the registry; see `toy`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from digestbot.config import load_config
from digestbot.errors import ConfigError
from tests.cli.conftest import PAPERS, configure
from tests.servers.arxiv import ArxivServer

ROOT = Path(__file__).parents[2]


def toy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.deliver.toy", "--config", str(folder / "config.yaml")]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_new_kind_is_delivered_by_its_registry_line(folder: Path) -> None:
    deliver = "[{toy: out.toy}]\n    when_empty: send"
    with ArxivServer(PAPERS) as arxiv:
        configure(arxiv.url, top="toy: {prefix: '> '}", deliver=deliver)
        checked = toy(folder, "check", "--connect")
        ran = toy(folder, "--json", "run", "--now")
        listed = toy(folder, "--json", "deliveries", "list")
        status = toy(folder, "status")
    assert "toy: toys: 1" in checked.stdout
    assert (ran.returncode, json.loads(ran.stdout)["deliveries"]["sent"]) == (0, 1)
    assert (folder / "out.toy").read_text(encoding="utf-8").startswith("> ")
    (delivery,) = json.loads(listed.stdout)
    assert (delivery["kind"], delivery["state"]) == ("toy", "sent")
    assert status.returncode == 0


@pytest.mark.parametrize(
    ("top", "value", "error"),
    [
        ("", "out.toy", 'digests.systems.deliver[0].toy needs settings: add "toy:" at the'),
        ("toy: {}", "out.txt", 'digests.systems.deliver[0].toy: "out.txt" is not a toy'),
        ("toy: {prefx: x}", "out.toy", 'unknown key "prefx" in toy; did you mean "prefix"?'),
    ],
)
def test_config_of_a_new_kind_is_checked(folder: Path, top: str, value: str, error: str) -> None:
    configure("http://127.0.0.1:9", top=top, deliver=f"[{{toy: {value}}}]")
    checked = toy(folder, "check")
    assert checked.returncode == 2
    assert error in checked.stderr


def test_schema_has_a_new_kind(folder: Path) -> None:
    schema = json.loads(toy(folder, "schema").stdout)
    assert schema["properties"]["toy"]["anyOf"][0] == {"$ref": "#/$defs/ToySettings"}
    keys = schema["$defs"]["DeliverTo"]["properties"]
    assert keys["toy"]["description"] == "A file that ends in .toy."


def test_without_the_line_the_kind_is_unknown(folder: Path) -> None:
    configure("http://127.0.0.1:9", deliver="[{toy: out.toy}]")
    with pytest.raises(ConfigError, match='unknown key "toy"'):
        load_config(folder / "config.yaml", {})
