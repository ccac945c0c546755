"""The command line: parses, calls one job, prints what it hands back."""

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from cyclopts import (
    App,
    Argument,
    CoercionError,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    Token,
    UnknownOptionError,
    UnusedCliTokensError,
    convert,
)
from cyclopts.config import Yaml

from gapscope.core.errors import GapscopeError, InputError, is_mendable, refused
from gapscope.core.extras import extras_named
from gapscope.core.program import EXAMPLE, called, set_called, shown, version_of
from gapscope.jobs import ALIASES, COMMANDS, JOBS, configuration_of
from gapscope.runs.stored_names import with_stored_names

USER_MISTAKE, INTERRUPTED = 2, 130
# How a sentence in an option's help begins that holds for some of its commands.
OF_COMMANDS = re.compile(r"(?:Of (?P<of>`[^:]+`): )?(?P<text>.*)", re.DOTALL)
# How like an option that a command has must be to one that it has not, and to one that others have.
NEAR, NEARER = 0.6, 0.8
# Options that take sets, as dataset/split, and those that take files of predictions.
TAKE_SETS = ("reference", "target", "evaluate", "dataset")
TAKE_FILES = ("predictions", "predictions_reference", "predictions_target")
TERMINAL = Group("Terminal", sort_key=6)
JsonOption = Annotated[
    bool, Parameter("--json", negative=(), help="Print one JSON object with the results instead.", group=TERMINAL)
]
AllOption = Annotated[
    bool, Parameter("--all", negative=(), help="Show every table and sentence, not the first alone.", group=TERMINAL)
]
ConfigOption = Annotated[
    Path | None, Parameter("--config", help="A YAML file with options; those given here win.", group=TERMINAL)
]


