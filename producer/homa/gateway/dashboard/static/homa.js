// The dashboard's keyboard, theme, copying and dialogs. Without it every page still reads, links and acts.
(() => {
  const $ = (query, at = document) => at.querySelector(query), $$ = (query, at = document) => [...at.querySelectorAll(query)];
  const root = document.documentElement, prefers = matchMedia("(prefers-color-scheme: dark)");
  let stored = null; try { stored = localStorage.getItem("homa-theme"); } catch {}
  const theme = () => { root.dataset.theme = stored || (prefers.matches ? "dark" : "light"); };
  theme(); prefers.addEventListener("change", theme);
  const narrow = () => matchMedia("(max-width:760px)").matches;

  addEventListener("DOMContentLoaded", () => {
    const toast = $(".toast"); let timer;
    const say = text => {
      if (!toast) return;
      toast.textContent = text; toast.classList.add("on");
      clearTimeout(timer); timer = setTimeout(() => toast.classList.remove("on"), 4000);
    };
    if (toast?.textContent.trim()) say(toast.textContent.trim());
    const turn = () => {
      stored = root.dataset.theme === "dark" ? "light" : "dark"; root.dataset.theme = stored;
      try { localStorage.setItem("homa-theme", stored); } catch {}
    };
    const copy = async text => {
      try { await navigator.clipboard.writeText(text); say("Copied: " + text.slice(0, 70)); }
      catch { say("Select and copy: " + text.slice(0, 70)); }
    };

    // An action's link leads to a page that asks; here the same form is shown in a dialog.
    const ask = async link => {
      const dialog = $("#ask");
      try {
        const answer = await fetch(link.href, { headers: { "x-fragment": "1" } });
        if (answer.status === 401) { location.reload(); return; }
        const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".asking");
        if (!found) { location.href = link.href; return; }
        dialog.replaceChildren(document.adoptNode(found));
        dialog.showModal(); $("[data-safe]", dialog)?.focus();
      } catch { location.href = link.href; }
    };

    document.addEventListener("click", event => {
      const link = event.target.closest("a[data-ask]");
      if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); ask(link); return; }
      if (event.target.closest("dialog [data-safe]")) { event.preventDefault(); $("#ask").close(); return; }
      const button = event.target.closest("button"); if (!button) return;
      if (button.matches("[data-theme-turn]")) turn();
      if (button.matches("[data-help]")) $("#help").showModal();
      if (button.matches("[data-copy]")) copy($("code", button.closest(".cmd")).textContent);
      if (button.matches("[data-swap]")) {
        const code = $("code", button.closest(".cmd")), other = code.dataset.other;
        code.dataset.other = code.textContent; code.textContent = other;
        button.textContent = button.textContent === "Python" ? "Command" : "Python";
      }
      if (button.matches("[data-live]")) pause(button);
    });

    // What comes live stands in #live; a paused page drops it, so that nothing moves under a reader's eyes.
    const live = $(".live"), told = live && $("span", live); let paused = false, last = Date.now(), asking = false;
    const pause = button => {
      paused = !paused; last = Date.now(); live.classList.toggle("off", paused); button.setAttribute("aria-pressed", paused);
      button.textContent = paused ? "Resume" : "Pause";
      told.textContent = paused ? "Paused" : "Live";
    };
    document.addEventListener("htmx:sse:before:message", event => {
      last = Date.now();
      if (paused) event.preventDefault();
    });
    document.addEventListener("htmx:before:request", event => { if (paused && event.target.id === "live") event.preventDefault(); });
    // Where nothing comes (a proxy holds streams back, a connection is gone), the page asks by itself.
    const fetchAgain = async () => {
      if (asking || document.hidden) return;
      asking = true;
      try {
        const answer = await fetch(location.href);
        const found = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#live");
        if (found && !paused) { $("#live").replaceChildren(...[...found.childNodes].map(each => document.adoptNode(each))); last = Date.now(); }
      } catch {} finally { asking = false; }
    };
    if (live && $("#live")) setInterval(() => {
      if (paused) return;
      const old = Math.round((Date.now() - last) / 1000);
      if (old > 6) fetchAgain();
      live.classList.toggle("off", old > 8);
      told.textContent = old > 8 ? "Not heard of for " + old + " s" : "Live";
    }, 1000);

    const settle = () => {
      if (!narrow()) return;
      $$("details.facet").forEach(each => { each.open = false; });
      $$(".scroll").forEach(each => { if ($("svg.chart", each)) each.scrollLeft = each.scrollWidth; });
      const nav = $(".nav"), here = $(".nav [aria-current]");
      if (here) nav.scrollLeft = here.offsetLeft - nav.clientWidth / 2 + here.offsetWidth / 2;
    };
    settle();

    let row = -1, going = 0;
    const rows = () => $$("tbody tr").filter(each => each.offsetParent && $("a", each));
    const go = to => {
      const all = rows(); if (!all.length) return;
      $$("tr.at").forEach(each => each.classList.remove("at"));
      row = Math.max(0, Math.min(all.length - 1, to)); all[row].classList.add("at");
      $("a", all[row]).focus({ preventScroll: true }); all[row].scrollIntoView({ block: "nearest" });
    };
    const pages = { o: "", j: "/jobs", b: "/batches", c: "/costs", l: "/limits", w: "/workers", f: "/failures", e: "/events" };
    addEventListener("keydown", event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.matches("input:not([type=checkbox]),select,textarea")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      if ($("dialog[open]")) return;
      const page = going && event.key in pages ? pages[event.key] : null; going = 0;
      if (page !== null) { location.href = "/dashboard" + page; return; }
      switch (event.key) {
        case "j": go(row + 1); break;
        case "k": go(row - 1); break;
        case "g": going = 1; setTimeout(() => { going = 0; }, 900); break;
        case "c": $("[data-copy]")?.click(); break;
        case "t": turn(); break;
        case "/": event.preventDefault(); $(".find input")?.focus(); break;
        case "?": $("#help")?.showModal(); break;
      }
    });
  });
})();
