"""Blocks as HTML: what a page shows, that nothing of it is markup by accident, and that it asks for nothing."""

import base64
import hashlib
import io
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from gapscope.blocks import Answer, Estimate, Figure, Gallery, Heading, Picture, Sentence, Table, Warning
from gapscope.blocks.html import Part, document, fragment, interval, order, written
from gapscope.core.location import Location
from gapscope.draw import png
from gapscope.draw.canvas import BLUE, Size, sheet
from gapscope.draw.gallery import Tile, gallery

HOSTILE = """[/red] <script>alert("1")</script> <b>bold</b> a`b & 'it' {{ 7 * 7 }} "><img src=x onerror=alert(2)>"""


class Page(HTMLParser):
    """Tags in their order, and texts without scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture
def figure(tmp_path):
    """A figure with light paper and a blue bar."""
    drawn, axes = sheet(Size(2, 9, 100), 2, "")
    axes.bar([0], [1], color=BLUE)
    (tmp_path / "waterfall.png").write_bytes(png(drawn))
    return Figure("waterfall", Location.of(tmp_path / "waterfall.png"), alt="The gap by term", caption="Terms.")


def every_block(figure, name="cat"):
    """A page with a block of each kind, in which `name` stands wherever a text may stand."""
    shares = [[f"{name} {place}", Estimate(place / 40, place / 50, place / 30), place, name] for place in range(30)]
    columns = {f"class {name}": "text", "recall": "share", "images": "count", "predicted as": "text"}
    image = Picture("data:image/jpeg;base64,AA==", name, name, f"not {name}", 0.9, (name,))
    return [
        Answer(f"Accuracy of {name} falls", (("Why", f"Because of {name}; run `gap {name}`"), (name, "x"))),
        Warning(f"Few images of {name}."),
        Sentence(f"Seen: {name}.", headline=True),
        Heading("classes", f"Classes of {name}"),
        Sentence(f"Below: {name}"),
        Warning(f"Careful with {name}."),
        Table(f"Recall of {name}", columns, shares),
        Heading("images", "Images", folded=True),
        figure,
        Gallery(f"Wrong: {name}", (image, image._replace(src=None, confidence=None))),
    ]


def whole_page(figure, name="cat"):
    return document(f"gap {name}", every_block(figure, name), [Part("other", f"Run {name}", every_block(figure, name))])


@pytest.mark.parametrize("render", [whole_page, lambda figure, name: fragment(every_block(figure, name))])
def test_markup_in_names_is_shown_as_text_everywhere(figure, render):
    page, plain = Page(render(figure, HOSTILE)), Page(render(figure, "plain"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(attributes) for _, attributes in page.tags] == [set(attributes) for _, attributes in plain.tags]
    assert page.text.count(HOSTILE) == plain.text.count("plain") + len(re.findall("Plain", plain.text))


def test_the_page_has_one_h1_ordered_headings_names_for_pictures_and_scopes(figure):
    page = Page(whole_page(figure))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(one.get("alt") for one in page.all("img"))
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) == 2
    ids = [one["id"] for _, one in page.tags if "id" in one]
    assert len(ids) == len(set(ids))
    assert {one["href"].removeprefix("#") for one in page.all("a")} <= set(ids)


def test_the_page_names_no_address_outside_itself(figure):
    text = whole_page(figure)
    for _, attributes in Page(text).tags:
        for name in ("src", "href", "action", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "http" not in re.sub(r"http-equiv|data:image[^\"]*", "", text)
    assert "url(" not in text


def test_a_page_carries_a_policy_that_lets_nothing_be_fetched_and_its_own_script_alone_run(figure):
    text = document("gap", every_block(figure))
    (policy,) = [tag["content"] for tag in Page(text).all("meta") if tag.get("http-equiv") == "Content-Security-Policy"]
    allowed = {name: sources for name, *sources in (part.split() for part in policy.split("; "))}
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    fingerprint = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert allowed.pop("default-src") == ["'none'"]
    assert allowed.pop("script-src") == [f"'sha256-{fingerprint}'"]
    assert allowed.pop("img-src") == ["data:"]
    assert set(allowed) == {"style-src"}
    # What stands before the policy is not bound by it.
    head = text[: text.index("Content-Security-Policy")]
    assert not re.search(r"<(script|style|link|img|title|body)", head)


def test_dark_pages_change_no_photograph(figure, tmp_path):
    assert Page(fragment([figure])).all("img")[0]["class"] == "drawn"
    shown = gallery({"wrong": [Tile(np.zeros((8, 8, 3), np.uint8), "dog", "cat", 0.5)]}, title="Images")
    (tmp_path / "photograph.png").write_bytes(png(shown))
    photograph = Figure("photograph", Location.of(tmp_path / "photograph.png"), alt="A cat")
    assert "drawn" not in Page(fragment([photograph])).all("img")[0].get("class", "")


def test_sections_of_a_notebook_are_open_where_a_headline_stands():
    blocks = [Heading("a", "A"), Sentence("x", headline=True), Heading("b", "B"), Sentence("y")]
    assert ["open" in one for one in Page(fragment(blocks)).all("details")] == [True, False]


def test_empty_tables_and_galleries_are_not_there():
    page = Page(document("run", [Table("Nothing", {"class": "text"}, []), Gallery("None", ())]))
    assert page.all("table", "ul") == []
    assert len(page.all("h1")) == 1


def test_cells_are_written_with_their_units_and_sorted_by_their_numbers():
    share, lost = Estimate(0.1234, 0.1, 0.15), Estimate(-0.0312, -0.05, 0.0)
    assert (written(share, "share"), interval(share, "share"), order(share, "share")) == (
        "12.3 %",
        "10.0 to 15.0",
        "0.1234",
    )
    assert (written(lost, "change"), interval(lost, "change")) == ("−3.1", "−5.0 to 0.0")
    assert (written(None, "share"), order(None, "share"), order(Estimate(None), "p")) == ("–", "", "")
    assert written("a-b", "text") == "a-b"


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_letters_stand_out_from_their_paper_in_light_and_dark():
    css = (ROOT / "engine/blocks/templates/page.css").read_text()
    schemes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in css.split(":root {")[1:3]]
    assert len(schemes) == 2
    pairs = [(ink, paper) for ink in ("ink", "soft", "accent", "wrong") for paper in ("paper", "card")]
    for scheme in schemes:
        for ink, paper in [*pairs, ("warn", "warn-paper"), ("ink", "warn-paper"), ("ink", "code")]:
            dark, light = sorted((luminance(scheme[ink]), luminance(scheme[paper])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper, scheme)


@pytest.fixture(scope="module")
def browser():
    """A real headless Chromium; tests that ask for it skip where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs the program chromium")
    with api.sync_playwright() as playwright:
        shown = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"], ignore_default_args=["--hide-scrollbars"]
        )
        yield shown
        shown.close()


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens a page at a width, and the list of what must stay empty."""
    wrong = []

    def open_page(text, width=1400, **options):
        (tmp_path / "page.html").write_text(text)
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
        )
        page.goto(f"file://{tmp_path / 'page.html'}")
        return page

    yield open_page
    assert wrong == []


def test_names_that_are_markup_do_nothing_in_a_browser(opened, figure):
    page = opened(whole_page(figure, HOSTILE))
    assert page.locator("script").count() == 1
    assert page.locator("b").count() == 0


def test_the_policy_stops_scripts_and_requests_that_a_mistake_would_let_in(browser, figure, tmp_path):
    """A page into which markup got: without the policy the script would run and the image be fetched."""
    injected = (
        '<script>document.title = "taken"</script><img src="http://127.0.0.1:9/x.png" onerror="document.title = 1">'
    )
    (tmp_path / "page.html").write_text(whole_page(figure).replace("<footer>", f"{injected}<footer>"))
    page, fetched = browser.new_page(), []
    page.on("request", lambda request: fetched.append(request.url) if request.url.startswith("http") else None)
    page.on("requestfailed", lambda request: fetched.remove(request.url) if "csp" in (request.failure or "") else None)
    page.goto(f"file://{tmp_path / 'page.html'}")
    assert page.title() == "Accuracy of cat falls – gap cat"
    assert fetched == []


def test_a_click_sorts_a_table_both_ways_and_says_so(opened, figure):
    page = opened(document("run", every_block(figure)))
    head = page.locator("#classes thead th").nth(1)
    cells = page.locator("#classes tbody tr td.share")

    def values():
        return [float(one) for one in cells.evaluate_all("all => all.map(one => one.dataset.order)")]

    before = values()
    head.locator("button").click()
    assert values() == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert values() == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    page.locator("#classes thead th button").first.click()
    assert page.locator("#classes tbody tr th").all_text_contents()[:3] == ["cat 0", "cat 1", "cat 2"]


def test_a_figure_grows_at_a_click_and_escape_closes_it(opened, figure):
    page = opened(document("run", [figure]))
    page.locator(".picture button").click()
    assert page.locator("dialog img").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog img").is_visible()


@pytest.mark.parametrize("width", [420, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_width_makes_the_page_scroll_sideways(opened, figure, width, scheme):
    for name in ("cat", "x" * 120, HOSTILE):
        page = opened(whole_page(figure, name), width=width, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [420, 1400])
def test_a_short_table_is_whole_and_one_that_is_wider_than_the_page_scrolls_or_has_its_rows_as_cards(opened, width):
    long = "what a remedy does to the target, in a sentence of some length"
    rows = [[f"remedy {place}", Estimate(0.1, 0.05, 0.2), long, 0.085] for place in range(20)]
    some = {"remedy": "text", "points regained": "change", "what it does": "text", "log loss": "number"}
    wide = some | {f"images of class {place}": "count" for place in range(16)}
    page = opened(
        document("run", [Table("short", some, rows), Table("wide", wide, [[*row, *[9_999] * 16] for row in rows])]),
        width=width,
    )

    def hidden(name):
        table = page.get_by_role("region", name=name, exact=True)
        return table.evaluate(
            "one => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight, "
            "one.offsetHeight - one.clientHeight]"
        )

    across, below, _ = hidden("short")
    assert (across, below > 0) == (0, width == 420)  # cards beyond the tenth
    across, below, bar = hidden("wide")
    assert (below > 0) == (width == 420)
    assert (across > 0, bar > 8) == (width == 1400, width == 1400)
    cell = page.locator("td[data-name='images of class 15']").first
    named = cell.evaluate("one => getComputedStyle(one, '::before').content")
    assert ("images of class 15" in named) == (width == 420)


def test_a_phone_shows_several_facts_of_a_row_on_a_line_and_a_gallery_as_one_row(opened):
    """Before, a fact and a row of images were a line each, and the demo's report 28,800 pixels long."""
    some = {"class": "text", "lost": "change", "images": "count", "adjusted p": "p", "beside": "text"}
    table = Table("classes", some, [[f"class {at}", Estimate(0.1, 0.05, 0.2), 37, 0.01, ""] for at in range(8)])
    images = Gallery("Wrong", (Picture(None, "0.png", "cat", "dog", 0.5),) * 12)
    page = opened(document("run", [table, images]), width=420)
    rows = page.locator("tbody tr")
    assert all(row["height"] < 60 for row in (rows.nth(at).bounding_box() for at in range(8)))
    assert page.locator("td[data-name='beside']").first.is_hidden()
    tiles = page.locator(".gallery .tile")
    assert len({tiles.nth(at).bounding_box()["y"] for at in range(12)}) == 1
    assert page.locator(".gallery").evaluate("one => one.scrollWidth > one.clientWidth")


