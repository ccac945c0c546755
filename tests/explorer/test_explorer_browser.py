"""The explorer in a real browser: all points, zoom, exact selections, one category, links."""

import re
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA

from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.explorer.load import read_points
from gapscope.explorer.palette import PALE
from gapscope.explorer.selecting import found_by
from gapscope.explorer.shading import Frame, shade
from gapscope.explorer.state import BESIDE, State
from gapscope.explorer.view import fitted

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 120_000
MODEL = "Bokeh.documents[0].get_model_by_name"
# Corners of a loop that crosses itself nowhere but has a dent, as shares of the window.
LOOP = [(0.2, 0.2), (0.8, 0.25), (0.5, 0.5), (0.75, 0.85), (0.25, 0.8)]
READ_PICTURE = f"""name => {{
  const image = {MODEL}(name).data_source.data.image[0];
  const bytes = new Uint8Array(image.buffer, image.byteOffset, image.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return [btoa(text), Array.from(image.shape)];
}}"""
WATCH_OUTLINE = f"""() => {{
  const map = {MODEL}("map-0"), trigger = map.trigger_event.bind(map);
  window.drawnOutline = null;
  map.trigger_event = event => {{
    const shape = event.event_name == "selectiongeometry" && event.final ? event.geometry : null;
    if (shape && shape.type == "rect") window.drawnOutline = [shape.x0, shape.x1, shape.y0, shape.y1];
    if (shape && shape.type == "poly") window.drawnOutline = [[Array.from(shape.x), Array.from(shape.y)]];
    return trigger(event);
  }};
}}"""


def digits_map(folder):
    """A table of a map of the digits: both of their splits on two principal axes, and a made-up prediction."""
    parts = []
    for dataset, split in (("digits", "test"), ("digits-night", "test")):
        source = open_dataset(dataset, folder).source(split)
        listing = source.listing
        x = np.stack([np.asarray(source.image(index).convert("L"), float).ravel() for index in range(len(listing))])
        parts.append((dataset, split, listing, x))
    axes = PCA(2, random_state=0).fit(parts[0][3])
    tables = []
    for dataset, split, listing, x in parts:
        n, xy = len(listing), axes.transform(x).astype(np.float32)
        predicted = np.where(np.arange(n) % 5, listing.labels, (listing.labels + 1) % 10).astype(np.int32)
        columns = {
            "sample_id": np.arange(n),
            "dataset": [dataset] * n,
            "split": [split] * n,
            "path": listing.names,
            "label": listing.labels,
            "class": [listing.class_names[label] for label in listing.labels],
            "x": xy[:, 0],
            "y": xy[:, 1],
            "predicted": predicted,
            "confidence": np.linspace(0.2, 1, n).astype(np.float32),
        }
        tables.append(pa.table(columns))
    place = folder / "digits.parquet"
    pq.write_table(pa.concat_tables(tables), place)
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return digits_map(tmp_path_factory.mktemp("map"))


