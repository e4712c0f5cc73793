// A run's output over a websocket. Resumes after the last sequence number, so that nothing is lost or doubled however often the line breaks.
(() => {
  "use strict";
  const KEEP_LINES = 5000; // More would make the page slow; the download has everything.
  const LONGEST_WAIT = 15000;
  const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

  // Control and bidi characters are shown, not obeyed; the server does the same for what it renders.
  function visible(text) {
    return text.replace(UNSAFE, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
  }

  function chunkElement(chunk) {
    const line = document.createElement("div");
    const stream = ["stdout", "stderr", "platform"].includes(chunk.stream) ? chunk.stream : "platform";
    line.className = `log-chunk log-${stream}`;
    line.dataset.seq = chunk.seq;
    const time = document.createElement("time");
    time.dateTime = chunk.at;
    time.textContent = new Date(chunk.at).toLocaleTimeString("en-GB") + "." + String(new Date(chunk.at).getMilliseconds()).padStart(3, "0");
    const text = document.createElement("span");
    text.className = "log-text";
    text.textContent = visible(chunk.text);
    line.append(time, text);
    return line;
  }

  function follow(view) {
    const lines = view.querySelector("[data-log-lines]");
    const status = view.querySelector("[data-log-status]");
    const pause = view.querySelector("[data-log-pause]");
    const empty = view.querySelector("[data-log-empty]");
    const waiting = [];
    let last = Number(lines.lastElementChild?.dataset.seq ?? 0);
    let wait = 500;
    let isDone = "finished" in view.dataset;

    const isPaused = () => pause.getAttribute("aria-pressed") === "true";
    const isAtEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;

    function say(text, connection) {
      status.textContent = text;
      view.dataset.connection = connection;
    }

    function draw() {
      const stick = isAtEnd();
      lines.append(...waiting.splice(0).map(chunkElement));
      while (lines.childElementCount > KEEP_LINES) lines.firstElementChild.remove();
      empty.hidden = lines.childElementCount > 0;
      if (stick) lines.scrollTop = lines.scrollHeight;
    }

    function take(message) {
      for (const chunk of message.lines ?? []) {
        if (chunk.seq <= last) continue;
        last = chunk.seq;
        waiting.push(chunk);
      }
      if (!isPaused()) draw();
      else if (waiting.length) say(`Paused, ${waiting.length} more`, "broken");
      if (message.type === "end") finish();
    }

    function finish() {
      isDone = true;
      pause.hidden = true;
      view.dataset.finished = "";
      say("Complete", "done");
      empty.textContent = "The run wrote nothing to its output.";
      view.dispatchEvent(new CustomEvent("run-finished", { bubbles: true }));
    }

    function connect() {
      if (isDone || !view.isConnected) return;
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(`${scheme}//${location.host}${view.dataset.liveLog}?after=${last}`);
      socket.addEventListener("open", () => {
        wait = 500;
        say(isPaused() ? "Paused" : "Live", "live");
      });
      socket.addEventListener("message", (event) => take(JSON.parse(event.data)));
      socket.addEventListener("close", (event) => {
        if (isDone) return;
        if (event.code === 4404 || event.code === 4403) return say("This run cannot be followed.", "broken");
        say(`Connection lost; trying again in ${Math.ceil(wait / 1000)} s`, "broken");
        setTimeout(connect, wait + Math.random() * 250);
        wait = Math.min(wait * 2, LONGEST_WAIT);
      });
    }

    pause.addEventListener("click", () => {
      pause.setAttribute("aria-pressed", String(!isPaused()));
      if (!isPaused()) draw();
      if (!isDone) say(isPaused() ? "Paused" : "Live", "live");
    });
    view.querySelector("[data-log-times]").addEventListener("click", (event) => {
      const isShown = view.classList.toggle("log-with-times");
      event.currentTarget.setAttribute("aria-pressed", String(isShown));
    });
    lines.scrollTop = lines.scrollHeight;
    if (isDone) pause.hidden = true;
    connect();
  }

  function followAll(root) {
    for (const view of root.querySelectorAll("[data-live-log]:not([data-followed])")) {
      view.dataset.followed = "";
      follow(view);
    }
  }

  document.addEventListener("htmx:afterSettle", () => followAll(document));
  followAll(document);
})();
