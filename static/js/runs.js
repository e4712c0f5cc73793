// The list of runs: the plot of durations by pointer and keyboard, and the boxes to tick, which a refresh must not empty.
(() => {
  "use strict";

  const MOVES = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

  function tell(dot) {
    const note = dot.closest("section").querySelector("[data-scatter-note]");
    note.textContent = dot.querySelector("title").textContent;
  }

  const dotAt = (event) => event.target.closest?.("[data-scatter] a");

  document.addEventListener("keydown", (event) => {
    const plot = event.target.closest?.("[data-scatter]");
    if (!plot || !(event.key in MOVES) || event.ctrlKey || event.metaKey || event.altKey) return;
    const dots = [...plot.querySelectorAll("a")];
    const at = dots.indexOf(document.activeElement); // -1 on the plot itself, from where the first step leads to the last run
    const next = at < 0 && event.key !== "Home" ? dots.length - 1 : at + MOVES[event.key];
    dots[Math.max(0, Math.min(dots.length - 1, next))].focus();
    event.preventDefault();
  });

  for (const kind of ["focusin", "pointerover"]) {
    document.addEventListener(kind, (event) => {
      const dot = dotAt(event);
      if (dot) tell(dot);
    });
  }

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-choose-all]")) return;
    for (const box of event.target.form.querySelectorAll("[name=run]")) box.checked = event.target.checked;
  });

  // Who has ticked boxes, or is among the dots, goes on with what they see.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const region = event.detail.elt;
    const isBusy = region.matches("[data-keeps-choice]") && (region.querySelector("[name=run]:checked, details[open]") || region.querySelector("[data-scatter]:focus-within"));
    if (isBusy) event.preventDefault();
  });
})();