@pytest.fixture(scope="module")
def address(place):
    """The explorer as people start it, in a process of its own."""
    pytest.importorskip("panel", reason="Panel is not installed")
    command = [sys.executable, "cli.py", "explore", str(place), "--no-browser"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    assert "points are ready" in line, line + process.stderr.read()
    yield line.split("open ")[1].split()[0]
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium to look at the page with")
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def with_token(address, query="", path=""):
    """The address with another path and a query, and the token."""
    parts = urlsplit(address)
    more = query.removeprefix("?")
    return parts._replace(path=f"/{path}", query="&".join(filter(None, (parts.query, more)))).geturl()


class Explorer:
    """A window of the explorer, and what it has complained about and asked for."""

    def __init__(self, page, address):
        self.page, self.address, self.complaints, self.asked = page, address, [], []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, query=""):
        self.page.goto(with_token(self.address, query))
        self.wait("m('picture-0') && m('picture-0').data_source.data.image.length > 0")
        return self

    def wait(self, condition):
        self.page.wait_for_function(
            f"() => {{ if (!window.Bokeh || !Bokeh.documents.length) return false; const m = n => {MODEL}(n);"
            f"return {condition}; }}"
        )

    def value(self, expression):
        return self.page.evaluate(f"() => {{ const m = n => {MODEL}(n); return {expression}; }}")

    def picture(self, number=0):
        """Bytes of a map's picture, as (height, width, 4)."""
        text, shape = self.page.evaluate(READ_PICTURE, f"picture-{number}")
        return np.frombuffer(b64decode(text), np.uint8).reshape(*shape, 4)

    def edges(self):
        """The window that is seen: x0, x1, y0, y1."""
        return tuple(self.value("[m('map-0').x_range, m('map-0').y_range].flatMap(one => [one.start, one.end])"))

    def shows(self, points, focus=None, colour="label", mine=None, number=0):
        """Wait until a map shows what the pure function makes of the same points, to the last byte."""
        mine = np.ones(points.n, bool) if mine is None else mine
        colouring, end = points.colourings[colour], time.monotonic() + PATIENCE / 1000
        while True:
            picture = self.picture(number)
            frame = Frame(self.edges(), picture.shape[1], picture.shape[0])
            columns = (points.x[mine], points.y[mine], colouring.code[mine], colouring.rgb)
            wanted = shade(*columns, None if focus is None else focus[mine], frame).view(np.uint8)
            if np.array_equal(picture, wanted.reshape(picture.shape)):
                return
            assert time.monotonic() < end, "the map does not show these points"
            self.page.wait_for_timeout(100)

    def on_screen(self, x, y, number=0):
        """Where a place of the map is in the window, in pixels."""
        return self.value(
            f"(view => {{ const box = view.canvas_view.el.getBoundingClientRect();"
            f"return [box.left + view.frame.x_scale.compute({x}), box.top + view.frame.y_scale.compute({y})]; }})"
            f"(Bokeh.index.find_one(m('map-{number}')))"
        )

    def select(self, tool, corners):
        """Draw along `corners`, in units of the map, with a tool."""
        self.page.locator(f"#map .bk-tool-icon-{tool}").first.click()
        self.page.evaluate(WATCH_OUTLINE)
        first, *others = [self.on_screen(*corner) for corner in corners]
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for corner in others:
            self.page.mouse.move(*corner, steps=2)
        self.page.mouse.up()

    def outline(self):
        """The corners ``(m, 2)`` that the browser has reported, of a box two."""
        self.page.wait_for_function("() => window.drawnOutline")
        shape = self.page.evaluate("() => window.drawnOutline")
        return np.array([(shape[0], shape[2]), (shape[1], shape[3])]) if len(shape) == 4 else np.array(shape[0]).T

    def zoom(self):
        """Turn the wheel over the middle of the first map."""
        x0, x1, y0, y1 = self.edges()
        self.page.mouse.move(*self.on_screen((x0 + x1) / 2, (y0 + y1) / 2))
        self.page.mouse.wheel(0, -300)

    def export(self, name):
        with self.page.expect_download() as download:
            self.page.get_by_text(name, exact=True).click()
        return Path(download.value.path()).read_bytes()


@pytest.fixture
def window(browser, address):
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    yield Explorer(page, address)
    page.close()


@pytest.fixture(scope="module")
def points(place):
    return read_points(Location.of(place))


