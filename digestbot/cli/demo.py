"""``digestbot demo``: a digest in two seconds."""

from pathlib import Path

import click

from digestbot.cli.app import App, program
from digestbot.demo import run_demo
from digestbot.errors import UsageError

NEXT = """

Open the HTML in a browser. Then, for your own field:
  {digestbot} init                writes a config.yaml from three questions
  {digestbot} check               says what is wrong with it, if anything is
  {digestbot} preview my-field    shows what you would get; sends nothing"""


@click.command("demo", short_help="Show a digest of real papers; no network, no set-up.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="The folder to write to.",
)
@click.pass_obj
def command(app: App, out: Path) -> int:
    """Run the whole pipeline on a bundled page of real arXiv papers; no network, no set-up."""
    try:
        made = run_demo(out, app.clock())
    except OSError as error:
        raise UsageError(
            f"cannot write to {out}: {error.strerror}; --out names a folder"
        ) from error
    files = {
        "HTML": made.html,
        "text": made.text,
        "Slack": made.slack,
        "JSON": made.json,
        "e-mail": made.eml,
        "config": made.config,
    }

    def words() -> str:
        lines = [f"{made.papers} of {made.fetched} real papers matched the filter.", ""]
        lines += [f"  {name:<8}{path}" for name, path in files.items()]
        return "\n".join(lines) + NEXT.format(digestbot=program())

    facts = {"fetched": made.fetched, "papers": made.papers}
    app.show({**facts, **{name.lower(): str(path) for name, path in files.items()}}, words)
    return 0
