// Pictures of graphs: <div data-picture="address of its JSON" data-panel="id of what shows a box" data-focus="key">.
// The places of the boxes come from the server with them; Cytoscape draws, moves and magnifies.
(() => {
  "use strict";

  const WIDTH = 190; // of a box, as the server lays them out
  const HEIGHT = 36;
  const ROOM = 28; // px round a picture that is shown whole
  const LARGEST = 2.5;
  const SMALL = 0.5; // of its natural size; a box in focus that would be smaller is shown
  const READABLE = 0.8; // as large as this instead of with all the others
  const STEP = 1.3; // of one press on Larger or Smaller
  const MANY = 400; // boxes, from which on arrows are left out while the picture moves
  // By kind: shape and ground. All others are rectangles with round corners, on the ground of a card.
  const KINDS = { package: ["rectangle", "idle-wash"], secret: ["barrel", "waiting-wash"], host: ["round-rectangle", "active-wash"], event: ["cut-rectangle", "idle-wash"], rule: ["round-rectangle", "waiting-wash"] };
  const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const pictures = new Map(); // element → Cytoscape's object

  // Colours are those of the page, in either theme.
  function looks() {
    const tokens = getComputedStyle(document.documentElement);
    const colour = (name) => tokens.getPropertyValue(`--${name}`).trim();
    const tone = (name) => ({ selector: `node[tone = "${name}"]`, style: { "border-color": colour(name) } });
    return [
      {
        selector: "node",
        style: {
          width: WIDTH, height: HEIGHT, shape: "round-rectangle",
          "background-color": colour("surface"), "border-color": colour("line-strong"), "border-width": 1.5,
          label: "data(words)", color: colour("ink"), "font-family": "JetBrains Mono, monospace", "font-size": 12,
          "text-valign": "center", "text-halign": "center", "min-zoomed-font-size": 5,
        },
      },
      ...Object.entries(KINDS).map(([kind, [shape, ground]]) => ({ selector: `node[shape = "${kind}"]`, style: { shape, "background-color": colour(ground) } })),
      { selector: 'node[shape = "host"], node[shape = "call"]', style: { "corner-radius": 18 } },
      tone("good"), tone("active"),
      { selector: 'node[tone = "waiting"]', style: { "border-color": colour("waiting"), "border-style": "dashed", "border-width": 2 } },
      { selector: 'node[tone = "bad"]', style: { "border-color": colour("bad"), "border-width": 3 } },
      { selector: "node[?isMissing]", style: { "border-color": colour("bad"), "border-style": "dashed", "background-color": colour("bad-wash") } },
      { selector: "node[?isFaint]", style: { opacity: 0.5 } },
      {
        selector: "edge",
        style: {
          width: 1.3, "line-color": colour("line-strong"), "target-arrow-color": colour("line-strong"), "target-arrow-shape": "triangle", "arrow-scale": 0.8,
          "curve-style": "unbundled-bezier", "edge-distances": "endpoints", "control-point-weights": "data(weights)", "control-point-distances": "data(distances)",
          "source-endpoint": "data(leaves)", "target-endpoint": "data(arrives)",
        },
      },
      { selector: "edge[?isBroken], edge[?isCircular]", style: { "line-color": colour("bad"), "target-arrow-color": colour("bad"), "line-style": "dashed", width: 2 } },
      { selector: ".is-near", style: { "line-color": colour("accent"), "target-arrow-color": colour("accent"), width: 2.5, "z-index": 5 } },
      { selector: "node:selected", style: { "border-color": colour("accent"), "border-width": 3, "background-color": colour("accent-wash"), opacity: 1 } },
    ];
  }

  // An arrow leaves to the right and arrives from the left; one that goes back, in a circle, does both below.
  // Cytoscape wants its two bends as shares of the way along the straight line, and pixels away from it.
  function route(from, to) {
    const isBack = to.x - from.x < WIDTH;
    const start = isBack ? { x: from.x, y: from.y + HEIGHT / 2 } : { x: from.x + WIDTH / 2, y: from.y };
    const end = isBack ? { x: to.x, y: to.y + HEIGHT / 2 } : { x: to.x - WIDTH / 2, y: to.y };
    const [across, down] = [end.x - start.x, end.y - start.y];
    const bend = Math.max(30, across / 2);
    const lowest = Math.max(start.y, end.y) + HEIGHT - start.y;
    const points = isBack ? [[0, lowest], [across, lowest]] : [[bend, 0], [across - bend, down]];
    const length = Math.hypot(across, down) || 1;
    return {
      weights: points.map(([x, y]) => (x * across + y * down) / (length * length)),
      distances: points.map(([x, y]) => (y * across - x * down) / length),
      leaves: isBack ? "180deg" : "90deg",
      arrives: isBack ? "180deg" : "270deg",
    };
  }

  function elementsOf(told) {
    const places = new Map(told.boxes.map((box) => [box.id, box]));
    const boxes = told.boxes.map(({ x, y, ...data }) => ({ group: "nodes", data, position: { x, y } }));
    const arrows = told.arrows.map((arrow, number) => ({
      group: "edges",
      data: { ...arrow, id: `arrow ${number}`, ...route(places.get(arrow.source), places.get(arrow.target)) },
    }));
    return [...boxes, ...arrows];
  }

  function showAll(picture) {
    picture.fit(undefined, ROOM);
    if (picture.zoom() > 1) {
      picture.zoom(1);
      picture.center();
    }
  }

  // The focus large enough to be read, or all of it.
  function showFirst(picture, focus) {
    showAll(picture);
    if (focus.empty() || picture.zoom() >= SMALL) return;
    picture.zoom(READABLE);
    picture.center(focus);
  }

  function say(element, node) {
    const count = (edges) => edges.length || "none";
    const text = `${node.data("title")}. Uses ${count(node.outgoers("edge"))}, used by ${count(node.incomers("edge"))}.`;
    element.closest("[data-frame]").querySelector("[data-said]").textContent = text;
  }

  function choose(element, node) {
    const picture = node.cy();
    picture.elements().unselect().removeClass("is-near");
    node.select().connectedEdges().addClass("is-near");
    say(element, node);
  }

  // Whoever came by the keyboard goes on in the panel; where it stands below the picture, it comes into view.
  async function open(element, node, { isByKeyboard = false } = {}) {
    choose(element, node);
    if (!node.data("panel")) return;
    const panel = document.getElementById(element.dataset.panel);
    await htmx.ajax("GET", node.data("panel"), { source: panel, target: panel });
    if (isByKeyboard) panel.focus();
    else panel.scrollIntoView({ block: "nearest" });
  }

  // The nearest box in a direction; what lies to the side counts twice.
  function neighbour(picture, node, [across, down]) {
    const from = node.position();
    let best = null;
    let least = Infinity;
    picture.nodes().forEach((other) => {
      const [x, y] = [other.position("x") - from.x, other.position("y") - from.y];
      const ahead = x * across + y * down;
      const far = ahead + 2 * Math.abs(x * down - y * across);
      if (ahead > 1 && far < least) [best, least] = [other, far];
    });
    return best;
  }

  function bringIntoView(picture, node) {
    const [seen, place] = [picture.extent(), node.position()];
    if (place.x < seen.x1 || place.x > seen.x2 || place.y < seen.y1 || place.y > seen.y2) picture.center(node);
  }

  function step(element, picture, direction) {
    const chosen = picture.$("node:selected").first();
    const next = chosen.nonempty() ? neighbour(picture, chosen, direction) : picture.nodes().first();
    if (!next) return;
    choose(element, next);
    bringIntoView(picture, next);
  }

  function zoom(picture, way) {
    if (way === "fit") return showAll(picture);
    const middle = { x: picture.width() / 2, y: picture.height() / 2 };
    picture.zoom({ level: picture.zoom() * (way === "in" ? STEP : 1 / STEP), renderedPosition: middle });
  }

  function press(element, picture, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = picture.$("node:selected").first();
    const ways = { "+": "in", "=": "in", "-": "out", 0: "fit" };
    if (DIRECTIONS[event.key]) step(element, picture, DIRECTIONS[event.key]);
    else if (ways[event.key]) zoom(picture, ways[event.key]);
    else if (event.key === "Enter" && chosen.nonempty()) open(element, chosen, { isByKeyboard: true });
    else return;
    event.preventDefault();
  }

  // A picture of another size is shown anew, unless the reader has moved it: what they look at then stays.
  function keepInPlace(element, picture, focus) {
    const size = () => `${picture.width()} × ${picture.height()}`;
    let isMoved = false;
    let last = size();
    picture.on("dragpan scrollzoom pinchzoom", () => (isMoved = true));
    picture.on("resize", () => {
      if (size() === last) return;
      last = size();
      const chosen = picture.$("node:selected").first();
      if (!isMoved) showFirst(picture, focus);
      else if (chosen.nonempty()) bringIntoView(picture, chosen);
    });
    // Cytoscape remembers where on the page it is; what opens above it moves it, and it would hear clicks beside the boxes.
    for (const kind of ["pointerenter", "pointerdown"]) element.addEventListener(kind, () => picture.resize(), true);
  }

  function draw(element, told) {
    const isLarge = told.boxes.length > MANY;
    const picture = cytoscape({
      container: element, elements: elementsOf(told), style: looks(), layout: { name: "preset", fit: false },
      maxZoom: LARGEST, minZoom: 0.03, boxSelectionEnabled: false, hideEdgesOnViewport: isLarge, textureOnViewport: isLarge,
    });
    pictures.set(element, picture);
    const focus = picture.getElementById(element.dataset.focus);
    if (focus.nonempty()) choose(element, focus);
    showFirst(picture, focus);
    keepInPlace(element, picture, focus);
    picture.on("tap", "node", (event) => open(element, event.target));
    element.addEventListener("keydown", (event) => press(element, picture, event));
    picture.one("render", () => {
      element.dataset.drawn = "yes";
      performance.mark("picture drawn");
    });
  }

  async function fetchAndDraw(element) {
    element.dataset.drawn = "no";
    const note = element.querySelector("[data-note]");
    try {
      const answer = await fetch(element.dataset.picture, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const told = await answer.json();
      if (!element.isConnected) return;
      note.remove();
      draw(element, told);
    } catch (error) {
      note.textContent = `The picture could not be fetched (${error.message}). Load the page again, or look at the list.`;
    }
  }

  function tune() {
    for (const [element, picture] of pictures) {
      if (element.isConnected) continue;
      picture.destroy();
      pictures.delete(element);
    }
    for (const element of document.querySelectorAll("[data-picture]:not([data-drawn])")) fetchAndDraw(element);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    const picture = button && pictures.get(button.closest("[data-frame]").querySelector("[data-picture]"));
    if (picture) zoom(picture, button.dataset.zoom);
  });
  new MutationObserver(() => pictures.forEach((picture) => picture.style(looks()))).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  document.addEventListener("DOMContentLoaded", tune);
  document.addEventListener("htmx:afterSettle", tune);
})();
