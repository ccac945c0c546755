"""The command line: parses, calls one job, prints what it hands back."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, get_type_hints

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Yaml
from gapscope.core.errors import GapscopeError
from gapscope.jobs import JOBS

COMMANDS = {
    "demo": "Try everything on embedded digits: extract, train, evaluate on shifted images, explain. No download.",
    "datasets": "List the datasets that are known, where each was found, or how to get it.",
    "backbones": "Search the names of pretrained networks.",
    "extract": "Run a pretrained backbone over images and store their embeddings.",
    "modify-dataset": "Write a modified copy of a dataset: night, blur, fog and others, at severities from 1 to 5.",
    "augment": "Make synthetic images for small classes, check them, and add those that pass as NAME+synthetic.",
    "import-csv": "Bring features from CSV files of any size into the embedding store.",
    "fit-incremental": "Train classifiers on stored embeddings, evaluate them on every companion set.",
    "tune": "Find the best settings of a classifier from one read; poor ones are dropped early.",
    "train-cnn": "Train a network on images, from scratch or from pretrained weights, and evaluate it.",
    "refit-head": "Learn the last layer of trained networks again, on their features and synthetic ones.",
    "predict": "Predict the classes of a stored set with a saved model.",
    "shift": "Measure how far apart stored sets are, and which differences matter.",
    "map": "Two coordinates for every row of stored sets in one common space: PCA, UMAP, t-SNE, discriminants.",
    "report": "Write one offline page about one or several runs: the answer first, then the evidence.",
    "explore": "Look at a map in the browser: every point, its image, loops and searches, ids to export.",
    "gap": "Split the accuracy lost from one set to another into its causes, down to class, feature and image.",
    "forecast": "Estimate the accuracy on a set without its labels.",
    "evaluate": "Measure predictions, made here or elsewhere: accuracy, calibration, ranking, selection.",
    "compare": "Test models against each other on the same images, and against the line that models lie on.",
    "study-imagenet-v2": "ImageNet against ImageNetV2: the study of many models from their published predictions.",
    "study-modifications": "Train on original and modified images, test on all: what is lost, won back, what it costs.",
    "study-augmentation": "What helps a small, imbalanced set: weights, sampling, augmentation, synthetic images.",
    "replay-head": "Check stored embeddings against the backbone's own classifier.",
}
ABOUT = """Why does an image classifier lose accuracy on new data, and what wins it back?

Start with `python cli.py demo`; `python cli.py COMMAND --help` shows options and examples.
"""
USER_MISTAKE, INTERRUPTED = 2, 130
JsonOption = Annotated[bool, Parameter("--json", negative=(), help="Print one JSON object with the results instead.")]
ConfigOption = Annotated[Path | None, Parameter("--config", help="A YAML file with options; those given here win.")]


def main() -> None:
    """Run the command that the process was called with, and exit."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command: 0 when it did what was asked, 2 for a user's mistake, told in one sentence."""
    try:
        _parser(arguments)(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _complain(f"{' '.join(str(error).split())} See `python cli.py {_named(arguments)} --help`.")
    except KeyboardInterrupt:
        return _complain("interrupted; the same command continues where it can", INTERRUPTED)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except GapscopeError as error:
        return _complain(" ".join([str(error), *getattr(error, "__notes__", [])]))
    return 0


def _parser(arguments: Sequence[str]) -> App:
    """The parser of all commands; only the one that is named is imported."""
    app = App(
        name="gapscope",
        help=ABOUT,
        help_format="markdown",
        version=_version,
        result_action="return_value",
        config=_config_file(arguments),
        default_parameter=Parameter(negative=(), consume_multiple=True),
    )
    for name, summary in COMMANDS.items():
        named = name == _named(arguments)
        app.command(_command(name) if named else _placeholder, name=name, help=None if named else summary)
    return app


def _named(arguments: Sequence[str]) -> str:
    return next((argument for argument in arguments if argument in COMMANDS), "")


def _placeholder() -> None:
    """Stand for a command that was not named."""


def _command(name: str) -> Callable[..., None]:
    run = JOBS[name]
    config_type = get_type_hints(run)["config"]

    def command(
        options: Annotated[config_type, Parameter(name="*")],
        *,
        as_json: JsonOption = False,
        _config: ConfigOption = None,
    ) -> None:
        from gapscope.jobs import terminal  # here, because drawing takes longer to import than `--help` may last

        report = run(options, terminal.progress())
        print(json.dumps(report.as_json(), allow_nan=False)) if as_json else terminal.show(report)

    if not any(field.default is field.default_factory is MISSING for field in fields(config_type)):
        command.__defaults__ = (config_type(),)
    command.__doc__ = config_type.__doc__.split("    Attributes\n")[0]
    return command


def _config_file(arguments: Sequence[str]) -> tuple[Yaml, ...]:
    """The file behind ``--config``, which has to be known before the options are parsed."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--config":
            place = value or next(iter(arguments[index + 1 :]), "")
            return (Yaml(place, must_exist=True, use_commands_as_keys=False),)
    return ()


def _version() -> str:
    from importlib.metadata import version

    return version("gapscope")


def _complain(sentence: str, code: int = USER_MISTAKE) -> int:
    print(f"gapscope: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
