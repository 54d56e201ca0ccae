"""The annotator's JavaScript alone: a page with a model that records what it is sent, no Jupyter.

A 100 x 80 picture is shown five times as large, so what lies on the screen can be reckoned by hand.
"""

import base64
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_browser import CHROMIUM_FLAGS, CHROMIUM_NAMES

import imgrec_lab

pytestmark = pytest.mark.browser

FOLDER = Path(imgrec_lab.__file__).parent / "widgets"
WIDTH, HEIGHT, SCALE = 100, 80, 5
CLASSES = [
    {"name": "stop", "color": "#E69F00", "ink": "#000000"},
    {"name": "yield", "color": "#56B4E9", "ink": "#000000"},
    {"name": "no entry", "color": "#0072B2", "ink": "#FFFFFF"},
]
VIEW = {
    "token": None, "index": 1, "count": 3, "file": "b.png", "width": WIDTH, "height": HEIGHT,
    "boxes": [{"box": [10, 10, 30, 30], "label": 0}, {"box": [50, 20, 90, 60], "label": 1}],
    "selected": None, "progress": "2 of 3 seen, 2 boxes", "undo": True, "redo": False,
    "problem": "",
}  # fmt: skip

PAGE = """<!doctype html><style>{css}</style>
<body><input id="before"><div id="cell" style="width: 800px"></div>
<script type="module">
  const source = new Blob([{js}], {{ type: "text/javascript" }});
  const widget = await import(URL.createObjectURL(source));
  const bytes = Uint8Array.from(atob({picture}), (letter) => letter.charCodeAt(0));
  const values = {{ classes: {classes}, view: {view}, picture: new DataView(bytes.buffer) }};
  const listeners = {{}};
  window.sent = [];
  window.leaked = [];
  window.widget = widget;
  document.addEventListener("keydown", (event) => leaked.push(event.key));
  let token = null; // of the last message
  const model = {{
    get: (name) => values[name],
    send: ({{ token: its, ...message }}) => sent.push(message) && (token = its),
    on: (event, callback) => (listeners[event] = callback),
    off: (event) => delete listeners[event],
  }};
  window.answer = (view) => {{
    values.view = {{ ...values.view, token, ...view }};
    listeners["change:view"]();
  }};
  window.leave = widget.default.render({{ model, el: document.getElementById("cell") }});
  window.listeners = listeners;
  window.ready = true;
</script>"""


def picture(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def content(view: dict) -> str:
    """The page that shows ``view``."""
    return PAGE.format(
        css=(FOLDER / "annotator.css").read_text("utf-8"),
        js=json.dumps((FOLDER / "annotator.js").read_text("utf-8")),
        picture=json.dumps(base64.b64encode(picture(view["width"], view["height"])).decode()),
        classes=json.dumps(CLASSES),
        view=json.dumps(view),
    )


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    """One tab for all tests here: opening it takes longer than most of them."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        reason = "no Chromium on this machine: apt-get install chromium"
        pytest.fail(reason) if os.environ.get("IMGREC_REQUIRE_BROWSER") else pytest.skip(reason)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser.new_page(viewport={"width": 860, "height": 700})
        browser.close()


@pytest.fixture
def page(tab: Any) -> Iterator[Any]:
    """The tab with the widget afresh; an error on the page fails the test."""
    errors = []
    note = lambda error: errors.append(str(error))  # noqa: E731
    tab.on("pageerror", note)
    show(tab, VIEW)
    yield tab
    tab.remove_listener("pageerror", note)
    assert errors == []


def show(page: Any, view: dict) -> None:
    page.goto("about:blank")
    page.set_content(content(view))
    page.wait_for_function("window.ready")


def on_screen(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture lies in the window."""
    frame = page.locator("svg").bounding_box()
    return frame["x"] + x * frame["width"] / WIDTH, frame["y"] + y * frame["height"] / HEIGHT


def drag(page: Any, start: tuple[float, float], end: tuple[float, float], *, drop=True) -> None:
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *end), steps=3)
    if drop:
        page.mouse.up()


def click(page: Any, x: float, y: float) -> None:
    page.mouse.click(*on_screen(page, x, y))


def sent(page: Any) -> list[dict]:
    """The messages since the last call."""
    return page.evaluate("sent.splice(0)")


def boxes(page: Any) -> list[list[float]]:
    """What is drawn, in pixels of the picture; the selected box comes last."""
    return page.evaluate(
        """(scale) => [...document.querySelectorAll("svg .edge")].map((edge) => {
          const { x, y, width, height } = edge.getBBox();
          return [x + 1, y + 1, x + width - 1, y + height - 1].map((at) => at / scale);
        })""",
        SCALE,
    )


