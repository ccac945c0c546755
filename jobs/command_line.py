"""The command line: parses, calls one job, prints what it hands back."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from itertools import pairwise
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
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    convert,
)
from cyclopts.config import Yaml

from gapscope.core.errors import GapscopeError, InputError, UnfinishedError, is_mendable, leaves_open, refused
from gapscope.core.extras import extras_named
from gapscope.core.program import EXAMPLE, called, set_called, shown, version_of
from gapscope.jobs import ALIASES, COMMANDS, JOBS, again, configuration_of
from gapscope.runs.stored_names import with_stored_names

USER_MISTAKE, INTERRUPTED = 2, 130
# How a sentence in an option's help begins that holds for some of its commands.
OF_COMMANDS = re.compile(r"(?:Of (?P<of>`[^:]+`): )?(?P<text>.*)", re.DOTALL)
# How like an option that a command has must be to one that it has not, and to one that others have.
NEAR, NEARER = 0.6, 0.8
# Options that take sets, as dataset/split, and those that take files of predictions.
TAKE_SETS = ("reference", "target", "evaluate", "dataset")
TAKE_FILES = ("predictions", "predictions_reference", "predictions_target")
NUMBERS = {int: "a whole number", float: "a number"}
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
        sentence = " ".join(_mistake(error, arguments).split())
        if meant := _meant(_mended(error, arguments), arguments):
            return _complain(f"{sentence.partition('; for instance')[0].rstrip('.?')}; did you mean {meant}?")
        if isinstance(error, UnusedCliTokensError) and (instance := _meant([_named(arguments)], [_named(arguments)])):
            return _complain(f"{sentence.rstrip('.')}; for instance {instance}.")
        command = " ".join(filter(None, (called(), _named(arguments))))
        return _complain(f"{sentence} See `{command} --help`.")
    except KeyboardInterrupt:
        return _complain("interrupted; the same command continues where it can", INTERRUPTED)
    except OSError as error:
        if not is_mendable(error):
            raise
        return _complain(refused(error))
    except GapscopeError as error:
        sentence = " ".join([str(error), *getattr(error, "__notes__", [])])
        if isinstance(error, UnfinishedError) and (words := again(error.job, error.options)):
            return _complain(f"{sentence}: `{called()} {words}`")
        meant = _meant(arguments, arguments) if leaves_open(error) else ""
        return _complain(f"{sentence}; did you mean {meant}?" if meant else sentence)
    return code if isinstance(code, int) else 0


def _mistake(error: CycloptsError, arguments: Sequence[str]) -> str:
    """What is wrong with the arguments, as a sentence."""
    name = _named(arguments)
    if isinstance(error, UnknownOptionError) and name:
        return _unknown_option(error.token, name)
    if isinstance(error, UnusedCliTokensError | MissingArgumentError) and (known := _twice(name, arguments)):
        return known
    match error:
        case UnusedCliTokensError():
            return _left_over(error, name)
        case MissingArgumentError(argument=Argument()):
            return _missing(error.argument, error.keyword, name)
        case UnknownCommandError():
            return f"There is no command {arguments[0]}."
        case CoercionError(token=Token(), target_type=kind) if kind in NUMBERS:
            return f"{error.token.keyword} takes {NUMBERS[kind]}, and {error.token.value} is none."
    return str(error)


def _mended(error: CycloptsError, arguments: Sequence[str]) -> Sequence[str]:
    """The arguments with another command for one, or another option, that there is not; empty where none is like it."""
    from gapscope.runs import guesses  # here, because only mistakes need it

    name = _named(arguments)
    if name and arguments[0].startswith("-"):
        return [name, *(one for one in arguments if one != name)]
    if isinstance(error, UnknownCommandError) and (found := guesses.command(arguments[0], COMMANDS)):
        return [found, *arguments[1:]]
    if not name or _twice(name, arguments):
        return []
    if not isinstance(error, UnknownOptionError):
        return arguments
    typed = (error.token.keyword or error.token.value).partition("=")[0]
    plain = any(not one.kw_only for one in fields(configuration_of(name)))
    return guesses.with_option(arguments, typed, _near(error.token, name), takes_plain=plain)


def _meant(mended: Sequence[str], arguments: Sequence[str]) -> str:
    """The commands that were probably meant, between backticks; empty where that cannot be told."""
    from gapscope.runs import guesses  # here, because only mistakes need it

    name = _named(mended)
    if not name:
        return ""
    place = next(place for place, one in enumerate(mended) if name in (one, ALIASES.get(one)))
    options = fields(configuration_of(name))
    plain, named = ([one.name for one in options if one.kw_only is kind] for kind in (False, True))
    shape = guesses.Shape(name, plain, [f"--{one.replace('_', '-')}" for one in named])
    try:
        told = guesses.commands(shape, mended[place + 1 :])
    except (GapscopeError, OSError):
        told = []
    return guesses.typed(told or [mended]) if told or [*mended] != [*arguments] else ""


def _unknown_option(token: Token, command: str) -> str:
    """Which other commands have an option that this one has not, and which of its own is spelt like it."""
    from gapscope.blocks.formats import listed

    option = _typed_option(token)
    others = [other for other in COMMANDS if other != command and option in _options_of(other)]
    have = f"; {listed(others, 5)} {'has' if len(others) == 1 else 'have'} it" if others else ""
    source = "" if token.source == "cli" else f", which {token.source} names"
    near = "" if token.source == "cli" else _near(token, command)
    return f"{command} has no option {option}{source}{have}{f'; did you mean {near}?' if near else '.'}"


def _near(token: Token, command: str) -> str:
    """The option of a command that is spelt like one that it has not; empty where none is."""
    from gapscope.runs.guesses import OPTIONS, PLAIN

    option = _typed_option(token)
    if known := [one for one in OPTIONS.get(option, ()) if one in _options_of(command)]:
        return known[0]
    if option in PLAIN:
        return ""
    is_others = any(option in _options_of(other) for other in COMMANDS if other != command)
    return next(iter(get_close_matches(option, _options_of(command), 1, NEARER if is_others else NEAR)), "")


def _typed_option(token: Token) -> str:
    return f"--{(token.keyword or token.value).partition('=')[0].strip('-[]').replace('_', '-')}"


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
