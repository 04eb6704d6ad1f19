/* Finds sections of the book that hold all words asked for, whatever part of a word or number they are. */
"use strict";
(function () {
  const FEW = 60;
  const asked = (new URLSearchParams(location.search).get("q") || "").trim();
  const terms = asked.toLowerCase().split(/\s+/).filter(Boolean);

  function find(book) {
    const found = [];
    for (const { page, title, sections } of book) {
      sections.forEach(({ anchor, heading, text }, place) => {
        const low = text.toLowerCase(), head = `${title} ${heading}`.toLowerCase();
        if (!terms.every((term) => low.includes(term) || head.includes(term))) return;
        const inHead = terms.filter((term) => head.includes(term)).length;
        const run = page.startsWith("runs/") || page.startsWith("results/");
        found.push({ page, title, anchor, heading, text, score: 4 * inHead + (place === 0 ? 1 : 0) - (run ? 5 : 0) });
      });
    }
    return found.sort((one, other) => other.score - one.score);
  }

  function excerpt(text) {
    const low = text.toLowerCase(), places = terms.map((term) => low.indexOf(term)).filter((at) => at >= 0);
    const start = Math.max(0, Math.min(...places, text.length) - 80), part = text.slice(places.length ? start : 0, start + 240);
    const node = document.createElement("p");
    let rest = part;
    while (rest) {
      const hits = terms.map((term) => [rest.toLowerCase().indexOf(term), term.length]).filter(([at]) => at >= 0).sort((a, b) => a[0] - b[0]);
      if (!hits.length) break;
      node.append(rest.slice(0, hits[0][0]), Object.assign(document.createElement("mark"), { textContent: rest.slice(hits[0][0], hits[0][0] + hits[0][1]) }));
      rest = rest.slice(hits[0][0] + hits[0][1]);
    }
    node.append(rest);
    return node;
  }

  function show() {
    const place = document.getElementById("search-results");
    document.querySelectorAll("input[name=q]").forEach((input) => (input.value = asked));
    if (!terms.length) return;
    const found = find(window.cvigBook), list = document.createElement("ul"), said = document.createElement("p");
    said.setAttribute("role", "status");
    said.textContent = found.length
      ? `${found.length} ${found.length === 1 ? "section holds" : "sections hold"} “${asked}”${found.length > FEW ? `; the first ${FEW}` : ""}:`
      : `Nothing in this book holds “${asked}”.`;
    for (const { page, title, anchor, heading, text } of found.slice(0, FEW)) {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = page + (anchor ? `#${anchor}` : "");
      link.textContent = heading && heading !== title ? `${title}: ${heading}` : title;
      item.append(link, excerpt(text));
      list.append(item);
    }
    place.replaceChildren(said, list);
    window.cvigFound = found;
  }
  addEventListener("DOMContentLoaded", show);
  if (document.readyState !== "loading") show();
})();
