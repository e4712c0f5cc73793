// Regions that change by themselves: <… data-live="task.<id>" hx-get="…" hx-trigger="changed, every 10s">.
// A socket per topic says "changed"; the region then asks again by HTTP, which decides what may be seen.
(() => {
  "use strict";

  const PAUSE = 400; // between two looks at one region, in ms: hints come in bursts
  const sockets = new Map(); // topic → { socket, wait }
  const due = new WeakMap(); // region → timer
  const held = new Set(); // regions that changed while the pointer was down
  let isPressed = false;

  const regions = () => [...document.querySelectorAll("[data-live]")];
  const topicsOf = (region) => region.dataset.live.split(" ").filter(Boolean);

  function look(region) {
    if (due.has(region)) return;
    due.set(region, setTimeout(() => {
      due.delete(region);
      if (region.isConnected) htmx.trigger(region, "changed");
    }, PAUSE));
  }

  function listen(topic) {
    if (sockets.has(topic)) return;
    const entry = { wait: 1000 };
    sockets.set(topic, entry);
    connect(topic, entry);
  }

  function connect(topic, entry) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const path = document.body.dataset.hints;
    const socket = new WebSocket(`${scheme}//${location.host}${path}?topic=${encodeURIComponent(topic)}`);
    entry.socket = socket;
    const lookAtRegions = () => regions().filter((region) => topicsOf(region).includes(topic)).forEach(look);
    socket.addEventListener("open", () => {
      entry.wait = 1000;
      lookAtRegions(); // What changed before the socket listened was told to nobody.
    });
    socket.addEventListener("message", lookAtRegions);
    socket.addEventListener("close", (event) => {
      const isRefused = event.code === 4404;
      if (isRefused || sockets.get(topic) !== entry) return;
      setTimeout(() => sockets.get(topic) === entry && connect(topic, entry), entry.wait);
      entry.wait = Math.min(entry.wait * 2, 30000);
    });
  }

  // What is replaced between pressing and letting go never hears its click: the region waits until the pointer is up.
  document.addEventListener("pointerdown", () => (isPressed = true), true);
  for (const end of ["pointerup", "pointercancel", "dragend"]) document.addEventListener(end, release, true);
  function release() {
    isPressed = false;
    held.forEach(look);
    held.clear();
  }
  document.addEventListener("htmx:beforeSwap", (event) => {
    const region = event.detail.elt;
    if (!isPressed || !region.matches("[data-live]")) return;
    event.detail.shouldSwap = false;
    held.add(region);
  });

  // After each swap: listen to what is on the page now, and to nothing else.
  function tune() {
    if (!document.body.dataset.hints) return;
    const wanted = new Set(regions().flatMap(topicsOf));
    for (const [topic, entry] of sockets) {
      if (wanted.has(topic)) continue;
      sockets.delete(topic);
      entry.socket.close();
    }
    wanted.forEach(listen);
  }

  document.addEventListener("DOMContentLoaded", tune);
  document.addEventListener("htmx:afterSettle", tune);
})();
