// Boxes drawn over a picture. Python holds the truth: each finished action is shown at once, sent
// as one small message, and replaced by what Python answers in the trait `view`.
//
// A box is [x1, y1, x2, y2] on the edges of the picture's pixels; `scale` is screen px per pixel.

const SMALLEST = 2; // picture px; a shorter side was meant as a click
const CLICK = 3; // screen px that a hand may tremble during a click
const REACH = { mouse: 7, pen: 12, touch: 20 }; // screen px on either side of an edge that grip it
const LARGE = 512; // screen px that the longer side of a small picture is enlarged to
const TALLEST = 640; // screen px, before zooming in
const TAG = { height: 17, pad: 5, font: "12px system-ui, sans-serif" };
const HELP = [
  ["drag", "new box; with Shift also on top of the selected one"],
  ["drag the selected box", "move it; by its edges, resize it"],
  ["click, Tab", "select a box"],
  ["arrows", "move by 1 px, with Shift by 10; with Alt or Ctrl resize"],
  ["1–9", "class of the selected box and of the next ones"],
  ["Delete", "delete the selected box"],
  ["N, P", "next, previous picture"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["+, −", "zoom"],
  ["Esc", "cancel, or select nothing"],
];

// ---------------------------------------------------------------------------------------- geometry

const clamp = (value, low, high) => Math.max(low, Math.min(value, high));

/** Which edges lie under a point: x and y of -1, 0 or 1, both 0 in the middle; null if outside. */
export function grip([x1, y1, x2, y2], { x, y }, reach) {
  if (x < x1 - reach || x > x2 + reach || y < y1 - reach || y > y2 + reach) return null;
  const edge = (at, low, high) => {
    const inner = Math.min(reach, (high - low) / 4); // a small box keeps a middle to be moved by
    return at < low + inner ? -1 : at > high - inner ? 1 : 0;
  };
  return { x: edge(x, x1, x2), y: edge(y, y1, y2) };
}

/** The box after what was gripped has moved by (dx, dy): on whole pixels, inside the picture. */
export function dragged([x1, y1, x2, y2], held, dx, dy, { width, height }) {
  if (!held.x && !held.y) {
    dx = clamp(Math.round(dx), -x1, width - x2);
    dy = clamp(Math.round(dy), -y1, height - y2);
    return [x1 + dx, y1 + dy, x2 + dx, y2 + dy];
  }
  const moved = (low, high, side, by, end) =>
    [low + (side < 0 ? by : 0), high + (side > 0 ? by : 0)]
      .map((at) => clamp(Math.round(at), 0, end))
      .sort((a, b) => a - b); // an edge may be dragged beyond the other one
  const [left, right] = moved(x1, x2, held.x, dx, width);
  const [top, bottom] = moved(y1, y2, held.y, dy, height);
  return [left, top, right, bottom];
}

const isTiny = ([x1, y1, x2, y2]) => Math.min(x2 - x1, y2 - y1) < SMALLEST;
const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

/** Where a name stands: above its box, else below, else inside; on no name and no box if it can. */
function tagPlace({ x, y, width, height }, tagWidth, sheet, tags, others) {
  const tag = { width: tagWidth, height: TAG.height };
  const lefts = [x - 2, x + width + 2 - tag.width];
  const places = [y - tag.height - 3, y + height + 3, y + 2]
    .filter((top) => top >= 0 && top + tag.height <= sheet.height)
    .flatMap((top) => lefts.map((left) => ({ ...tag, x: left, y: top })));
  for (const place of places) place.x = clamp(place.x, 0, Math.max(0, sheet.width - tag.width));
  const clearOf = (taken) => places.find((place) => !taken.some((other) => overlap(place, other)));
  return clearOf([...tags, ...others]) ?? clearOf(tags) ?? places[0] ?? { ...tag, x: 0, y: 0 };
}

const overlap = (a, b) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

// ---------------------------------------------------------------------------------------- elements

const html = (tag, ...rest) => build(document.createElement(tag), ...rest);
const svg = (tag, ...rest) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), ...rest);

