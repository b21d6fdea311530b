"""`schema`: the JSON Schema of the config."""

import json
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs with it
from ruamel.yaml import YAML

from tests.cli.conftest import Bot

ROOT = Path(__file__).parents[2]


def test_example_config_matches_the_schema(bot: Bot) -> None:
    called = bot("schema")
    assert (called.code, called.err) == (0, "")
    schema = json.loads(called.out)
    Draft202012Validator.check_schema(schema)
    example = YAML(typ="safe").load(ROOT / "config.example.yaml")
    assert list(Draft202012Validator(schema).iter_errors(example)) == []


def test_closed_pipe_is_not_an_error() -> None:
    """``digestbot schema | head -1``"""
    program = subprocess.Popen(
        [sys.executable, "-m", "digestbot", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    with program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
        assert program.wait(20) == 0
