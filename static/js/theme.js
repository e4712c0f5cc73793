// Sets the theme before the first paint: the system's, unless this browser was told otherwise. The button goes system → light → dark.
(() => {
  "use strict";
  const key = "selfsmith-theme";
  const root = document.documentElement;
  const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
  const order = ["system", "light", "dark"];

  function chosen() {
    try {
      return localStorage.getItem(key) || "system";
    } catch {
      return "system"; // Storage can be forbidden by the browser; the system's theme then stays.
    }
  }

  function remember(choice) {
    try {
      localStorage.setItem(key, choice);
    } catch {
      // The choice then lasts for this page only.
    }
  }

  function show(choice) {
    const isDark = choice === "dark" || (choice === "system" && systemDark.matches);
    root.setAttribute("data-bs-theme", isDark ? "dark" : "light");
    if (choice === "system") root.removeAttribute("data-theme-choice");
    else root.setAttribute("data-theme-choice", choice);
    for (const button of document.querySelectorAll("[data-theme-button]")) {
      button.setAttribute("aria-label", `Theme: ${choice}`);
      button.title = `Theme: ${choice}`;
    }
  }

  show(chosen());
  systemDark.addEventListener("change", () => show(chosen()));
  document.addEventListener("DOMContentLoaded", () => show(chosen()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-button]")) return;
    const next = order[(order.indexOf(chosen()) + 1) % order.length];
    remember(next);
    show(next);
  });
})();
