// Keys: g then a letter goes somewhere, / searches, ? helps. Silent while somebody types or a dialog is open.
(() => {
  "use strict";
  let waitsForLetter = 0;

  function isTyping(target) {
    return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) || document.querySelector("dialog[open]");
  }

  function follow(letter) {
    const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
    if (link) link.click();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (waitsForLetter && Date.now() - waitsForLetter < 1500) {
      waitsForLetter = 0;
      return follow(event.key);
    }
    if (event.key === "g") waitsForLetter = Date.now();
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
    if (event.key === "?") document.getElementById("keys")?.showModal();
  });
})();
