// Behaviour that every page shares: menus, dialogs, confirmation, copying, toasts, relative times, errors of htmx. No page needs its own script.
(() => {
  "use strict";

  // Menus are <details data-menu>: one open at a time, closed by Escape or a click elsewhere.
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (menu !== except) menu.open = false;
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details[data-menu][open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  // One confirmation dialog for htmx (hx-confirm) and for plain buttons (data-confirm).
  function confirmWith(question, label, goOn) {
    const dialog = document.getElementById("confirm");
    dialog.querySelector("[data-question]").textContent = question;
    dialog.querySelector("[data-yes]").textContent = label || "Go on";
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && goOn(), { once: true });
    dialog.showModal();
  }

  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    const label = event.detail.elt.dataset.confirmLabel;
    confirmWith(event.detail.question, label, () => event.detail.issueRequest(true));
  });

  function copy(button) {
    const text = button.dataset.copy ?? [...button.closest("figure").querySelectorAll(".code-line")].map((line) => line.lastChild && line.textContent.replace("The error is here: ", "")).join("");
    navigator.clipboard.writeText(text).then(
      () => toast("Copied."),
      () => toast("The browser did not allow copying."),
    );
  }

  function toggleNavigation(button) {
    const isOpen = document.getElementById("sidebar").classList.toggle("is-open");
    button.setAttribute("aria-expanded", String(isOpen));
  }

  document.addEventListener("click", (event) => {
    const target = event.target;
    closeMenus(target.closest("details[data-menu]"));
    const confirming = target.closest("button[data-confirm]");
    if (confirming && !confirming.dataset.confirmed) {
      event.preventDefault();
      return confirmWith(confirming.dataset.confirm, confirming.dataset.confirmLabel, () => {
        confirming.dataset.confirmed = "yes";
        confirming.click();
        delete confirming.dataset.confirmed;
      });
    }
    const copying = target.closest("[data-copy], [data-copy-from]");
    if (copying) copy(copying);
    const navigation = target.closest("[data-toggle-nav]");
    if (navigation) toggleNavigation(navigation);
    const opener = target.closest("[data-open-dialog]");
    if (opener) document.getElementById(opener.dataset.openDialog).showModal();
    const dismiss = target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest("[data-toast]").remove();
  });

  function toast(text) {
    const copyOfTemplate = document.getElementById("toast-template").content.cloneNode(true);
    const item = copyOfTemplate.firstElementChild;
    item.querySelector("[data-text]").textContent = text;
    document.getElementById("toasts").append(item);
    setTimeout(() => item.remove(), 8000);
  }

  // What went well goes by itself; what did not stays until somebody has read it.
  for (const item of document.querySelectorAll("[data-toast]:not(.toast-error, .toast-warning)")) setTimeout(() => item.remove(), 8000);

  document.addEventListener("htmx:sendError", () => toast("The server does not answer. The page goes on trying."));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    toast(status === 403 ? "You may not do that, or you were signed out." : `That did not work (${status}). Nothing was changed.`);
  });

  // Signed out meanwhile: the answer is then the sign-in page, which belongs in the window and not in a part of this one.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!new URL(event.detail.xhr.responseURL).pathname.startsWith("/accounts/")) return;
    event.detail.shouldSwap = false;
    location.reload();
  });

  // A refreshed part keeps open what the reader had opened and closed what the reader had closed, and the keyboard stays where it was.
  const remembered = new Map();
  let focused = null; // what had the focus before, by now perhaps no longer on the page
  document.addEventListener("htmx:beforeSwap", (event) => {
    for (const details of event.detail.target.querySelectorAll("details[id]")) remembered.set(details.id, details.open);
    focused = document.activeElement;
  });
  // In the same turn as the swap: a key that is pressed a moment later must not fall on the body.
  document.addEventListener("htmx:afterSwap", () => {
    if (!focused || focused.isConnected) return;
    const isTheSame = (other) => other.textContent === focused.textContent && ["id", "name", "href"].every((name) => other.getAttribute(name) === focused.getAttribute(name));
    [...document.querySelectorAll(`#main ${focused.localName}`)].find(isTheSame)?.focus({ preventScroll: true });
    focused = null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const [id, isOpen] of remembered) {
      const details = document.getElementById(id);
      if (details) details.open = isOpen;
    }
    remembered.clear();
    freshenTimes();
  });

  // Times: "3 minutes ago" for a day, then the date that the server wrote; the exact time is in the title.
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  function relative(seconds) {
    if (Math.abs(seconds) < 45) return "just now";
    if (Math.abs(seconds) < 3600) return words.format(Math.round(seconds / 60), "minute");
    return words.format(Math.round(seconds / 3600), "hour");
  }

  function freshenTimes() {
    for (const element of document.querySelectorAll("time[data-relative]")) {
      const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
      if (Math.abs(seconds) < 86400) element.textContent = relative(seconds);
    }
  }

  // Tab writes four spaces in a source field; Escape then Tab leaves it, so that the keyboard is not trapped.
  document.addEventListener("keydown", (event) => {
    const area = event.target;
    if (!area.matches || !area.matches("textarea[data-source]")) return;
    if (event.key === "Escape") area.dataset.leaving = "yes";
    else if (event.key === "Tab" && !event.shiftKey && !area.dataset.leaving) {
      event.preventDefault();
      area.setRangeText("    ", area.selectionStart, area.selectionEnd, "end");
    } else if (event.key !== "Shift") delete area.dataset.leaving;
  });

  freshenTimes();
  setInterval(freshenTimes, 30000);
})();