/** Give a new element its attributes, its listeners (those named on...) and its children. */
function build(node, attributes = {}, ...children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const ruler = document.createElement("canvas").getContext("2d");
ruler.font = TAG.font;

/** One box with its name and, where it is selected, its handles; all in screen px. */
function drawBox({ x, y, width, height }, tag, { name, color, ink }, isSelected) {
  const frame = { x: x - 1, y: y - 1, width: width + 2, height: height + 2 }; // hides no pixel
  const group = svg(
    "g",
    { class: isSelected ? "box selected" : "box", style: `--color:${color};--ink:${ink}` },
    svg("rect", { class: "halo", ...frame }),
    svg("rect", { class: "edge", ...frame }),
    svg("rect", { class: "tag", ...tag, rx: 3 }),
    svg("text", { x: tag.x + TAG.pad, y: tag.y + 12.5 }, name),
  );
  if (!isSelected) return group;
  const stops = (size) => (size < 40 ? [0, 1] : [0, 0.5, 1]);
  for (const across of stops(width))
    for (const down of stops(height)) {
      if (across === 0.5 && down === 0.5) continue;
      const corner = { x: x + across * width - 4, y: y + down * height - 4 };
      group.append(svg("rect", { class: "handle", ...corner, width: 8, height: 8 }));
    }
  return group;
}

// ------------------------------------------------------------------------------------------ widget

function render({ model, el }) {
  const classes = model.get("classes"); // [{name, color, ink}]
  let view = model.get("view");
  let picture = null; // the bytes of the file that is shown
  let boxes = []; // [{box, label}]: Python's, with what was sent and is not answered yet
  let selected = null;
  let label = 0; // of the next box
  let draft = null; // a change under way: {number (null: a new box), from, box}, by pointer or keys
  let awaited = null; // the token of the last message, until Python has answered it
  let turning = false; // another picture is asked for: what is drawn now would land on that one
  let patience = null; // a timer: how long an answer may take before that is said
  let zoom = 1;
  let scale = 1;

  const button = (text, title, onclick) =>
    html("button", { type: "button", title, "aria-label": title, onclick }, text);
  const tools = {
    previous: button("‹ Previous", "Previous picture (P)", () => step("previous")),
    next: button("Next ›", "Next picture (N)", () => step("next")),
    undo: button("Undo", "Undo (Ctrl+Z)", () => step("undo")),
    redo: button("Redo", "Redo (Ctrl+Shift+Z)", () => step("redo")),
    smaller: button("−", "Zoom out (−)", () => setZoom(zoom / 1.25)),
    larger: button("+", "Zoom in (+)", () => setZoom(zoom * 1.25)),
    remove: button("Delete", "Delete the selected box (Delete)", () => remove()),
  };
  const palette = classes.map(({ name, color }, index) => {
    const key = html("kbd", {}, index < 9 ? `${index + 1}` : "");
    const swatch = html("i", { style: `background:${color}` });
    return html("button", { type: "button", onclick: () => choose(index) }, key, swatch, name);
  });
  const progress = html("span", { class: "count" });
  const facts = html("span", { class: "facts", "aria-live": "polite" });
  const saved = html("span", { class: "saved", role: "status" });
  const image = html("img", { alt: "", draggable: "false" });
  const overlay = svg("svg", {
    tabindex: "0", role: "application", "aria-roledescription": "drawing area",
    onpointerdown, onpointermove, onpointerup, onpointercancel: cancel,
  });
  const sheet = html("div", { class: "sheet" }, image, overlay);
  const stage = html("div", { class: "stage" }, sheet);
  const help = HELP.flatMap(([keys, what]) => [html("dt", {}, keys), html("dd", {}, what)]);
  const root = html(
    "div",
    // With tabindex a click anywhere keeps the focus, and so the keys, in here.
    { class: "imgrec-annotator", tabindex: "-1", onkeydown, onkeyup, onfocusout: settle },
    html("div", { class: "tools", role: "toolbar" }, ...Object.values(tools), progress),
    html("div", { class: "palette", role: "group", "aria-label": "Class" }, ...palette),
    stage,
    html("div", { class: "line" }, facts, saved),
    html("details", {}, html("summary", {}, "Mouse and keys"), html("dl", {}, ...help)),
  );
  // Some versions of JupyterLab hear a key before the focused element does, unless it says this.
  for (const node of [root, ...root.querySelectorAll("button, svg, summary")])
    node.dataset.lmSuppressShortcuts = "true";
  el.append(root);

  // -------------------------------------------------------------------------- talking with Python

  function send(message) {
    awaited = `${Math.random()}`;
    model.send({ ...message, token: awaited });
    clearTimeout(patience);
    patience = setTimeout(() => tell("waiting", "waiting for Python …"), 400);
    paint();
  }

  function tell(state, text) {
    saved.dataset.state = state;
    saved.textContent = text;
  }

  function onView() {
    if (awaited && model.get("view").token !== awaited) return; // what is shown is further on
    clearTimeout(patience);
    awaited = null;
    const before = view;
    view = model.get("view");
    boxes = view.boxes.map((item) => ({ ...item }));
    selected = view.selected;
    turning = false;
    if (before.file !== view.file) [draft, zoom] = [null, 1];
    if (draft && draft.number !== null && !boxes[draft.number]) draft = null;
    if (picture !== model.get("picture")) showPicture();
    tell(view.problem ? "problem" : "saved", view.problem || "saved");
    fit();
  }

  function showPicture() {
    picture = model.get("picture");
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(new Blob([picture]));
  }

  // --------------------------------------------------------------------------------------- actions

  function step(type) {
    finish();
    turning = true;
    send({ type });
  }

  function select(number) {
    finish();
    if (turning) return;
    selected = number;
    send({ type: "select", number });
  }

  function choose(index) {
    finish();
    label = index;
    if (selected === null || turning) return paint();
    boxes[selected].label = index;
    send({ type: "label", number: selected, label: index });
  }

  function remove() {
    draft = null;
    if (selected === null || turning) return;
    const number = selected;
    boxes.splice(number, 1);
    selected = null;
    send({ type: "delete", number });
  }

  /** Make the draft a change, if it came to anything. */
  function finish() {
    if (!draft) return;
    const { number, from, box } = draft;
    draft = null;
    if (isTiny(box) || `${box}` === `${from}`) return paint();
    if (number === null) {
      selected = boxes.push({ box, label }) - 1;
      send({ type: "add", box, label });
    } else {
      boxes[number].box = box;
      send({ type: "box", number, box });
    }
  }

  function cancel() {
    draft = null;
    paint();
  }

  // --------------------------------------------------------------------------------------- pointer

  function locate(event) {
    const frame = overlay.getBoundingClientRect();
    return { x: (event.clientX - frame.left) / scale, y: (event.clientY - frame.top) / scale };
  }

  /** What of the selected box lies under the pointer; null where a drag would draw a new box. */
  function heldAt(point, event) {
    if (selected === null || event.shiftKey) return null;
    return grip(boxes[selected].box, point, (REACH[event.pointerType] ?? REACH.mouse) / scale);
  }

  function onpointerdown(event) {
    if (event.button !== 0 || turning || draft?.pointer !== undefined) return;
    settle();
    event.preventDefault();
    overlay.focus({ preventScroll: true });
    overlay.setPointerCapture(event.pointerId);
    const start = locate(event);
    const held = heldAt(start, event);
    const grabbed = held // a new box is one without area, dragged by its lower right corner
      ? { number: selected, held, from: boxes[selected].box }
      : { number: null, held: { x: 1, y: 1 }, from: [start.x, start.y, start.x, start.y] };
    draft = { ...grabbed, box: grabbed.from, pointer: event.pointerId, start };
  }

  function onpointermove(event) {
    const at = locate(event);
    if (draft?.pointer === undefined) return hover(heldAt(at, event));
    if (draft.pointer !== event.pointerId) return;
    const [dx, dy] = [at.x - draft.start.x, at.y - draft.start.y];
    draft.moved ||= Math.hypot(dx, dy) * scale > CLICK;
    if (draft.moved) draft.box = dragged(draft.from, draft.held, dx, dy, view);
    paint();
  }

  function onpointerup(event) {
    if (draft?.pointer !== event.pointerId) return;
    if (draft.moved) return finish();
    const { start } = draft;
    draft = null;
    const under = [...boxes.keys()].filter((n) => grip(boxes[n].box, start, CLICK / scale));
    under.sort((a, b) => area(boxes[a].box) - area(boxes[b].box)); // one inside another is reached
    select(under[0] ?? null);
  }

  function hover(held) {
    const corner = held && held.x * held.y;
    if (!held) overlay.style.cursor = "crosshair";
    else if (corner) overlay.style.cursor = corner > 0 ? "nwse-resize" : "nesw-resize";
    else overlay.style.cursor = held.x ? "ew-resize" : held.y ? "ns-resize" : "move";
  }

  // ------------------------------------------------------------------------------------------ keys

  function onkeydown(event) {
    event.stopPropagation();
    if (obey(event)) event.preventDefault();
  }

  function onkeyup(event) {
    event.stopPropagation();
    if (event.key.startsWith("Arrow")) settle();
  }

  /** Finish what keys have moved. */
  function settle() {
    if (draft?.pointer === undefined) finish();
  }

  /** Do what a key asks for; false where the key means nothing here. */
  function obey(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1]; // where French has é and è
    const command = event.ctrlKey || event.metaKey;
    if (event.repeat && turning) return true; // a key held down shall not run ahead
    if (command && key === "z") step(event.shiftKey ? "redo" : "undo");
    else if (command && key === "y") step("redo");
    else if (key.startsWith("Arrow")) return nudge(key, event);
    else if (command || event.altKey) return false;
    else if (key === "Tab") return cycle(event.shiftKey ? -1 : 1);
    else if (key === "n" || key === "PageDown") step("next");
    else if (key === "p" || key === "PageUp") step("previous");
    else if (key === "Delete" || key === "Backspace") remove();
    else if (key === "+" || key === "=") setZoom(zoom * 1.25);
    else if (key === "-") setZoom(zoom / 1.25);
    else if (key === "Escape") draft ? cancel() : select(null);
    else if (classes[digit - 1]) choose(digit - 1);
    else return false;
    return true;
  }

  /** Go round the boxes; past either end the focus leaves the picture, as Tab does elsewhere. */
  function cycle(by) {
    const to = selected === null ? (by > 0 ? 0 : boxes.length - 1) : selected + by;
    if (!boxes[to] || !overlay.matches(":focus")) return false;
    select(to);
    return true;
  }

  /** Move or resize the selected box by keys; letting the key go finishes it. */
  function nudge(key, { shiftKey, altKey, ctrlKey }) {
    if (selected === null) return false;
    if (turning || draft?.pointer !== undefined) return true;
    const by = shiftKey ? 10 : 1;
    const dx = { ArrowLeft: -by, ArrowRight: by }[key] ?? 0;
    const dy = { ArrowUp: -by, ArrowDown: by }[key] ?? 0;
    const held = altKey || ctrlKey ? { x: dx && 1, y: dy && 1 } : { x: 0, y: 0 };
    draft ??= { number: selected, from: boxes[selected].box, box: boxes[selected].box };
    const box = dragged(draft.box, held, dx, dy, view);
    if (!isTiny(box)) draft.box = box;
    paint();
    return true;
  }

  // -------------------------------------------------------------------------------------- painting

  function setZoom(wanted) {
    const by = clamp(wanted, 1, 8) / zoom;
    const [halfWidth, halfHeight] = [stage.clientWidth / 2, stage.clientHeight / 2];
    const [x, y] = [stage.scrollLeft + halfWidth, stage.scrollTop + halfHeight];
    zoom *= by;
    fit();
    stage.scrollTo(x * by - halfWidth, y * by - halfHeight); // the middle stays in the middle
  }

  /** As large as the cell allows; a small picture at most enlarged to LARGE, a large one not. */
  function fit() {
    const { width, height } = view;
    const room = root.clientWidth - 8;
    if (room <= 0) return; // not in the page yet
    const enlarge = Math.max(1, LARGE / Math.max(width, height));
    const most = enlarge < 2 ? enlarge : Math.floor(enlarge); // whole: its pixels stay square
    const base = Math.min(most, room / width, TALLEST / height);
    scale = base * zoom;
    stage.style.maxHeight = `${height * base}px`;
    sheet.style.width = `${width * scale}px`;
    sheet.style.height = `${height * scale}px`;
    sheet.classList.toggle("pixels", scale >= 2);
    paint();
  }

  function onScreen(box) {
    const [x, y, right, bottom] = box.map((edge) => edge * scale);
    return { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
  }

  function paint() {
    const shown = [...boxes];
    if (shown[draft?.number]) shown[draft.number] = { ...boxes[draft.number], box: draft.box };
    const isNew = draft?.number === null && !isTiny(draft.box);
    const active = isNew ? shown.push({ box: draft.box, label }) - 1 : selected;
    const sheetSize = { width: view.width * scale, height: view.height * scale };
    const rects = shown.map(({ box }) => onScreen(box));
    const order = [...shown.keys()].sort((a, b) => (a === active) - (b === active)); // it on top
    const tags = [];
    for (const n of order) {
      const width = ruler.measureText(classes[shown[n].label].name).width + 2 * TAG.pad;
      const others = rects.filter((_, other) => other !== n);
      tags[n] = tagPlace(rects[n], width, sheetSize, Object.values(tags), others);
    }
    const draw = (n) => drawBox(rects[n], tags[n], classes[shown[n].label], n === active);
    overlay.replaceChildren(...order.map(draw));
    describe(shown[active]);
  }

  function describe(item) {
    const { index, count, file, width, height } = view;
    facts.textContent = `Picture ${index + 1} of ${count}: ${file}, ${width} × ${height} px`;
    if (item) {
      const [x1, y1, x2, y2] = item.box.map(Math.round);
      const size = `${x2 - x1} × ${y2 - y1} px at ${x1}, ${y1}`;
      facts.textContent = `${classes[item.label].name}: ${size}`;
    }
    overlay.setAttribute("aria-label", `${file} with ${boxes.length} boxes`);
    progress.textContent = view.progress;
    const usable = {
      previous: index > 0, next: index + 1 < count, undo: view.undo, redo: view.redo,
      smaller: zoom > 1, larger: zoom < 8, remove: selected !== null,
    };
    // Not `disabled`: the focus would fall back to the notebook, and the next key with it.
    for (const name in tools) tools[name].setAttribute("aria-disabled", !usable[name]);
    const pressed = item?.label ?? label;
    palette.forEach((choice, n) => choice.setAttribute("aria-pressed", n === pressed));
  }

  // -------------------------------------------------------------------------------------- lifetime

  const resized = new ResizeObserver(fit);
  resized.observe(root);
  model.on("change:view", onView);
  onView();
  return () => {
    clearTimeout(patience);
    resized.disconnect();
    model.off("change:view", onView);
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
