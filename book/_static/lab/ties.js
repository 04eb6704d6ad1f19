/* The tie laboratory: points that the reader drags, and every score of them at once. `arithmetic.js` does the counting. */
"use strict";

(function () {
  const A = window.cvigArithmetic;
  const BINS = 20, SHOWN = 24, REACH = { mouse: 14, pen: 18, touch: 26 };
  const percent = (share) => (100 * share).toFixed(1) + "%";
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function build(lab, data) {
    lab.innerHTML = `
      <div class="lab-presets" role="group" aria-label="Presets"></div>
      <p class="lab-story"></p>
      <div class="lab-stage">
        <div>
          <canvas class="lab-plot" tabindex="0" role="application" aria-label="Embeddings: drag them, or move the chosen one
            with the arrow keys"></canvas>
          <p class="lab-key"><span class="lab-query">▲ query</span> <span class="lab-tile">■ tile</span>
            <span class="lab-positive">■ the query's positive</span> dashed: as far as the positive</p>
        </div>
        <div class="lab-side">
          <table class="lab-scores"><caption>All queries, by exact ranks</caption><thead><tr><td></td></tr></thead>
            <tbody></tbody></table>
          <p class="lab-coded"></p>
          <label>Chosen <select class="lab-chosen"></select></label>
          <span class="lab-place"><label>x <input class="lab-x" type="number" step="any"></label>
            <label>y <input class="lab-y" type="number" step="any"></label></span>
          <button type="button" class="lab-tie">Put it on the positive: a tie</button>
          <label>Collapse of the gallery <input class="lab-collapse" type="range" min="0" max="1" step="0.01"></label>
          <label>List length k <input class="lab-k" type="range" min="1" step="1"><output></output></label>
          <label><input class="lab-plane" type="checkbox"> two dimensions (else a line)</label>
          <label><input class="lab-bf16" type="checkbox"> stored as bfloat16</label>
        </div>
      </div>
      <p class="lab-said" role="status" aria-live="polite"></p>
      <p class="lab-ranking-title"></p>
      <ol class="lab-ranking" tabindex="0" aria-label="Ranking of the chosen query, nearest tile first"></ol>
      <div class="lab-histograms">
        <figure><canvas role="img" aria-label="Histogram"></canvas><figcaption>Equation 2: share of the gallery that each query rules out</figcaption></figure>
        <figure><canvas role="img" aria-label="Histogram"></canvas><figcaption>The paper's code: share of the queries as near as each tile's own</figcaption>
        </figure>
      </div>
      <label>Ring the tiles that count under <select class="lab-rule"></select></label>
      <div class="lab-scroll" tabindex="0" role="region" aria-label="Published rules">
      <table class="lab-rules"><caption>What published rules report of these points. In brackets what an order of equals that
        the library leaves open could make of it.</caption>
        <thead><tr><th scope="col">rule of</th><th scope="col" class="lab-top"></th><th scope="col">this query</th>
        <th scope="col">R@1</th><th scope="col">R@1%</th></tr></thead><tbody></tbody></table></div>`;
    const one = (selector) => lab.querySelector(selector);
    const plot = one(".lab-plot"), [rows, columns] = lab.querySelectorAll(".lab-histograms canvas");
    const state = { preset: "", query: 0, chosen: { side: "queries", row: 0 }, k: 1, collapse: 0, rule: 0 };

    for (const name of Object.keys(data.presets)) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: name, onclick: () => load(name) });
      one(".lab-presets").append(button);
    }
    for (const metric of ["R@1", "R@1%", "PSSR"]) one(".lab-scores thead tr").insertAdjacentHTML("beforeend", `<th scope="col">${metric}</th>`);
    for (const ties of A.TIES)
      one(".lab-scores tbody").insertAdjacentHTML("beforeend", `<tr><th scope="row">${ties}</th><td></td><td></td><td></td></tr>`);
    data.rules.forEach((rule, i) => {
      one(".lab-rule").add(new Option(rule.name, i));
      one(".lab-rules tbody").insertAdjacentHTML("beforeend", "<tr><th scope='row'></th><td></td><td></td><td></td><td></td></tr>");
      Object.assign(one(".lab-rules tbody").lastElementChild.firstElementChild, { textContent: rule.name, title: rule.rule });
    });

    /* ---- state ---- */
    const point = (p) => (p === null ? [NaN, NaN] : [...p]);

    function load(name) {
      const preset = data.presets[name];
      Object.assign(state, {
        preset: name, grid: preset.grid, view: preset.view, plane: preset.plane, bf16: preset.bf16, collapse: 0, k: 1, query: 0,
        raw: { queries: preset.queries.map(point), tiles: preset.tiles.map(point) }, chosen: { side: "queries", row: 0 },
      });
      one(".lab-story").textContent = preset.story;
      for (const button of one(".lab-presets").children) button.setAttribute("aria-pressed", button.textContent === name);
      const chosen = one(".lab-chosen"), n = state.raw.queries.length;
      chosen.replaceChildren();
      for (const [side, word] of [["queries", "query"], ["tiles", "tile"]])
        for (let i = 0; i < Math.min(n, 200); i++) chosen.add(new Option(`${word} ${i + 1}`, `${side} ${i}`));
      Object.assign(one(".lab-k"), { max: Math.min(n, 100), value: 1 });
      update();
    }

    const snap = (value) => (state.grid ? Math.round(value / state.grid) * state.grid : value);
    const store = (p) => (state.bf16 ? p.map(A.bfloat16) : p);

    /** What is compared: the points after collapse, on their grid, as they are stored. */
    function embeddings() {
      const { queries, tiles } = state.raw, middle = [0, 1].map((axis) => snap(A.mean(tiles.map((p) => p[axis]))));
      const left = 1 - state.collapse;
      const drawn = state.collapse ? tiles.map((p) => p.map((value, axis) => snap(middle[axis] + left * (value - middle[axis])))) : tiles;
      return { queries: queries.map(store), tiles: drawn.map(store) };
    }

    function move(x, y) {
      if (!Number.isFinite(x) || !Number.isFinite(y)) return;
      if (state.collapse && state.chosen.side === "tiles") {
        state.raw.tiles = embeddings().tiles;
        state.collapse = 0;
      }
      const limit = (value, low, high) => snap(Math.min(high, Math.max(low, value)));
      const [left, right, bottom, top] = state.view;
      state.raw[state.chosen.side][state.chosen.row] = [limit(x, left, right), state.plane ? limit(y, bottom, top) : y];
      update();
    }

    function choose(side, row) {
      state.chosen = { side, row };
      if (side === "queries") state.query = row;
      update();
    }

    /* ---- all that follows from the state ---- */
    let now, waiting = 0, speech = 0;
    function update() {
      if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; show(); });
    }

    function compute() {
      const { queries, tiles } = embeddings(), n = queries.length;
      const counted = A.counts(queries, tiles, state.plane);
      now = {
        preset: state.preset, plane: state.plane, queries, tiles, counted,
        exact: A.exact(counted, n), coded: A.asCoded(queries, tiles, state.plane), published: A.published(data.rules, counted),
        answers: A.asAnswers(queries[state.query], tiles, state.plane), order: A.ranking(queries[state.query], tiles, state.plane),
      };
      lab.result = now;
    }

    function show() {
      compute();
      const { counted, exact, coded, order, answers } = now, n = counted.length, own = counted[state.query];
      one(".lab-scores").querySelectorAll("tbody tr").forEach((line, i) => {
        [...line.querySelectorAll("td")].forEach((cell, j) => {
          const metric = ["R@1", "R@1%", "PSSR"][j], value = exact && exact[A.TIES[i]][metric];
          cell.textContent = exact ? (j < 2 ? percent(value) : value.toFixed(4)) : "refused";
        });
      });
      one(".lab-coded").textContent = `PSSR as the paper's code counts it: ${A.mean(coded).toFixed(4)}`;
      one(".lab-k").value = state.k;
      one(".lab-k").nextElementSibling.textContent = `${state.k} of ${n}`;
      one(".lab-collapse").value = state.collapse;
      one(".lab-plane").checked = state.plane;
      one(".lab-bf16").checked = state.bf16;
      one(".lab-chosen").value = `${state.chosen.side} ${state.chosen.row}`;
      const place = state.raw[state.chosen.side][state.chosen.row];
      one(".lab-x").value = place[0];
      one(".lab-y").value = place[1];
      one(".lab-y").disabled = !state.plane;
      one(".lab-top").textContent = `tiles that count for it, k = ${state.k}`;
      const ringed = new Set(A.counting(data.rules[state.rule], answers, state.k));
      one(".lab-rules").querySelectorAll("tbody tr").forEach((line, i) => {
        const rows = A.counting(data.rules[i], answers, state.k), said = now.published[i];
        const cells = line.querySelectorAll("td");
        cells[0].textContent = rows.length ? `${rows.length}: ${rows.slice(0, 4).map((row) => row + 1).join(", ")}${rows.length > 4 ? " …" : ""}` : "none";
        cells[1].textContent = rows.includes(state.query) ? "found" : "missed";
        ["R@1", "R@1%"].forEach((metric, j) => {
          const { value, low, high } = said[metric];
          cells[2 + j].textContent = percent(value) + (low === high ? "" : ` [${percent(low)}, ${percent(high)}]`);
        });
      });
      one(".lab-ranking-title").textContent = `Ranking of query ${state.query + 1}; tiles in one box are exactly as far:`;
      list(order, own);
      draw(ringed, own);
      histogram(rows, exact ? counted.map((c) => A.ruledOut(c, n, "pessimistic")) : [], "queries", "ruled out");
      histogram(columns, coded, "tiles", "kept");
      clearTimeout(speech);
      speech = setTimeout(() => (one(".lab-said").textContent = sentence(own, n)), 350);
    }

    function sentence(own, n) {
      if (!now.exact) {
        const bad = now.queries.filter((p) => !A.finite([p], state.plane)).length;
        return `Exact ranks refuse: ${bad} of ${n} queries hold NaN. ${now.published.filter((p) => p["R@1"].value > 0.5).length} of ` +
          `${data.rules.length} published rules still report a recall at one above 50%.`;
      }
      const { pessimistic, expected, optimistic } = now.exact;
      return `Query ${state.query + 1}: ${plural(own.closer, "tile")} closer than its positive, ${own.tied} exactly as far. Over ` +
        `${n} queries R@1 is ${percent(pessimistic["R@1"])} if ties count against the query, ${percent(expected["R@1"])} over all ` +
        `their orders, ${percent(optimistic["R@1"])} if they count for it; PSSR ${pessimistic.PSSR.toFixed(3)}, ` +
        `${expected.PSSR.toFixed(3)}, ${optimistic.PSSR.toFixed(3)}.`;
    }

    function list(order, own) {
      const groups = [];
      for (const entry of order.slice(0, SHOWN)) {
        const last = groups[groups.length - 1];
        if (last && last[0].square === entry.square) last.push(entry);
        else groups.push([entry]);
      }
      one(".lab-ranking").replaceChildren(...groups.map((group) => {
        const item = document.createElement("li");
        item.textContent = group.map((entry) => entry.row + 1 + (entry.row === state.query ? "✓" : "")).join(" ");
        item.classList.toggle("lab-own", group.some((entry) => entry.row === state.query));
        item.title = `distance ${group[0].distance.toPrecision(4)}`;
        return item;
      }));
      const more = order.length - Math.min(SHOWN, order.length);
      if (more > 0) one(".lab-ranking").insertAdjacentHTML("beforeend", `<li class="lab-more">and ${more} more</li>`);
    }

    /* ---- pictures ---- */
    /** Where points stand on the plot, in pixels; on a line equal ones are stacked. */
    function placed(width, height) {
      const [left, right, bottom, top] = state.view, margin = 14;
      const across = (x) => margin + ((x - left) / (right - left)) * (width - 2 * margin);
      const down = (y) => height - margin - ((y - bottom) / (top - bottom)) * (height - 2 * margin);
      const lane = (side, points) => {
        const stacks = new Map();
        return points.map((p) => {
          const at = across(p[0]), pile = Math.round(at / 3), level = stacks.get(pile) || 0;
          stacks.set(pile, level + 1);
          const step = 6 * Math.min(level, 18);
          return [at, side === "tiles" ? height * 0.5 - step : height * 0.72 + step];
        });
      };
      if (!state.plane) return { queries: lane("queries", now.queries), tiles: lane("tiles", now.tiles), across, down };
      const spread = (points) => points.map((p) => [across(p[0]), down(p[1])]);
      return { queries: spread(now.queries), tiles: spread(now.tiles), across, down };
    }

    function draw(ringed, own) {
      const { pen, width, height } = window.cvigCanvas(plot), at = placed(width, height);
      const ink = css("--pst-color-text-base") || "#222";
      const color = { queries: css("--lab-query"), tiles: css("--lab-tile"), positive: css("--lab-positive") };
      const query = at.queries[state.query], positive = at.tiles[state.query];
      pen.lineWidth = 1.2;
      pen.strokeStyle = ink;
      if (own.closer === own.closer && Number.isFinite(query[0]) && Number.isFinite(positive[0])) {
        pen.setLineDash([4, 4]);
        pen.beginPath();
        if (state.plane) {
          const scale = Math.abs(at.across(1) - at.across(0)), tall = Math.abs(at.down(1) - at.down(0));
          const far = Math.sqrt(A.squared(now.queries[state.query], now.tiles[state.query], true));
          pen.ellipse(...query, far * scale, far * tall, 0, 0, 2 * Math.PI);
        } else {
          const far = Math.abs(at.across(now.queries[state.query][0]) - at.across(now.tiles[state.query][0]));
          for (const x of [query[0] - far, query[0] + far]) { pen.moveTo(x, height * 0.1); pen.lineTo(x, height * 0.9); }
        }
        pen.stroke();
        pen.setLineDash([]);
      }
      const many = new Map();
      at.tiles.forEach((p, i) => {
        if (!Number.isFinite(p[0])) return;
        const key = now.tiles[i].slice(0, state.plane ? 2 : 1).join();
        many.set(key, { p: many.has(key) && !state.plane ? [p[0], Math.min(p[1], many.get(key).p[1])] : p, times: (many.get(key)?.times || 0) + 1 });
        pen.fillStyle = i === state.query ? color.positive : color.tiles;
        const half = i === state.query ? 5 : 3;
        pen.fillRect(p[0] - half, p[1] - half, 2 * half, 2 * half);
        if (ringed.has(i)) pen.strokeRect(p[0] - 6, p[1] - 6, 12, 12);
      });
      pen.fillStyle = color.queries;
      at.queries.forEach((p, i) => {
        if (!Number.isFinite(p[0])) return;
        const half = i === state.query ? 7 : 4;
        pen.beginPath();
        pen.moveTo(p[0], p[1] - half); pen.lineTo(p[0] + half, p[1] + half); pen.lineTo(p[0] - half, p[1] + half);
        pen.fill();
      });
      if (Number.isFinite(positive[0])) {
        pen.fillStyle = color.positive;
        pen.fillRect(positive[0] - 5, positive[1] - 5, 10, 10);
      }
      pen.fillStyle = ink;
      pen.font = "12px sans-serif";
      for (const { p, times } of many.values()) if (times > (state.plane ? 1 : 12)) pen.fillText(`×${times}`, p[0] + 8, p[1] - 8);
      const chosen = at[state.chosen.side][state.chosen.row];
      if (Number.isFinite(chosen[0])) {
        pen.lineWidth = 2;
        pen.beginPath();
        pen.arc(...chosen, 11, 0, 2 * Math.PI);
        pen.stroke();
      } else pen.fillText("NaN is nowhere: the queries cannot be drawn", 14, 20);
    }

    function histogram(element, values, unit, share) {
      const { pen, width, height } = window.cvigCanvas(element), bins = new Array(BINS).fill(0);
      for (const value of values) bins[Math.min(BINS - 1, Math.floor(value * BINS))]++;
      const most = Math.max(1, ...bins), step = (width - 20) / BINS;
      pen.fillStyle = css(unit === "tiles" ? "--lab-tile" : "--lab-query");
      bins.forEach((count, i) => pen.fillRect(10 + i * step, height - 16 - (count / most) * (height - 34), step - 1, (count / most) * (height - 34)));
      pen.fillStyle = css("--pst-color-text-base") || "#222";
      pen.font = "12px sans-serif";
      pen.fillText("0", 8, height - 3);
      pen.fillText("1", width - 14, height - 3);
      pen.fillText(values.length ? `mean ${A.mean(values).toFixed(3)}, tallest ${Math.max(...bins)} ${unit}` : "refused", 10, 12);
      element.setAttribute("aria-label", values.length
        ? `Histogram of ${values.length} ${unit} by the share ${share}: mean ${A.mean(values).toFixed(3)}; of 20 bins from 0 to 1: ${bins.join(", ")}.`
        : "No histogram: the ranks are refused.");
    }

    /* ---- hands ---- */
    function hit(event) {
      const box = plot.getBoundingClientRect(), at = placed(box.width, box.height);
      const here = [event.clientX - box.left, event.clientY - box.top];
      let best = null, nearest = REACH[event.pointerType] || REACH.mouse;
      for (const side of ["queries", "tiles"])
        at[side].forEach((p, row) => {
          const far = Math.hypot(p[0] - here[0], p[1] - here[1]) - (row === state.chosen.row && side === state.chosen.side ? 4 : 0);
          if (far < nearest) { nearest = far; best = { side, row }; }
        });
      return best;
    }
    function under(event) {
      const box = plot.getBoundingClientRect(), [left, right, bottom, top] = state.view, margin = 14;
      const x = left + ((event.clientX - box.left - margin) / (box.width - 2 * margin)) * (right - left);
      const y = bottom + ((box.bottom - event.clientY - margin) / (box.height - 2 * margin)) * (top - bottom);
      return state.plane ? [x, y] : [x, state.raw[state.chosen.side][state.chosen.row][1]];
    }
    let dragging = false;
    plot.addEventListener("pointerdown", (event) => {
      const found = hit(event);
      if (!found) return;
      choose(found.side, found.row);
      dragging = true;
      plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (!dragging) return;
      let place = under(event);
      if (state.chosen.side === "tiles") {
        // close to another tile it settles on it
        const box = plot.getBoundingClientRect(), at = placed(box.width, box.height).tiles;
        const here = [event.clientX - box.left, event.clientY - box.top];
        const other = at.findIndex((p, row) => row !== state.chosen.row && Math.hypot(p[0] - here[0], state.plane ? p[1] - here[1] : 0) < 5);
        if (other >= 0) place = state.plane ? now.tiles[other] : [now.tiles[other][0], place[1]];
      }
      move(...place);
    });
    for (const kind of ["pointerup", "pointercancel"]) plot.addEventListener(kind, () => (dragging = false));
    // a finger on a point drags it; elsewhere it scrolls the page
    plot.addEventListener("touchstart", (event) => {
      const touch = event.touches[0];
      if (hit({ clientX: touch.clientX, clientY: touch.clientY, pointerType: "touch" })) event.preventDefault();
    }, { passive: false });
    plot.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const step = (state.grid || (state.view[1] - state.view[0]) / 200) * (event.shiftKey || !state.grid ? 1 : 4);
      const place = state.raw[state.chosen.side][state.chosen.row];
      move(place[0] + way[0] * step, place[1] + way[1] * step);
    });
    one(".lab-chosen").onchange = (event) => {
      const [side, row] = event.target.value.split(" ");
      choose(side, Number(row));
    };
    for (const axis of [".lab-x", ".lab-y"])
      one(axis).onchange = () => move(one(".lab-x").valueAsNumber, one(".lab-y").valueAsNumber);
    one(".lab-tie").onclick = () => {
      if (state.chosen.side === "queries") state.chosen = { side: "tiles", row: (state.query + 1) % now.tiles.length };
      move(...now.tiles[state.query]);
    };
    one(".lab-collapse").oninput = (event) => { state.collapse = event.target.valueAsNumber; update(); };
    one(".lab-k").oninput = (event) => { state.k = event.target.valueAsNumber; update(); };
    one(".lab-plane").onchange = (event) => { state.plane = event.target.checked; update(); };
    one(".lab-bf16").onchange = (event) => { state.bf16 = event.target.checked; update(); };
    one(".lab-rule").onchange = (event) => { state.rule = Number(event.target.value); update(); };
    new ResizeObserver(update).observe(plot);
    new MutationObserver(update).observe(document.documentElement, { attributeFilter: ["data-theme"] });

    lab.load = (name) => { load(name); compute(); return now; };
    load(Object.keys(data.presets)[0]);
  }

  for (const lab of document.querySelectorAll(".cvig-ties"))
    build(lab, JSON.parse(lab.querySelector("script").textContent));
})();