def main() -> None:
    """Run the command that the process was called with, and exit."""
    set_called("python cli.py" if Path(sys.argv[0]).name == "cli.py" else "gapscope")
    sys.stdout.reconfigure(errors="backslashreplace")  # names may have letters that the terminal has not
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command: 0 when it did what was asked, 1 where the answer is no, 2 for a user's mistake, told in one
    sentence.
    """
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    try:
        with extras_named(_named(arguments)):
            code = _parser(arguments)(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        command = " ".join(filter(None, (called(), _named(arguments))))
        return _complain(f"{' '.join(_mistake(error, arguments).split())} See `{command} --help`.")
    except KeyboardInterrupt:
        return _complain("interrupted; the same command continues where it can", INTERRUPTED)
    except OSError as error:
        if not is_mendable(error):
            raise
        return _complain(refused(error))
    except GapscopeError as error:
        return _complain(" ".join([str(error), *getattr(error, "__notes__", [])]))
    return code if isinstance(code, int) else 0


def _mistake(error: CycloptsError, arguments: Sequence[str]) -> str:
    """What is wrong with the arguments, as a sentence."""
    name = _named(arguments)
    if isinstance(error, UnknownOptionError) and name:
        return _unknown_option(error.token, name)
    if isinstance(error, UnusedCliTokensError | MissingArgumentError):
        if known := _twice(name, arguments) or _by_options(name, arguments):
            return known
    match error:
        case UnusedCliTokensError():
            return _left_over(error, name)
        case MissingArgumentError(argument=Argument()):
            return _missing(error.argument, error.keyword, name)
    return str(error)


def _unknown_option(token: Token, command: str) -> str:
    """Which other commands have an option that this one has not, and which of its own is spelt like it."""
    from gapscope.blocks.formats import listed

    option = f"--{(token.keyword or token.value).partition('=')[0].strip('-[]').replace('_', '-')}"
    others = [other for other in COMMANDS if other != command and option in _options_of(other)]
    have = f"; {listed(others, 5)} {'has' if len(others) == 1 else 'have'} it" if others else ""
    near = get_close_matches(option, _options_of(command), 1, NEARER if others else NEAR)
    source = "" if token.source == "cli" else f", which {token.source} names"
    return f"{command} has no option {option}{source}{have}{f'; did you mean {near[0]}?' if near else '.'}"


def _options_of(command: str) -> list[str]:
    """Every option of a command, as it is typed."""
    hints = get_type_hints(configuration_of(command), include_extras=True)
    given = [(name, Parameter.combine(*get_args(hint)[1:])) for name, hint in hints.items()]
    return [word for name, one in given for word in (f"--{name.replace('_', '-')}", *one.name, *(one.negative or ()))]


def _twice(command: str, arguments: Sequence[str]) -> str:
    """That what a command takes without the name of an option was given by its name too; empty where it was not."""
    plain = [one.name for one in fields(configuration_of(command)) if not one.kw_only] if command else []
    first, *rest = [*arguments[1:], "-"]
    given = [value for option, value in pairwise(rest) if plain and option == f"--{plain[0]}" and value[:1] != "-"]
    if first.startswith("-") or not given:
        return ""
    in_run = f", and name a model in a run by its folder, {first}/models/{given[0]}" if plain[0] == "model" else ""
    takes = f"{command} takes {plain[0].upper()} in one place"
    return f"{takes}, and both {first} and --{plain[0]} {given[0]} name it; leave out one{in_run}."


def _by_options(command: str, arguments: Sequence[str]) -> str:
    """The command with two sets that were typed without the names of their options; empty where there are no two."""
    options = {one.name for one in fields(configuration_of(command)) if one.kw_only} if command else set()
    plain = list(takewhile(lambda word: not word.startswith("-"), arguments[1:]))
    sets = [word for word in plain if re.fullmatch(r"[^/]+/[^/.]+", word)]
    if len(sets) != 2 or not {"reference", "target"} <= options or {"--reference", "--target"} & set(arguments):
        return ""
    rest = [word for word in arguments[1:] if word not in sets]
    words = [command, *rest, "--reference", sets[0], "--target", sets[1]]
    return f"{command} takes sets by the names of their options: `{called()} {shlex.join(words)}`."


def _missing(argument: Argument, typed: str | None, command: str) -> str:
    """What a command cannot do without or what was `typed` without a value, what that is, and an example."""
    config = configuration_of(command)
    option = next(one for one in fields(config) if one.name == argument.field_info.name)
    name = argument.name if option.kw_only else option.name.upper()
    about = re.split(r"[:;.](?: |$)", _of_command(argument.parameter.help or "", command))[0]
    what = f" ({about[:1].lower()}{about[1:]})" if " " in about else ""
    examples = [line for line in map(str.strip, (config.__doc__ or "").splitlines()) if line.startswith(EXAMPLE)]
    example = next((one for one in examples if not option.kw_only or f" {argument.name} " in one), "")
    instance = f"; for instance `{example.replace(EXAMPLE, called())}`" if example else ""
    return f"{typed} has no value{what}{instance}." if typed else f"{command} needs {name}{what}{instance}."


def _left_over(error: UnusedCliTokensError, name: str) -> str:
    """What a command takes without the name of an option, and which options take what is left over."""
    left = " ".join(error.unused_tokens or ())
    if not name:
        return f"There is no command {left}."
    options = fields(configuration_of(name))
    plain = [one.name.upper() for one in options if not one.kw_only]
    takes = " ".join(plain) if plain else "nothing but options"
    of_sets = [f"--{one.name}" for one in options if one.name in TAKE_SETS and one.kw_only]
    of_files = [f"--{one.name.replace('_', '-')}" for one in options if one.name in TAKE_FILES]
    hint = f"; sets are named by {' or '.join(of_sets)}" if "/" in left and of_sets else ""
    hint = f"; files of predictions are named by {' and '.join(of_files)}" if "." in left and of_files else hint
    return f"{name} takes {takes}, and {left} is left over{hint}."


def _parser(arguments: Sequence[str]) -> App:
    """The parser of all commands; only the one that is named is imported."""
    app = App(
        name=called(),
        help=(
            "Why does an image classifier lose accuracy on new data, and what wins it back?\n\n"
            f"Start with `{called()} demo`; `{called()} COMMAND --help` shows options and examples."
        ),
        help_format="plaintext",
        version=version_of,
        result_action="return_value",
        config=_config_file(arguments),
        default_parameter=Parameter(negative=(), consume_multiple=True, show_default=_default, converter=_converted),
        suppress_keyboard_interrupt=False,  # `execute` answers it
    )
    if " " not in called():  # a shell completes the words behind a program, and not those behind a script
        app.register_install_completion_command()
    named = _named(arguments)
    asks_help = bool({"--help", "-h"} & set(arguments))
    groups = {group: Group(group, sort_key=place) for place, (group, _) in enumerate(COMMANDS.values())}
    for name, (group, summary) in COMMANDS.items():
        function, about = _command(name, is_help=asks_help) if name == named else (_placeholder, summary)
        aliases = [alias for alias, of in ALIASES.items() if of == name]
        app.command(function, name=[name, *aliases], help=about, group=groups[group])
    return app


def _converted(kind: Any, tokens: Sequence[Token]) -> Any:
    """What is given for an option, as its kind; a number with a fraction is not rounded where a whole one is asked."""
    if int in (kind, *get_args(kind)):
        for token in tokens:
            if "." in token.value and not token.value.rstrip("0").endswith("."):
                raise CoercionError(token=token, target_type=int)
    return convert(kind, tokens)


def _default(value: object) -> str | None:
    """What the help says of a default: nothing where it is empty."""
    if value in ("", (), None, False):
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _named(arguments: Sequence[str]) -> str:
    """The command that the arguments name."""
    given = next((argument for argument in arguments if argument in COMMANDS or argument in ALIASES), "")
    return ALIASES.get(given, given)


def _placeholder() -> None:
    """Stand for a command that was not named."""


def _command(name: str, *, is_help: bool) -> tuple[Callable[..., int], str]:
    """The function that a command is, and its help."""
    run = JOBS[name]
    config_type = _for_help(name) if is_help else configuration_of(name)

    def command(
        options: Annotated[config_type, Parameter(name="*")],
        *,
        everything: AllOption = False,
        as_json: JsonOption = False,
        _config: ConfigOption = None,
    ) -> int:
        from gapscope.jobs import terminal

        result = run(with_stored_names(name, options), terminal.progress())
        terminal.show(result, everything=everything, as_json=as_json)
        return result.exit_code

    if not any(field.default is field.default_factory is MISSING for field in fields(config_type)):
        command.__defaults__ = (config_type(),)
    return command, shown(config_type.__doc__.split("    Attributes\n")[0], called())


def _for_help(command: str) -> type:
    """A configuration like that of a command, whose options say what holds for the command alone."""
    config = configuration_of(command)
    hints = get_type_hints(config, include_extras=True)
    told = {one.name: _told(hints[one.name], command) for one in fields(config)}
    return type(config.__name__, (config,), {"__doc__": config.__doc__, "__annotations__": told})


def _told(hint: Any, command: str) -> Any:
    kind, *extras = get_args(hint)
    return Annotated[
        (kind, *(Parameter.combine(one, Parameter(help=_of_command(one.help or "", command))) for one in extras))
    ]


def _of_command(text: str, command: str) -> str:
    """The sentences of an option's help that begin with the command's name; where none does, those with no such name.

    >>> _of_command("File. Of `map` and `gap`: names of classes. As text.", "gap")
    'Names of classes.'
    >>> _of_command("File. Of `map` and `gap`: names of classes. As text.", "fit")
    'File. As text.'
    """
    parts = [OF_COMMANDS.match(one) for one in re.split(r"(?<=\.) (?=[A-Z])", text)]
    own = [part["text"] for part in parts if part and f"`{command}`" in (part["of"] or "")]
    plain = [part["text"] for part in parts if part and not part["of"]]
    return " ".join([one[:1].upper() + one[1:] for one in own] or plain)


def _config_file(arguments: Sequence[str]) -> tuple[Yaml, ...]:
    """The file behind ``--config``, which has to be known before the options are parsed."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--config":
            place = value or next(iter(arguments[index + 1 :]), "")
            _check_yaml(Path(place))
            return (Yaml(place, must_exist=True, use_commands_as_keys=False),)
    return ()


def _check_yaml(place: Path) -> None:
    """Refuse a file that holds no options, where there is one."""
    from yaml import YAMLError, safe_load  # here, because most commands are given no such file

    if place.is_dir():
        raise InputError(f"--config takes a YAML file, and {place} is a folder; name the file in it")
    try:
        content = safe_load(place.read_bytes()) if place.is_file() else {}
    except (YAMLError, ValueError) as error:
        raise InputError(f"{place} cannot be read as YAML: {error}; write each option as `name: value`") from error
    named = isinstance(content, dict) and all(isinstance(name, str) for name in content)
    if content is not None and not named:
        raise InputError(f"{place} holds no options; write each as `name: value` on a line of its own")


def _complain(sentence: str, code: int = USER_MISTAKE) -> int:
    print(f"gapscope: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