def test_geometry_by_hand(page):
    grips = page.evaluate(
        """() => [[20, 20], [10, 20], [31, 31], [33, 20], [20, 9]].map(
            ([x, y]) => widget.grip([10, 10, 30, 30], { x, y }, 2))"""
    )
    sides = [(0, 0), (-1, 0), (1, 1), (0, -1)]
    middle, left, corner, top = ({"x": x, "y": y} for x, y in sides)
    assert grips == [middle, left, corner, None, top]
    tiny = page.evaluate("widget.grip([10, 10, 14, 14], { x: 12, y: 12 }, 20)")
    assert tiny == middle  # however large a finger is
    size = {"width": WIDTH, "height": HEIGHT}
    moves = [
        ([10, 10, 30, 30], middle, 4.4, -3.6, [14, 6, 34, 26]),
        ([10, 10, 30, 30], middle, -50, 90, [0, 60, 20, 80]),  # stops at the picture's edges
        ([10, 10, 30, 30], corner, 100, 5, [10, 10, 100, 35]),
        ([10, 10, 30, 30], left, 35, 7, [30, 10, 45, 30]),  # dragged beyond the other side
    ]
    for box, held, dx, dy, expected in moves:
        call = "([box, held, dx, dy, size]) => widget.dragged(box, held, dx, dy, size)"
        assert page.evaluate(call, [box, held, dx, dy, size]) == expected


def test_the_picture_is_enlarged_by_a_whole_number_and_names_stand_on_it(page):
    frame = page.locator("svg").bounding_box()
    assert (frame["width"], frame["height"]) == (WIDTH * SCALE, HEIGHT * SCALE)
    assert boxes(page) == [[10, 10, 30, 30], [50, 20, 90, 60]]
    assert page.locator("svg text").all_text_contents() == ["stop", "yield"]
    assert page.locator("img").evaluate("(image) => image.naturalWidth") == WIDTH
    rendering = page.locator("img").evaluate("(image) => getComputedStyle(image).imageRendering")
    assert rendering == "pixelated"
    assert page.locator(".count").inner_text() == VIEW["progress"]
    assert page.locator(".facts").inner_text() == "Picture 2 of 3: b.png, 100 × 80 px"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((35, 40), (45, 70), [35, 40, 45, 70]),
        ((45, 70), (35, 40), [35, 40, 45, 70]),  # from the lower right
        ((70, 70), (130, 95), [70, 70, 100, 80]),  # let go outside
        ((35.3, 40.4), (44.6, 70.2), [35, 40, 45, 70]),  # on whole pixels
    ],
)
def test_dragging_on_free_ground_draws_a_box(page, start, end, expected):
    drag(page, start, end)
    assert sent(page) == [{"type": "add", "box": expected, "label": 0}]
    assert boxes(page)[-1] == expected
    assert page.locator(".selected text").text_content() == "stop"


def test_a_click_selects_the_smallest_box_under_it_and_adds_none(page):
    boxes = [*VIEW["boxes"], {"box": [55, 25, 60, 30], "label": 2}]
    page.evaluate("(boxes) => answer({boxes})", boxes)
    click(page, 57, 27)
    click(page, 80, 50)
    click(page, 5, 70)
    drag(page, (40, 70), (40.4, 70.4))  # a trembling hand
    drag(page, (40, 70), (41.2, 75))  # a pixel wide
    numbers = [message.get("number", "?") for message in sent(page)]
    assert numbers == [2, 1, None, None]


def test_the_selected_box_moves_and_resizes_by_its_handles(page):
    click(page, 70, 40)
    assert page.locator(".handle").count() == 8
    drag(page, (70, 40), (75, 35))
    drag(page, (95, 55), (99, 62))  # the lower right corner
    drag(page, (55, 30), (60, 30))  # the left edge
    assert sent(page)[1:] == [
        {"type": "box", "number": 1, "box": [55, 15, 95, 55]},
        {"type": "box", "number": 1, "box": [55, 15, 99, 62]},
        {"type": "box", "number": 1, "box": [60, 15, 99, 62]},
    ]
    assert boxes(page)[-1] == [60, 15, 99, 62]


def test_a_drag_over_another_box_or_with_shift_draws_on_top(page):
    drag(page, (55, 25), (65, 35))  # inside a box that is not selected
    page.keyboard.down("Shift")
    drag(page, (60, 30), (64, 34))  # inside the new one, which is
    page.keyboard.up("Shift")
    assert [message["box"] for message in sent(page)] == [[55, 25, 65, 35], [60, 30, 64, 34]]


