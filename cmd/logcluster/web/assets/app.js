// Keeps the page fresh: asks the server for the changing part of it, which it
// renders and escapes, and puts it in place row by row and card by card, so that
// what a reader has opened or selected stays. Without this script the page is the
// same, once.
"use strict";
(() => {
  const live = document.getElementById("live");
  const announce = document.getElementById("announce");
  const connection = document.getElementById("connection");
  const pause = document.getElementById("pause");
  const theme = document.getElementById("theme");
  const every = Number(document.body.dataset.refresh) || 3000;
  const source = document.body.dataset.live; // none: nothing on this page changes
  let paused = false;
  let waiting = 0; // failures in a row

  // replaceRows updates the table's rows in the order of the new ones, and
  // leaves alone those that say the same.
  function replaceRows(was, is) {
    const known = new Map();
    for (const row of was.tBodies) known.set(row.dataset.id, row);
    const rows = [];
    for (const next of [...is.tBodies]) {
      const row = known.get(next.dataset.id);
      if (!row) {
        rows.push(next);
        continue;
      }
      known.delete(next.dataset.id);
      const open = row.querySelector("details").open;
      if (row.fresh !== next.innerHTML) {
        row.fresh = next.innerHTML;
        row.className = next.className;
        row.id = next.id;
        const focused = row.contains(document.activeElement) && document.activeElement.tagName;
        row.replaceChildren(...next.childNodes);
        row.querySelector("details").open = open;
        if (focused) row.querySelector(focused)?.focus({ preventScroll: true });
      }
      rows.push(row);
    }
    for (const gone of known.values()) gone.remove();
    rows.forEach((row, i) => {
      if (was.tBodies[i] !== row) was.insertBefore(row, was.tBodies[i] || null);
    });
  }

  // keepCards leaves alone the cards that say the same, and opens in the others
  // what was open.
  function keepCards(next) {
    for (const card of [...next.querySelectorAll(":scope > section[id]")]) {
      const was = live.querySelector(":scope > #" + card.id);
      const fresh = card.innerHTML;
      if (was && was.fresh === fresh) {
        card.replaceWith(was);
        continue;
      }
      card.fresh = fresh;
      if (!was) continue;
      const open = new Set([...was.querySelectorAll("details[open]")].map((d) => d.dataset.key));
      for (const d of card.querySelectorAll("details")) d.open = open.has(d.dataset.key);
    }
  }

  function show(html) {
    const doc = new DOMParser().parseFromString(html, "text/html");
    const next = doc.body;
    const was = live.querySelector(":scope > table");
    const is = next.querySelector(":scope > table");
    const said = live.querySelector("#headline")?.textContent;
    const says = next.querySelector("#headline")?.textContent;
    if (was && is) {
      replaceRows(was, is);
      is.replaceWith(was);
    }
    keepCards(next);
    const focused = live.contains(document.activeElement) && document.activeElement;
    const key = focused && focused.closest("details")?.dataset.key;
    live.replaceChildren(...next.childNodes);
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    else if (key) live.querySelector(`details[data-key="${CSS.escape(key)}"] > summary`)?.focus({ preventScroll: true });
    if (says && said !== says) announce.textContent = says;
    decorate();
  }

  async function refresh() {
    if (!source || paused || document.hidden) return;
    if (String(document.getSelection()) && live.contains(document.getSelection().anchorNode)) return;
    try {
      const answer = await fetch(source, { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error("HTTP " + answer.status);
      show(await answer.text());
      waiting = 0;
      connection.hidden = true;
    } catch (err) {
      waiting++;
      connection.textContent = "No answer, the page is old (" + (err.message || "error") + ")";
      connection.hidden = waiting < 2;
    }
  }

  // decorate shows what only works with a script.
  function decorate() {
    for (const b of live.querySelectorAll(".copy")) b.hidden = false;
  }

  async function copy(button) {
    const code = button.closest("section").querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // not a secure context: Ctrl-C does it
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  live.addEventListener("click", (e) => {
    const button = e.target.closest(".copy");
    if (button) copy(button);
  });

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    refresh();
  });

  const root = document.documentElement;
  const saved = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;
  theme.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* private window */ }
  });

  // A link from an alert names the cluster: open it.
  function openTarget() {
    const row = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (row?.matches(".anomaly")) row.querySelector("details").open = true;
    const folded = row?.querySelector(":scope > details") || row?.closest("details");
    if (folded) folded.open = true;
  }
  addEventListener("hashchange", openTarget);

  theme.hidden = false;
  pause.hidden = !source;
  decorate();
  openTarget();
  (function loop() {
    setTimeout(async () => { await refresh(); loop(); }, every * Math.min(2 ** waiting, 16));
  })();
  document.addEventListener("visibilitychange", refresh);
})();
