"""``digestbot schema``: the JSON Schema of the config."""

import json

import click

from digestbot.config.editor_schema import json_schema


@click.command("schema", short_help="Print the JSON Schema of the config.")
def command() -> int:
    """
    Print the JSON Schema of config.yaml, for editors.

    With the YAML extension of VS Code or any yaml-language-server: save it as digestbot.schema.json
    and begin config.yaml with "# yaml-language-server: $schema=digestbot.schema.json".
    """
    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))
    return 0