def test_letters_of_a_figure_stay_readable_on_a_narrow_screen(opened, figure, tmp_path):
    """Drawn 880 pixels wide with letters of 13 pixels, which are to stay above 10; a small picture is shown whole."""
    Image.new("RGB", (880, 300)).save(tmp_path / "large.png")
    Image.new("RGB", (540, 300)).save(tmp_path / "small.png")
    figures = [Figure(name, Location.of(tmp_path / f"{name}.png"), alt=name) for name in ("large", "small")]
    page = opened(document("run", figures), width=420)
    large, small = page.locator(".picture img").evaluate_all("all => all.map(one => one.clientWidth)")
    assert large / 880 * 13 > 10
    assert small < 400
    frame = page.locator(".picture").first.evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert frame[0] > frame[1] > small


@pytest.mark.parametrize(("scheme", "paper"), [("light", range(250, 256)), ("dark", range(15, 45))])
def test_figures_follow_the_colours_of_the_page(opened, figure, scheme, paper):
    page = opened(document("run", [figure]), color_scheme=scheme)
    seen = Image.open(io.BytesIO(page.locator(".picture img").screenshot())).convert("RGB")
    corner, bar = (seen.getpixel((int(seen.width * x), int(seen.height * 0.6))) for x in (0.98, 0.55))
    assert all(part in paper for part in corner)
    assert bar[2] > bar[0] + 80