def test_escape_gives_a_drag_up_then_the_selection(page):
    click(page, 20, 20)
    drag(page, (20, 20), (40, 40), drop=False)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert boxes(page)[-1] == [10, 10, 30, 30]
    page.keyboard.press("Escape")
    assert page.locator(".selected").count() == 0
    assert [message["number"] for message in sent(page)] == [0, None]


def test_arrow_keys_move_and_resize_as_one_change_each(page):
    click(page, 20, 20)
    page.keyboard.down("ArrowRight")
    page.keyboard.down("ArrowRight")  # held: it repeats
    page.keyboard.up("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Alt+ArrowLeft")
    page.keyboard.press("Control+Shift+ArrowDown")
    assert [message.get("box") for message in sent(page)][1:] == [
        [12, 10, 32, 30], [12, 20, 32, 40], [12, 20, 31, 40], [12, 20, 31, 50],
    ]  # fmt: skip


def test_a_move_by_keys_is_not_lost_when_the_focus_goes(page):
    click(page, 20, 20)
    page.keyboard.down("ArrowRight")
    page.locator("#before").focus()  # the key is let go elsewhere
    assert sent(page)[1:] == [{"type": "box", "number": 0, "box": [11, 10, 31, 30]}]


def test_digits_choose_the_class_of_the_selection_and_of_the_next_box(page):
    page.locator("svg").focus()
    page.keyboard.press("3")
    drag(page, (35, 65), (45, 75))
    page.keyboard.press("2")
    page.keyboard.press("9")  # there is no ninth class
    page.get_by_role("button", name="stop").click()
    assert sent(page) == [
        {"type": "add", "box": [35, 65, 45, 75], "label": 2},
        {"type": "label", "number": 2, "label": 1},
        {"type": "label", "number": 2, "label": 0},
    ]
    assert page.locator("[aria-pressed=true]").inner_text().endswith("stop")


def test_keys_and_buttons_ask_for_the_same(page):
    page.locator("svg").focus()
    pairs = [("n", "Next"), ("p", "Previous"), ("Control+z", "Undo"), ("Control+Shift+Z", "Redo"),
             ("PageDown", "Next"), ("PageUp", "Previous"), ("Control+y", "Redo")]  # fmt: skip
    for key, name in pairs:
        page.keyboard.press(key)
        page.evaluate("answer({redo: true})")
        page.get_by_role("button", name=name).click()
        page.evaluate("answer({redo: true})")
        first, second = sent(page)
        assert first == second == {"type": name.lower()}


def test_delete_by_key_and_button(page):
    click(page, 20, 20)
    page.keyboard.press("Delete")
    assert boxes(page) == [[50, 20, 90, 60]]
    page.keyboard.press("Backspace")  # nothing is selected
    click(page, 70, 40)
    page.get_by_role("button", name="Delete").click()
    assert boxes(page) == []
    deleted = [message for message in sent(page) if message["type"] == "delete"]
    assert deleted == [{"type": "delete", "number": 0}, {"type": "delete", "number": 0}]


def test_tab_goes_round_the_boxes_and_then_on(page):
    page.locator("svg").focus()
    for _ in range(2):
        page.keyboard.press("Tab")
    assert [message["number"] for message in sent(page)] == [0, 1]
    page.keyboard.press("Shift+Tab")
    assert sent(page) == [{"type": "select", "number": 0}]
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_no_key_leaks_out_even_from_a_button_that_does_nothing(page):
    click(page, 20, 20)
    page.get_by_role("button", name="Redo").click(force=True)  # nothing to redo
    for key in ("d", "d", "x", "z", "ArrowDown", "Enter", "Escape", "Control+z", "a"):
        page.keyboard.press(key)
    assert page.evaluate("leaked") == []
    page.locator("#before").press("d")
    assert page.evaluate(
        """[...document.querySelectorAll("#cell :is(button, summary, [tabindex])")].every(
            (node) => node.dataset.lmSuppressShortcuts === "true")"""
    )  # what JupyterLab looks for where it listens first
    assert page.evaluate("leaked") == ["d"]