def even_odd(x, y, corners):
    """Which points lie inside, edge by edge for all points."""
    inside = np.zeros(len(x), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay != by:
            crossed = ((ay > y) != (by > y)) & (x.astype(float) < ax + (y.astype(float) - ay) / (by - ay) * (bx - ax))
            inside ^= crossed
    return inside


def ids(frame):
    return set(map(tuple, frame[["sample_id", "dataset", "split"]].to_numpy().tolist()))


def ids_where(points, mask):
    return {(int(points.sample_id[index]), *points.sets[points.member[index]]) for index in np.flatnonzero(mask)}


def test_a_visit_zooms_hovers_selects_exports_and_isolates(window, address, points, tmp_path):
    window.open()
    window.shows(points)
    before = window.edges()
    window.zoom()
    window.page.wait_for_function("() => location.search.includes('window=')")
    window.shows(points)
    assert window.edges() != before

    point = loneliest(points, window.edges())
    one, number = points.sets[points.member[point]], int(points.sample_id[point])
    window.page.mouse.move(*window.on_screen(float(points.x[point]), float(points.y[point])), steps=3)
    # The pointer also passes over other points, whose images may be shown for a moment.
    card = window.page.locator("#hover .card").filter(has_text=points.path[point].as_py())
    card.wait_for(state="visible")
    image = card.locator("img").get_attribute("src")
    shown = parse_qs(urlsplit(image).query)
    assert (shown["dataset"], shown["split"], shown["id"]) == ([one.dataset], [one.split], [str(number)])
    with urlopen(with_token(address, urlsplit(image).query, "image")) as answer:
        seen = np.asarray(Image.open(BytesIO(answer.read())))
    np.testing.assert_array_equal(seen, np.asarray(open_dataset(one.dataset, tmp_path).source(one.split).image(number)))

    x0, x1, y0, y1 = window.edges()
    place = [(x0 + across * (x1 - x0), y0 + up * (y1 - y0)) for across, up in LOOP]
    window.select("lasso-select", place)
    inside = even_odd(points.x, points.y, window.outline())
    assert 0 < inside.sum() < points.n
    window.shows(points, inside)
    assert ids(pd.read_csv(BytesIO(window.export("Ids as CSV")))) == ids_where(points, inside)

    window.select("box-select", [place[0], place[3]])
    low, high = np.sort(window.outline(), axis=0)
    xy = np.column_stack([points.x, points.y])
    inside = ((xy >= low) & (xy <= high)).all(axis=1)
    window.shows(points, inside)
    assert ids(pq.read_table(BytesIO(window.export("Ids as Parquet"))).to_pandas()) == ids_where(points, inside)
    link = window.page.url
    again = Explorer(window.page.context.browser.new_page(viewport={"width": 1000, "height": 700}), address)
    again.page.goto(link)
    again.wait("m('picture-0') && m('picture-0').data_source.data.image.length > 0")
    again.shows(points, inside)
    assert f"{inside.sum():,} of {points.n:,} points" in again.page.locator(".told").first.inner_text()
    again.page.close()
    window.page.get_by_text("Clear", exact=True).click()
    window.page.wait_for_function("() => !location.search.includes('outline=')")

    name = points.colourings["label"].names[3]
    window.page.locator(f"#legend .entry[data-value='{name}']").click()
    window.shows(points, points.colourings["label"].code == 3)
    picture = window.picture()
    colours = set(map(tuple, picture[picture[..., 3] > 0][:, :3].tolist()))
    assert colours == {PALE, tuple(points.colourings["label"].rgb[3].tolist())}
    link = State.of(parse_qs(urlsplit(window.page.url).query), points)
    assert (link.only, link.window) == (name, pytest.approx(window.edges(), rel=1e-4))

    assert window.complaints == []
    asked = {urlsplit(url).netloc for url in window.asked if url.startswith(("http", "ws"))}
    assert asked == {urlsplit(address).netloc}


def test_a_link_restores_colour_category_search_and_window_of_two_sets_side_by_side(window, points):
    names = points.colourings["prediction"].names
    part = tuple(np.quantile(points.x, [0.3, 0.7])) + tuple(np.quantile(points.y, [0.3, 0.7]))
    state = State("prediction", names[5], "/01", BESIDE, "digits-night/test", "digits/test", part, points.name(7))
    window.open(state.query(points))
    found = (points.colourings["prediction"].code == 5) & found_by(points, "/01")
    for number, one in enumerate(("digits-night/test", "digits/test")):
        mine = points.member == [each.name for each in points.sets].index(one)
        window.shows(points, found, "prediction", mine, number)
        assert window.value(f"m('map-{number}').title.text") == f"{one} · {mine.sum():,}"
    height, width = window.picture().shape[:2]
    assert window.edges() == pytest.approx(fitted(state.window, width, height), rel=1e-4, abs=1e-4)
    assert window.value("m('map-0').x_range.id == m('map-1').x_range.id")
    assert window.page.locator("#legend .entry[aria-pressed=true] span").inner_text() == names[5]
    assert window.page.locator("#settings input").first.input_value() == "/01"
    assert points.path[7].as_py() in window.page.locator("#detail .card.kept").inner_text()
    assert window.complaints == []


def loneliest(points, edges):
    """The point of a window's middle that is furthest from its nearest neighbour."""
    x0, x1, y0, y1 = edges
    xy = np.column_stack([points.x, points.y]).astype(float)
    far = cKDTree(xy).query(xy, 2)[0][:, 1]
    middle, span = np.array([x0 + x1, y0 + y1]) / 2, np.array([x1 - x0, y1 - y0])
    return int(np.where((np.abs(xy - middle) < 0.3 * span).all(axis=1), far, -1).argmax())


def test_only_images_of_the_map_are_served(address, points):
    def status(query, host=None):
        request = Request(with_token(address, query, "image"), headers={"Host": host} if host else {})
        try:
            with urlopen(request) as answer:
                return answer.status
        except HTTPError as error:
            return error.code

    good = f"dataset=digits&split=test&id={points.sample_id[0]}"
    assert status(good) == 200
    for wrong in (
        "dataset=digits&split=test&id=999999",
        "dataset=digits&split=train&id=0",
        "dataset=cifar10&split=test&id=0",
        "dataset=../../etc&split=passwd&id=0",
        "dataset=digits&split=test&id=../../../etc/passwd",
        "dataset=digits&split=test&id=-1",
        f"{good}&side=100000",
    ):
        assert status(wrong) == 404, wrong
    assert status("dataset=digits") == 400
    assert status(good, "evil.example") == 403
    for path in ("image/../../etc/passwd", "image/%2e%2e/%2e%2e/etc/passwd", "static/../../../../etc/passwd"):
        with pytest.raises(HTTPError, match="40"):
            urlopen(with_token(address, path=path))


ROUTES = ("", "image", "static/js/bokeh.min.js", "autoload.js", "metadata", "ws", "no-such-route")


@pytest.mark.parametrize("path", ROUTES)
def test_no_route_answers_without_the_token_or_to_another_name(address, points, path):
    def status(url, **headers):
        try:
            with urlopen(Request(url, headers=headers)) as answer:
                return answer.status
        except HTTPError as error:
            return error.code

    query = f"dataset=digits&split=test&id={points.sample_id[0]}" if path == "image" else ""
    good, bare = with_token(address, query, path), urlsplit(address)
    without = bare._replace(path=f"/{path}", query=query).geturl()
    assert status(good) != 403
    assert status(without) == 403
    assert status(f"{without}{'&' if query else '?'}token=guess") == 403
    assert status(good, Host="evil.example") == 403
    assert status(good, Host=f"evil.example:{bare.port}") == 403
    assert status(good, Origin="http://evil.example") == 403
    cookie = f"gapscope-{bare.port}={parse_qs(bare.query)['token'][0]}"
    assert status(without, Cookie=cookie) != 403


@pytest.mark.parametrize("wrong", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_a_websocket_is_opened_by_no_other_page(address, wrong):
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(with_token(address, path="ws"), headers=upgrade | wrong))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_explorer_fits_420_pixels_in_light_and_dark(browser, address, scheme):
    page = browser.new_page(viewport={"width": 420, "height": 900}, color_scheme=scheme)
    Explorer(page, address).open()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    boxes = [page.locator(f"#{name}").bounding_box() for name in ("head", "controls", "map", "detail")]
    assert all(box["width"] <= 420 for box in boxes)
    assert boxes[2]["width"] > 380
    assert boxes[2]["height"] > 400
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 600) == (scheme == "light")
    chosen = Image.open(BytesIO(page.locator("#settings select").first.screenshot())).convert("L")
    arrow = np.asarray(chosen.crop((chosen.width - 22, 5, chosen.width - 4, chosen.height - 5)), int)
    assert np.ptp(arrow) > 150
    page.close()


def test_what_can_be_searched_for_is_read_whole_beside_the_map(browser, address):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    Explorer(page, address).open()
    label, field = page.locator("#settings label", has_text="Search"), page.locator("#settings input").first
    for one in (label, field):
        assert one.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert "luminance < 50" in label.inner_text()
    told = field.evaluate("""one => {
      const drawn = document.createElement("canvas").getContext("2d");
      drawn.font = getComputedStyle(one).font;
      return drawn.measureText(one.placeholder).width;
    }""")
    assert told < field.bounding_box()["width"] - 24
    page.close()