def test_a_link_and_a_search_open_what_is_folded(opened, figure):
    page = opened(whole_page(figure))
    part = page.locator("section.part > details")
    assert part.get_attribute("open") is None
    page.locator("nav a[href='#other']").click()
    assert part.get_attribute("open") is not None
    page = opened(document("run", [Heading("a", "A", folded=True), Sentence("A needle is here.")]))
    assert page.locator("details").get_attribute("open") is None
    page.goto(page.url + "#:~:text=needle")  # which reveals what it finds as a search in the page does
    page.locator("details[open]").wait_for()  # a function of the page would be refused by its policy


def test_printing_opens_everything_and_long_tables_are_whole(opened, figure):
    page = opened(whole_page(figure), java_script_enabled=False)
    inside = page.locator("section.part table")
    assert not inside.is_visible()
    page.emulate_media(media="print")
    assert inside.is_visible()
    assert not page.locator("nav").is_visible()
    box = inside.locator("xpath=..")
    assert box.evaluate("one => one.scrollHeight - one.clientHeight") == 0


def test_without_scripts_everything_is_there(opened, figure):
    page = opened(document("run", every_block(figure)), java_script_enabled=False)
    assert page.locator("#classes tbody tr").count() == 30
    assert page.locator("#classes table").is_visible()


def test_the_first_stop_of_the_keyboard_skips_to_the_content(opened, figure):
    page = opened(whole_page(figure))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_no_line_ends_within_an_option_or_before_a_percent_sign():
    said = "It fell by 3.1 %; run `gapscope gap a-b --reference c--d --l2-grid`"
    blocks = [
        Answer.of("It fell by 3.1 %", {"What was lost": said}),
        Sentence(said),
        Table("t", {"a": "text"}, [[said]]),
    ]
    for page in (document("t", blocks), fragment(blocks)):
        texts = Page(page.partition("</head>")[2] or page).texts
        assert {one for one in texts if "3.1 %" in one} == {"3.1 %"}
        assert {one for one in texts if "--reference" in one} == {"--reference"}
        assert any("c--d" in one for one in texts)
