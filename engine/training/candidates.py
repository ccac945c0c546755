"""The models that a run trains: members of the family with their options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gapscope.core.errors import InputError, unknown_name
from gapscope.evaluation.stored import title_of
from gapscope.probes import PROBES
from gapscope.probes.imbalance import check_treatment
from gapscope.probes.options import ProbeOptions

# Options that concern some members only; an option that none of a run's models look at is a mistake.
CONCERNS: Mapping[str, tuple[str, ...]] = {
    "shrinkage": ("lda",),
    "l2": ("softmax", "logistic"),
    "c": ("softmax", "logistic"),
    "alpha": ("ridge",),
    "learning_rate": ("softmax",),
    "certify": ("softmax", "logistic"),
    "neighbours": ("knn",),
    "trees": ("forest", "sample-forest", "boosting"),
    "estimator": ("partial-fit",),
    "loss": ("sgd",),
}


@dataclass(frozen=True)
class Candidate:
    """A model to train: a member of `PROBES` with its options; `without` names the training set that is left out."""

    member: str
    options: ProbeOptions
    without: str = ""

    @property
    def title(self) -> str:
        """What results call it."""
        return title_of(self.member, self.options.class_weight, self.without)


def candidates_of(models: Sequence[str], treatments: Sequence[str], options: ProbeOptions) -> list[Candidate]:
    """Each of the `models` with each of the treatments of unequal classes."""
    return [
        Candidate(model, replace(options, class_weight=treatment))
        for model in dict.fromkeys(models)
        for treatment in dict.fromkeys(treatments)
    ]


def check_candidates(candidates: Sequence[Candidate]) -> None:
    """Refuse, before anything is read, models and options that do not exist or do not fit together.

    Raises
    ------
    InputError
        See above.
    """
    if not candidates:
        raise InputError("no model to train; name at least one with --model and one treatment with --class-weight")
    for one in candidates:
        if one.member not in PROBES:
            raise unknown_name(PROBES.kind, one.member, PROBES)
        check_treatment(one.member, one.options.class_weight)
    options, members = candidates[0].options, {one.member for one in candidates}
    if options.c is not None and options.l2 is not None:
        raise InputError(
            f"--c {options.c:g} and --l2 {options.l2:g} say the same thing twice, l2 = 1 / (c n); give one of them"
        )
    for field, able in CONCERNS.items():
        value = getattr(options, field)
        if value != getattr(ProbeOptions(), field) and not members & set(able):
            raise InputError(
                f"--{field.replace('_', '-')} is for {' and '.join(able)}, not for {' and '.join(sorted(members))}; "
                f"leave it out or add --model {able[0]}"
            )
