"""The reference of all commands and options, made from the options: ``python tests/command_reference.py``."""

from dataclasses import MISSING, fields
from inspect import cleandoc
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from cyclopts import Parameter

from gapscope.jobs import ALIASES, COMMANDS, configuration_of

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
HEAD = """# All commands and options

Made from the options themselves by `python tests/command_reference.py`; a test compares it. `gapscope COMMAND --help`
shows the same. All commands have `--all`, which shows every table and sentence, `--json`, which prints one JSON object
with the results, and `--config FILE`, which reads options from a YAML file; those on the command line win.
"""


def page():
    """The whole page."""
    return "\n".join([HEAD, *(section(name) for name in COMMANDS)])


def section(name):
    """A command with its examples and a table of its options."""
    config = configuration_of(name)
    aliases = [alias for alias, of in ALIASES.items() if of == name]
    title = f"## {name} (or {', '.join(aliases)})" if aliases else f"## {name}"
    examples = [line.strip() for line in cleandoc(config.__doc__).splitlines() if "python cli.py" in line]
    rows = [row(field, hint) for field, hint in zip(fields(config), hints_of(config), strict=True)]
    table = ["| option | default | what it is |", "|---|---|---|", *rows]
    return "\n".join([title, "", COMMANDS[name].summary, "", "```bash", *examples, "```", "", *table, ""])


def hints_of(config):
    found = get_type_hints(config, include_extras=True)
    return [found[field.name] for field in fields(config)]


def option_of(hint):
    """The parameter of an annotated type, and the type."""
    kind, *extras = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    return next((one for one in extras if isinstance(one, Parameter)), None), kind


def choices_of(kind):
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Literal:
            return [str(one) for one in get_args(part) if one]
    return []


def row(field, hint):
    parameter, kind = option_of(hint)
    names = parameter.name or (f"--{field.name.replace('_', '-')}",)
    shown = ", ".join(f"`{name}`" for name in names) + (" (may stand alone)" if not field.kw_only else "")
    choices = ", ".join(choices_of(kind))
    text = f"{parameter.help} One of {choices}." if choices else parameter.help
    return f"| {shown} | {default_of(field)} | {text} |"


def default_of(field):
    if field.name == "data_root":
        return "`data`" if field.default_factory is not MISSING else ""
    if field.default in (MISSING, "", (), None, False):
        return ""
    return f"`{' '.join(map(str, field.default)) if isinstance(field.default, tuple) else field.default}`"


if __name__ == "__main__":
    PAGE.write_text(page())
