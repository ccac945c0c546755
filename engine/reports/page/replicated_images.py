"""Which images, classes and confusions a study of replications finds the loss in."""

from gapscope.reports.page.blocks import Block, estimate, number, section, table
from gapscope.reports.page.replicated_models import figures_of
from gapscope.reports.page.replication import Found, first_of, replication_of
from gapscope.reports.page.words import counted, listed, percent, points, upper
from gapscope.runs.run import Row, Run

KINDS = {"kind of image": "text", "reference": "share", "replication": "share", "of the loss": "change"}
CLASSES = {
    "class": "text",
    "lost, shrunk": "change",
    "lost, seen": "change",
    "adjusted p": "p",
    "verdict": "text",
    "in models": "count",
}
PAIRS = {"class": "text", "taken for": "text", "reference": "number", "replication": "number", "added": "number"}
SHOWN_CLASSES, SHOWN_PAIRS = 50, 25


def image_section(run: Run) -> Block | None:
    """How hard the images are, in what way they are missed, and what the guesses after the first say."""
    found = replication_of(run)
    if found is None:
        return None
    kinds = found["kinds"]
    columns = ("kinds", "reference_share", "target_share", "terms")
    rows = [
        [kind, estimate(ours), estimate(theirs), estimate(term)]
        for kind, ours, theirs, term in zip(*(kinds[name] for name in columns), strict=True)
    ]
    about = (
        "An image is of a kind by what three quarters of the models do; the points of the kinds sum to the mean loss. "
        "One and the same other class from most models makes a wrong label, or a second right one, likely."
    )
    shown = table(f"Kinds of images: {found['reference']} against {found['primary']}", KINDS, rows)
    return section("hardness", "Which images", sentences=[about], tables=[shown], figures=figures_of(run, _alts(found)))


def _alts(found: Found) -> dict[str, str]:
    names, sides, kinds = (found["reference"], found["primary"]), found["difficulty"], found["kinds"]
    none = [f"{percent(side['none_right'][0])} of {name}" for name, side in zip(names, sides, strict=True)]
    term, kind = max(zip(kinds["terms"], kinds["kinds"], strict=True))
    alts = {
        "difficulty": f"How many models are right about an image; none is about {listed(none)}",
        "kinds": f"The mean loss by kind of image; {points(term)} come with the kind {kind}",
        "harder": "What each model lost beyond images that are harder for the others too; on average "
        f"{points(first_of(found)['harder']['mean_rest'])}",
    }
    return alts if found["second"] is None else alts | {"second-guess": _second(found)}


def _second(found: Found) -> str:
    second = found["second"]
    rescued = [second[side]["rescued"] for side in ("reference", "target")]
    means = [percent(sum(one) / len(one)) for one in rescued]
    return (
        f"How often the label is among the first {second['depth']} when the first guess is wrong: on average in "
        f"{means[0]} of cases on {found['reference']} and {means[1]} on {found['primary']}"
    )


def replicated_classes(run: Run) -> Block | None:
    """The classes that fell most, all models together."""
    found, rows = replication_of(run), run.table("classes")
    if found is None:
        return None
    order = sorted((row for row in rows if number(row["shrunk"]) is not None), key=lambda row: -row["shrunk"])
    worse = [row["class"] for row in order if row["worse"]]
    what = counted(len(worse), "class", "classes")
    named = f": {listed(worse)}." if worse else "."
    figures = figures_of(
        run,
        {
            "worst-classes": f"The classes that lost most; {order[0]['class']} at the top with "
            f"{points(order[0]['shrunk'])}",
            "classes": "How class drops spread as observed, as luck alone would spread them, and shrunk; luck spreads "
            f"them by {points(found['classes']['noise'])}, the true spread is {points(found['classes']['spread'])}",
        },
    )
    sentences = [_trap(found), f"{upper(what)} of {len(order):,} fell by more than the mean beyond luck{named}"]
    shown = table(_some("Classes, the worst first", order, SHOWN_CLASSES), CLASSES, map(_class, order[:SHOWN_CLASSES]))
    return section("classes", "Classes", sentences=sentences, tables=[shown], figures=figures)


def _trap(found: Found) -> str:
    """Why no list of worst classes is to be read without a test."""
    classes = found["classes"]
    one, images = classes["models"][classes["typical"]], found["noise"]["images_per_class"][1]
    reach = str(images[0]) if images[0] == images[1] else f"{images[0]} to {images[1]}"
    return (
        f"With {reach} images of a class in {found['primary']}, luck alone would make the worst class of "
        f"{classes['typical']} lose {points(one['expected_worst'])}; it lost {points(one['worst_raw'])}. Drops below "
        "count each image once for all models, are drawn towards their mean as far as the few images demand, and are "
        "tested against it for all classes together (false discovery rate of 5 %). The last column counts the models "
        "that by themselves tell the class from their mean."
    )


def _class(row: Row) -> list:
    verdict = "fell by more" if row["worse"] else "fell" if row["fell"] else "rose" if row["rose"] else "may be chance"
    return [
        row["class"],
        estimate(row["shrunk"], row["low"], row["high"]),
        estimate(row["raw"]),
        number(row["p_worse"]),
        verdict,
        row["flagged_in_models"],
    ]


def _some(title: str, rows: list[Row], shown: int) -> str:
    return title if len(rows) <= shown else f"{title}: {shown} of {len(rows):,}"


def replicated_pairs(run: Run) -> Block | None:
    """The confusions that grew most, and how little they carry."""
    found, rows = replication_of(run), run.table("pairs")
    if found is None:
        return None
    pairs = found["pairs"]
    about = (
        f"{pairs['pairs_that_grew']:,} confusions grew and {pairs['pairs_that_shrank']:,} shrank. The {len(rows)} that "
        f"grew most add {points(pairs['carried'])} of error; chosen on one half of the images and measured on the "
        f"other, such pairs add {points(pairs['carried_elsewhere'])}. Answers are counted in ten "
        "thousand, the mean of all models."
    )
    grown = [row for row in rows if row["added"] > 0][:SHOWN_PAIRS]
    shown = map(_pair, grown)
    alt = "The confusions that grew most"
    alt += f"; {grown[0]['true']} taken for {grown[0]['given']} at the top" if grown else ""
    figures = figures_of(run, {"pairs": alt})
    columns = table("Confusions that grew most", PAIRS, shown)
    return section("confusions", "Confusions", sentences=[about], tables=[columns], figures=figures)


def _pair(row: Row) -> list:
    return [row["true"], row["given"], *(round(1e4 * row[name], 2) for name in ("reference", "target", "added"))]
