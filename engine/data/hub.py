"""Data sets of the Hugging Face Hub by name: ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]``."""

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from gapscope.core.errors import InputError
from gapscope.core.extras import require
from gapscope.data.addresses import is_address
from gapscope.data.dataset import Dataset, Options
from gapscope.data.glance import PARQUET_FOLDERS
from gapscope.data.layouts import dataset_name, open_path, open_pattern
from gapscope.data.patterns import has_pattern
from gapscope.data.sources.parquet import parquet_splits

FORM = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>(refs/(convert|pr)/)?[^/]+))?(/(?P<path>.+))?"
)
PREFIX = "hf://datasets/"


class HubSet(NamedTuple):
    """A data set of the hub, or a folder of it; the newest revision where `revision` is empty."""

    repo: str
    revision: str
    path: str

    @classmethod
    def parse(cls, address: str) -> "HubSet":
        """What `address` names.

        Raises
        ------
        InputError
            It is no address of a data set.
        """
        match = FORM.fullmatch(address.rstrip("/"))
        if match is None:
            raise InputError(
                f"{address} names no data set of the hub; wanted hf://datasets/OWNER/NAME, with @REVISION and /FOLDER "
                "behind it where they matter"
            )
        path = unquote(match["path"] or "")
        if ".." in path.split("/"):
            raise InputError(f"{address} leads out of the data set; leave out the dots")
        return cls(match["repo"], unquote(match["revision"] or ""), path)

    def pinned(self, revision: str) -> str:
        """The address of exactly these files."""
        return f"{PREFIX}{self.repo}@{revision}" + (f"/{self.path}" if self.path else "")


def open_hub(address: str, options: Options) -> Dataset:
    """The data set at `address`, by the same rules as one at a path. Its files are fetched to the cache of the Hugging
    Face Hub, where other programs find them too; what is there already is used, also without a network.

    The place of the data set, which a store records, names the revision.

    Raises
    ------
    InputError
        There is no such data set, it is not open to the user, or it is not in the cache and cannot be fetched.
    """
    asked = HubSet.parse(address)
    folder = _fetched(asked)
    revision = folder.name
    place = folder / asked.path if asked.path else folder
    if has_pattern(asked.path):
        dataset = open_pattern(str(place), options)
    elif place.exists():
        dataset = open_path(place, options)
    else:
        raise InputError(f"{address}: revision {revision[:12]} has nothing called {asked.path}; correct the address")
    last = asked.path.rpartition("/")[2]
    plain = last in PARQUET_FOLDERS or has_pattern(last)
    name = dataset_name(asked.repo.partition("/")[2] if plain else asked.path)
    note = f"revision {revision} of {asked.repo} is used, which lies in {folder}"
    return replace(dataset, name=name, place=asked.pinned(revision), notes=(note, *dataset.notes))


def pinned_name(name: str, place: str) -> str:
    """What a data set of the hub was opened by, with the revision that it was found to be; other names as they are.

    >>> pinned_name("hf://datasets/o/n@5000+night", "hf://datasets/o/n@0a1b+night"), pinned_name("digits", "embedded")
    ('hf://datasets/o/n@0a1b@5000+night', 'digits')
    """
    if not (is_address(name) and name.startswith(PREFIX) and place.startswith(PREFIX)):
        return name
    plain = re.sub(r"(@\d+)?(\+[^/]*)?$", "", name)
    return place.partition("+")[0] + name.removeprefix(plain)


def _fetched(asked: HubSet) -> Path:
    """The folder of the revision in the cache, with the files that are wanted."""
    require("opening data sets of the Hugging Face Hub", "huggingface_hub")
    from huggingface_hub import errors, snapshot_download  # here, as importing it costs 0.3 s

    try:
        wanted = [asked.path, f"{asked.path}/*"] if asked.path else _wanted(asked)
        return Path(
            snapshot_download(asked.repo, repo_type="dataset", revision=asked.revision or None, allow_patterns=wanted)
        )
    except errors.GatedRepoError as error:
        raise _refused(asked, "is open only to those who have accepted its conditions on its page", error) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{PREFIX}{asked.repo} has no revision {asked.revision!r}; correct it") from error
    except errors.RepositoryNotFoundError as error:
        raise _refused(asked, "is not on the hub, or not open to you", error) from error
    except errors.LocalEntryNotFoundError as error:
        raise InputError(
            f"{PREFIX}{asked.repo} is not in the cache of the hub, which cannot be reached ({_first(error)}); fetch it "
            f"where there is a network with `hf download --repo-type dataset {asked.repo}`"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{PREFIX}{asked.repo} cannot be fetched ({_first(error)}); try again later") from error


def _refused(asked: HubSet, what: str, error: Exception) -> InputError:
    return InputError(f"{PREFIX}{asked.repo} {what}; log in with `hf auth login`, or set HF_TOKEN")


def _first(error: BaseException) -> str:
    """The first sentence of a message of the hub, which has paragraphs."""
    return str(error).strip().partition("\n")[0].rstrip(". ") or type(error).__name__


def _wanted(asked: HubSet) -> list[str] | None:
    """The Parquet files, where there are some; all files otherwise, as well as where the hub does not say.

    Raises
    ------
    InputError
        They are of several data sets, so that one must be named before anything is fetched.
    """
    from huggingface_hub import HfApi, errors

    try:
        names = HfApi().list_repo_files(asked.repo, repo_type="dataset", revision=asked.revision or None)
    except errors.RevisionNotFoundError:
        raise
    except Exception:  # noqa: BLE001, offline or closed: the cache may have it, and who fetches says why not
        return None
    files = [name for name in names if name.endswith(".parquet")]
    if files:
        parquet_splits(Path(asked.repo), [Path(asked.repo, name) for name in files])
    return files or None
