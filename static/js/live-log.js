// A run's output over a websocket. Resumes after the last sequence number, so that nothing is lost or doubled however often the line breaks.
(() => {
  "use strict";
  const KEEP_LINES = 5000; // More would make the page slow; the download has everything.
  const LONGEST_WAIT = 15000;
  const LEVELS = ["debug", "info", "warning", "error"];
  const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

  // Control and bidi characters are shown, not obeyed; the server does the same for what it renders.
  function visible(text) {
    return text.replace(UNSAFE, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
  }

  function lineElement(chunk) {
    const line = document.createElement("div");
    const stream = ["stdout", "stderr", "log"].includes(chunk.stream) ? chunk.stream : "system";
    line.className = `log-line log-${stream}`;
    line.dataset.stream = stream;
    line.dataset.level = chunk.level;
    const time = document.createElement("time");
    time.dateTime = chunk.at;
    time.textContent = chunk.at.slice(11, 23);
    line.append(time);
    if (chunk.level) {
      const level = document.createElement("span");
      level.className = `log-level log-level-${chunk.level}`;
      level.textContent = chunk.level;
      line.append(level);
    }
    const text = document.createElement("span");
    text.className = "log-text";
    line.append(text);
    return line;
  }

  function follow(view) {
    const lines = view.querySelector("[data-log-lines]");
    const status = view.querySelector("[data-log-status]");
    const pause = view.querySelector("[data-log-pause]");
    const empty = view.querySelector("[data-log-empty]");
    const search = view.querySelector("[data-log-search]");
    const kind = view.querySelector("[data-log-kind]");
    const count = view.querySelector("[data-log-count]");
    const waiting = [];
    const unfinished = new Map(); // What has no line end yet goes on when its stream does, whatever another one says between.
    let last = Number(lines.dataset.last);
    let wait = 500;
    let isDone = "finished" in view.dataset;

    const isPaused = () => pause.getAttribute("aria-pressed") === "true";
    const isAtEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;

    function say(text, connection) {
      status.textContent = text;
      view.dataset.connection = connection;
    }

    function isWanted(line) {
      const [stream, least] = kind.value.split(":");
      if (stream && line.dataset.stream !== stream) return false;
      if (least && LEVELS.indexOf(line.dataset.level) < LEVELS.indexOf(least)) return false;
      return line.querySelector(".log-text").textContent.toLowerCase().includes(search.value.toLowerCase());
    }

    function filter() {
      let shown = 0;
      for (const line of lines.children) {
        line.hidden = !isWanted(line);
        if (!line.hidden) shown += 1;
      }
      const isFiltered = search.value !== "" || kind.value !== "";
      count.textContent = isFiltered ? `${shown} of ${lines.childElementCount} lines` : "";
    }

    function write(chunk) {
      const key = `${chunk.attempt} ${chunk.stream} ${chunk.level}`;
      const parts = chunk.text.split("\n");
      parts.forEach((part, index) => {
        const isEnd = index === parts.length - 1;
        if (isEnd && part === "") return;
        let line = unfinished.get(key);
        if (!line) {
          line = lineElement(chunk);
          lines.append(line);
        }
        line.querySelector(".log-text").append(visible(part));
        if (isEnd) unfinished.set(key, line);
        else unfinished.delete(key);
      });
    }

    function draw() {
      const stick = isAtEnd();
      waiting.splice(0).forEach(write);
      while (lines.childElementCount > KEEP_LINES) lines.firstElementChild.remove();
      empty.hidden = lines.childElementCount > 0;
      filter();
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
    search.addEventListener("input", filter);
    kind.addEventListener("change", filter);
    view.querySelector("[data-log-end]").addEventListener("click", () => {
      lines.scrollTop = lines.scrollHeight;
      if (isPaused()) pause.click();
    });
    for (const line of lines.querySelectorAll("[data-unfinished]")) unfinished.set(line.dataset.unfinished, line);
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
