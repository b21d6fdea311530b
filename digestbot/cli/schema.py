"""``digestbot schema``: print the JSON Schema of the config."""

import json

import click

from digestbot.cli.app import print_json
from digestbot.config.editor_schema import json_schema


@click.command("schema", short_help="Print the JSON Schema of the config.")
def command() -> int:
    """
    Print the JSON Schema of config.yaml, for editors.

    For VS Code's YAML extension or any editor with yaml-language-server: save the schema as
    digestbot.schema.json and start config.yaml with this line:

    \b
      # yaml-language-server: $schema=digestbot.schema.json
    """
    print_json(json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n")
    return 0
