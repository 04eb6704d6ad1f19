/* The region that photographs of known place allow: the reader draws them, and watches it change. */
"use strict";

(function () {
  const A = window.cvigArithmetic;
  const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;

  function build(lab, { shares, tiles, ranks, places }) {
    const n = shares.length;
    lab.innerHTML = `
      <div class="lab-presets">
        <button type="button" data-draw="1">Draw a photograph</button>
        <button type="button" data-draw="10">Draw ten</button>
        <button type="button" data-draw="${n}">Draw all ${n}</button>
        <button type="button" data-draw="0">Start again</button>
      </div>
      <label>Photographs drawn: <output class="lab-count"></output><input class="lab-drawn" type="range" min="0" max="${n}" step="1" value="5"></label>
      <label>Coverage: <output class="lab-percent"></output><input class="lab-coverage" type="range" min="50" max="99" step="1" value="90"></label>
      <div class="lab-stage">
        <canvas class="lab-map" role="img" aria-label="Map"></canvas>
        <canvas class="lab-strip" role="img" aria-label="Photographs drawn"></canvas>
      </div>
      <p class="lab-said" role="status" aria-live="polite"></p>`;
    const one = (selector) => lab.querySelector(selector), map = one(".lab-map"), strip = one(".lab-strip");
    const drawn = one(".lab-drawn"), coverage = one(".lab-coverage");

    function show() {
      const count = drawn.valueAsNumber, wanted = coverage.valueAsNumber / 100;
      const known = shares.slice(0, count), rest = shares.slice(count);
      const bound = A.conformalBound(known, wanted), share = Math.min(bound, 1);
      const inside = ranks.filter((rank) => rank / tiles <= share).length;
      const held = rest.filter((value) => value <= share).length;
      one(".lab-count").textContent = `${count} of ${n}`;
      one(".lab-percent").textContent = percent(wanted);
      lab.result = { count, coverage: wanted, share, inside, held, rest: rest.length };
      const place = Math.ceil(wanted * (count + 1) - 1e-12);
      const why = Number.isFinite(bound)
        ? `Of ${count} known photographs, put in order by how far down their own tile stands, number ${place} decides: ` +
          `${percent(share)} of the gallery. The region has the first ${inside} of ${tiles} tiles.`
        : `${percent(wanted)} asks for number ${place} of ${count} known photographs, and there are not so many. ` +
          "So nothing is ruled out: the region is the whole gallery.";
      const seen = rest.length
        ? ` It would hold the places of ${held} of the ${rest.length} photographs not drawn, ${percent(held / rest.length)}.`
        : "";
      one(".lab-said").textContent = why + seen;
      map.setAttribute("aria-label", `A map of ${tiles} tiles; ${inside} of them are in the region of one new photograph.`);
      strip.setAttribute("aria-label", `${count} dots on a line from 0 to 1, a photograph each; the region ends at ${share.toFixed(3)}.`);
      paint(known, share, Number.isFinite(bound));
    }

    function paint(known, share, bounded) {
      const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
      const text = colour("--pst-color-text-base") || "#222";
      const ground = window.cvigCanvas(map), side = Math.min(ground.width, ground.height), size = Math.max(3, side / 26);
      places.forEach(([east, north], tile) => {
        const x = east * (side - size), y = (1 - north) * (side - size), within = ranks[tile] / tiles <= share;
        ground.pen.fillStyle = within ? colour("--lab-query") : colour("--pst-color-border") || "#ccc";
        ground.pen.globalAlpha = within ? 0.9 : 0.5;
        ground.pen.fillRect(x, y, size - 1, size - 1);
      });
      const line = window.cvigCanvas(strip), across = (at) => 12 + at * (line.width - 24), middle = line.height / 2;
      line.pen.fillStyle = colour("--lab-query");
      line.pen.globalAlpha = 0.25;
      line.pen.fillRect(across(0), middle - 40, across(share) - across(0), 80);
      line.pen.globalAlpha = 1;
      line.pen.strokeStyle = text;
      line.pen.beginPath();
      line.pen.moveTo(across(0), middle);
      line.pen.lineTo(across(1), middle);
      line.pen.stroke();
      line.pen.fillStyle = colour("--lab-tile");
      known.forEach((value, i) => {
        line.pen.beginPath();
        line.pen.arc(across(value), middle - 30 + 60 * ((i * 0.618) % 1), 4, 0, 7);
        line.pen.fill();
      });
      line.pen.fillStyle = text;
      line.pen.font = "12px sans-serif";
      line.pen.fillText("where each known photograph's tile stands", 12, 16);
      line.pen.fillText("first", across(0), line.height - 8);
      line.pen.fillText("last", across(1) - 22, line.height - 8);
      if (bounded) line.pen.fillText("region ends", Math.min(across(share) + 3, line.width - 72), middle - 46);
    }

    lab.addEventListener("click", (event) => {
      const asked = event.target.dataset?.draw;
      if (asked === undefined) return;
      drawn.value = asked === "0" ? 0 : Math.min(n, drawn.valueAsNumber + Number(asked));
      show();
    });
    lab.set = (count, share) => { drawn.value = count; coverage.value = Math.round(100 * share); show(); return lab.result; };
    lab.addEventListener("input", show);
    new ResizeObserver(show).observe(map);
    new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    show();
  }

  for (const lab of document.querySelectorAll(".cvig-region")) build(lab, JSON.parse(lab.querySelector("script").textContent));
})();
