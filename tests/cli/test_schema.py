"""`schema`: for editors."""

import json
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs with it
from ruamel.yaml import YAML

from tests.cli.conftest import Bot

ROOT = Path(__file__).parents[2]


def test_it_is_a_json_schema_that_the_example_fits(bot: Bot) -> None:
    called = bot("schema")
    assert (called.code, called.err) == (0, "")
    schema = json.loads(called.out)
    Draft202012Validator.check_schema(schema)
    example = YAML(typ="safe").load(ROOT / "config.example.yaml")
    assert list(Draft202012Validator(schema).iter_errors(example)) == []


def test_a_reader_who_leaves_early_is_no_error() -> None:
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
