"""Templates in the operator's folder."""

from dataclasses import replace
from pathlib import Path

from digestbot.render import RenderContext, load_templates


def with_template(folder: Path, context: RenderContext, name: str, text: str) -> RenderContext:
    """Write the template *name* and return *context* with the folder's templates."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return replace(context, templates=load_templates(folder))