def test_nothing_is_drawn_while_another_picture_is_awaited(page):
    page.locator("svg").focus()
    page.keyboard.down("n")
    page.keyboard.down("n")  # held: it repeats
    page.keyboard.up("n")
    page.keyboard.press("n")
    drag(page, (35, 40), (45, 70))
    click(page, 20, 20)
    page.keyboard.press("Delete")
    assert sent(page) == [{"type": "next"}, {"type": "next"}]
    page.locator(".saved[data-state=waiting]").wait_for(timeout=3000)
    page.evaluate("answer({index: 2, file: 'c.png', boxes: []})")
    assert boxes(page) == [] and page.locator(".saved").inner_text().endswith("saved")
    drag(page, (35, 40), (45, 70))
    assert sent(page) == [{"type": "add", "box": [35, 40, 45, 70], "label": 0}]


def test_an_answer_to_an_earlier_message_takes_nothing_back(page):
    drag(page, (35, 40), (45, 70))
    page.keyboard.press("Escape")
    page.evaluate("answer({token: 'of the drag', selected: 2})")
    assert page.locator(".selected").count() == 0
    page.keyboard.press("3")
    drag(page, (5, 40), (25, 70))
    assert [message["label"] for message in sent(page) if message["type"] == "add"] == [0, 2]


def test_what_python_answers_is_shown_also_during_a_drag(page):
    drag(page, (35, 40), (45, 70), drop=False)
    page.evaluate("answer({boxes: [], problem: 'Not saved: no space left on device.'})")
    assert boxes(page) == [[35, 40, 45, 70]]
    assert "no space left" in page.locator(".saved[data-state=problem]").inner_text()
    page.mouse.up()
    assert sent(page) == [{"type": "add", "box": [35, 40, 45, 70], "label": 0}]


@pytest.mark.parametrize("kind", ["touch", "pen"])
def test_fingers_and_pens_draw_and_grip_from_further_away(page, kind):
    gesture(page, kind, (35, 40), (45, 70))
    gesture(page, kind, (47, 72), (52, 76))  # 10 px beside the corner on the screen
    assert sent(page) == [
        {"type": "add", "box": [35, 40, 45, 70], "label": 0},
        {"type": "box", "number": 2, "box": [35, 40, 50, 74]},
    ]
    assert page.locator("svg").evaluate("(svg) => getComputedStyle(svg).touchAction") == "none"


def gesture(page: Any, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A stroke of a finger or pen; a second finger that comes down meanwhile changes nothing."""
    page.evaluate(
        """([kind, [x1, y1], [x2, y2]]) => {
          const svg = document.querySelector("svg");
          svg.setPointerCapture = () => {};  // none of these pointers is real
          const fire = (type, x, y, pointerId) =>
            svg.dispatchEvent(new PointerEvent(type, {
              pointerId, pointerType: kind, clientX: x, clientY: y, button: 0, bubbles: true,
            }));
          fire("pointerdown", x1, y1, 7);
          fire("pointerdown", x2 + 30, y2, 8);
          fire("pointermove", (x1 + x2) / 2, (y1 + y2) / 2, 7);
          fire("pointermove", x2, y2, 7);
          fire("pointermove", x2 + 60, y2, 8);
          fire("pointerup", x2 + 60, y2, 8);
          fire("pointerup", x2, y2, 7);
        }""",
        [kind, on_screen(page, *start), on_screen(page, *end)],
    )


def test_a_large_picture_fits_its_cell_and_a_narrow_cell_shrinks_it(page):
    show(page, VIEW | {"width": 4000, "height": 1000, "boxes": []})
    frame = page.locator("svg").bounding_box()
    assert 780 <= frame["width"] <= 800 and frame["height"] == pytest.approx(frame["width"] / 4)
    page.evaluate("document.getElementById('cell').style.width = '400px'")
    page.wait_for_function("document.querySelector('svg').clientWidth < 400")
    drag(page, (25, 40), (50, 60))  # in hundredths of the width, eightieths of the height
    (message,) = sent(page)
    assert message["box"] == pytest.approx([1000, 500, 2000, 750], abs=10)


def test_zooming_in_keeps_coordinates_and_the_cell(page):
    page.locator("svg").focus()
    for _ in range(3):
        page.keyboard.press("+")
    stage = page.locator(".stage").bounding_box()
    frame = page.locator("svg").bounding_box()
    assert frame["width"] == pytest.approx(WIDTH * SCALE * 1.25**3, abs=1)
    assert stage["height"] == pytest.approx(HEIGHT * SCALE + 2, abs=1)  # its frame
    drag(page, (40, 40), (46, 44))
    assert sent(page) == [{"type": "add", "box": [40, 40, 46, 44], "label": 0}]


def test_it_leaves_nothing_behind(page):
    assert page.evaluate("Object.keys(listeners)") == ["change:view"]
    assert page.evaluate("leave(), Object.keys(listeners).length") == 0
