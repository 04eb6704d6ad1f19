"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { answer, map, tiles } = data;
  const $ = (id) => document.getElementById(id);
  const make = (tag, text, into) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (into) into.append(made);
    return made;
  };
  const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}%`;
  const USUAL = [0.5, 0.8, 0.9, 0.95];
  const state = { coverage: answer.coverage, area: null, chosen: -1 };

  const inArea = (i) => {
    if (!state.area) return true;
    const [lon, lat] = tiles.lonlat[i];
    const a = state.area;
    return lon >= a.west && lon <= a.east && lat >= a.south && lat <= a.north;
  };
  const inRegion = (i, coverage) => tiles.level[i] < coverage - 1e-9 && inArea(i);
  const square = (coverage) => {
    let count = 0, ground = 0;
    for (let i = 0; i < tiles.level.length; i++) {
      if (inRegion(i, coverage)) { count++; ground += tiles.ground[i]; }
    }
    return { count, km2: ground / 1e6 };
  };

  const canvas = $("map");
  const context = canvas.getContext("2d");
  canvas.width = map.width; canvas.height = map.height;
  let picture = null;
  const grid = () => {
    context.fillStyle = "#e9ece6"; context.fillRect(0, 0, map.width, map.height);
    context.strokeStyle = "#8a938d"; context.lineWidth = 1;
    for (let k = 1; k < 8; k++) {
      context.beginPath();
      context.moveTo(k * map.width / 8, 0); context.lineTo(k * map.width / 8, map.height);
      context.moveTo(0, k * map.height / 8); context.lineTo(map.width, k * map.height / 8);
      context.stroke();
    }
  };
  // what a coverage rules out is darkened once, on a layer of its own: tiles that overlap do not count twice
  const DARK = 0.22;
  const layer = document.createElement("canvas");
  layer.width = map.width; layer.height = map.height;
  const layered = layer.getContext("2d");
  const trace = (c) => {
    layered.beginPath();
    layered.moveTo(c[0], c[1]);
    for (let k = 2; k < 8; k += 2) layered.lineTo(c[k], c[k + 1]);
    layered.closePath();
  };
  const shade = (coverage) => {
    layered.fillStyle = "#000"; layered.fillRect(0, 0, map.width, map.height);
    layered.globalCompositeOperation = "destination-out";
    for (let i = 0; i < tiles.level.length; i++) if (inRegion(i, coverage)) { trace(tiles.corners[i]); layered.fill(); }
    layered.globalCompositeOperation = "source-over";
    context.globalAlpha = DARK;
    context.drawImage(layer, 0, 0);
    context.globalAlpha = 1;
  };
  const edge = (coverage) => {  // the region's own outline: what the layer holds less what it holds a little smaller
    layered.clearRect(0, 0, map.width, map.height);
    layered.lineWidth = 8; layered.strokeStyle = "#d4003c"; layered.fillStyle = "#d4003c";
    const paths = [];
    for (let i = 0; i < tiles.level.length; i++) if (inRegion(i, coverage)) paths.push(tiles.corners[i]);
    for (const c of paths) { trace(c); layered.stroke(); }
    layered.globalCompositeOperation = "destination-out";
    for (const c of paths) { trace(c); layered.fill(); }
    layered.globalCompositeOperation = "source-over";
    context.drawImage(layer, 0, 0);
  };
  const draw = () => {
    if (picture) context.drawImage(picture, 0, 0, map.width, map.height); else grid();
    USUAL.forEach(shade);
    edge(state.coverage);
    const metres = 10 ** Math.floor(Math.log10(map.metres / 3));
    const bar = metres / map.metres * map.width;
    context.fillStyle = "#fff"; context.fillRect(20, map.height - 34, bar, 8);
    context.font = "20px system-ui, sans-serif"; context.textAlign = "left"; context.textBaseline = "bottom";
    context.fillText(metres >= 1000 ? `${metres / 1000} km` : `${metres} m`, 20, map.height - 38);
    answer.first.slice(0, 5).forEach((place, k) => {
      const x = (place.longitude - map.west) / (map.east - map.west) * map.width;
      const y = (map.north - place.latitude) / (map.north - map.south) * map.height;
      context.beginPath(); context.arc(x, y, 18, 0, 7);
      context.fillStyle = k === state.chosen ? "#0b5d8a" : "#fff"; context.fill();
      context.lineWidth = 3; context.strokeStyle = "#000"; context.stroke();
      context.fillStyle = k === state.chosen ? "#fff" : "#000";
      context.font = "bold 22px system-ui, sans-serif"; context.textAlign = "center"; context.textBaseline = "middle";
      context.fillText(String(k + 1), x, y);
    });
    if (state.chosen >= 5) {
      const place = answer.first[state.chosen];
      const x = (place.longitude - map.west) / (map.east - map.west) * map.width;
      const y = (map.north - place.latitude) / (map.north - map.south) * map.height;
      context.beginPath(); context.arc(x, y, 22, 0, 7); context.lineWidth = 6; context.strokeStyle = "#7cc4ee"; context.stroke();
    }
    if (state.area) {
      const a = state.area;
      const x = (lon) => (lon - map.west) / (map.east - map.west) * map.width;
      const y = (lat) => (map.north - lat) / (map.north - map.south) * map.height;
      context.setLineDash([12, 8]); context.lineWidth = 4; context.strokeStyle = "#fff";
      context.strokeRect(x(a.west), y(a.north), x(a.east) - x(a.west), y(a.south) - y(a.north));
      context.setLineDash([]);
    }
  };
  const say = () => {
    const found = square(state.coverage);
    const c = Math.round(100 * state.coverage);
    const where = state.area ? " within the area you chose" : "";
    const share = found.km2 / answer.gallery.km2;
    let text;
    if (!state.area && found.count === tiles.all) {
      text = `Nothing can be ruled out at a coverage of ${c}%: the region is the whole gallery, ${answer.gallery.km2.toFixed(3)} km².`;
    } else if (found.count === 0) {
      text = `No tile${where} is in the region at a coverage of ${c}%.`;
    } else {
      text = `The place lies in ${found.km2.toFixed(3)} km²${where}, ${percent(share)} of the gallery, with a coverage of ${c}%.`;
    }
    if (answer.open_world && answer.open_world.abstains) text = `No answer: the place is probably not in this gallery. ${text}`;
    $("answer").textContent = text;
    $("map-text").textContent = `Map of ${tiles.all} tiles between latitudes ${map.south.toFixed(5)} and ${map.north.toFixed(5)}, `
      + `longitudes ${map.west.toFixed(5)} and ${map.east.toFixed(5)}. Outlined: ${found.count} tiles at ${c}%`
      + `${where}. Numbers: the first five places. North is up.`
      + (tiles.level.length < tiles.all ? ` Only the first ${tiles.level.length} tiles are drawn.` : "");
    canvas.setAttribute("aria-label", text);
    $("coverage").value = String(c);
    $("coverage").setAttribute("aria-valuetext", `${c}%, ${found.km2.toFixed(3)} square kilometres`);
    $("coverage-value").textContent = `${c}%`;
    for (const button of $("usual").children) {
      button.setAttribute("aria-pressed", String(Math.abs(button.dataset.coverage - state.coverage) < 1e-9));
    }
    draw();
  };

  data.photographs.forEach((source, k) => {
    const figure = make("figure", undefined, $("photographs"));
    const image = make("img", undefined, figure);
    const name = answer.photographs[k].file.split(/[\\/]/).pop();
    image.src = source; image.alt = `The photograph ${name}`;
    const fov = answer.photographs[k].fov;
    make("figcaption", name + (fov ? `, ${fov.toFixed(0)}° across (${answer.photographs[k].fov_from})` : ""), figure);
  });
  if (data.photographs.length > 1) $("photographs-title").textContent = `${data.photographs.length} photographs of one place`;
  for (const doubt of answer.doubts) make("li", doubt, $("doubts"));
  for (const condition of [...answer.conditions, ...answer.gallery.notes]) make("li", condition, $("conditions"));
  for (const coverage of USUAL) {
    const button = make("button", `${100 * coverage}%`, $("usual"));
    button.type = "button"; button.dataset.coverage = coverage;
    button.addEventListener("click", () => { state.coverage = coverage; say(); });
  }
  [...USUAL, 1].forEach((coverage, k) => {
    const item = make("li", undefined, $("legend"));
    item.innerHTML = `<svg viewBox="0 0 12 12" aria-hidden="true"><rect width="12" height="12" fill="#cfd8c8"/>`
      + `<rect width="12" height="12" fill-opacity="${1 - (1 - DARK) ** k}"/></svg>`;
    item.append(coverage < 1 ? `in the region of ${100 * coverage}%` : "ruled out at 95%");
  });
  const item = make("li", undefined, $("legend"));
  item.innerHTML = '<svg viewBox="0 0 12 12" aria-hidden="true"><rect x="2" y="2" width="8" height="8" fill="none" stroke="#d4003c" stroke-width="3"/></svg>';
  item.append("the coverage chosen");
  answer.first.slice(0, data.thumbnails.length).forEach((place, k) => {
    const button = make("button", undefined, make("li", undefined, $("first")));
    button.type = "button";
    const image = make("img", undefined, button);
    image.src = data.thumbnails[k]; image.alt = "";
    const tied = place.tied ? `, ${place.tied} as far` : "";
    make("span", `${k + 1}. ${place.latitude.toFixed(5)}, ${place.longitude.toFixed(5)}; ${place.name}${tied}`, button);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      state.chosen = state.chosen === k ? -1 : k;
      [...$("first").querySelectorAll("button")].forEach((one, j) => one.setAttribute("aria-pressed", String(j === state.chosen)));
      draw();
    });
  });
  for (const region of answer.regions) {
    const row = make("tr", undefined, $("regions").tBodies[0]);
    make("th", percent(region.coverage, 0), row).scope = "row";
    make("td", String(region.tiles), row);
    make("td", region.km2.toFixed(3), row);
    make("td", percent(region.share), row);
    make("td", `${percent(region.coverage_low, 0)} to ${percent(region.coverage_high, 0)}`, row);
  }
  $("coverage").addEventListener("input", () => { state.coverage = Number($("coverage").value) / 100; say(); });
  const EDGES = ["south", "north", "west", "east"];
  const fill = () => EDGES.forEach((name) => { $(name).value = (state.area || map)[name].toFixed(5); });
  EDGES.forEach((name) => $(name).addEventListener("change", () => {
    const area = Object.fromEntries(EDGES.map((one) => [one, Number($(one).value)]));
    if (EDGES.every((one) => Number.isFinite(area[one]))) { state.area = area; say(); }
  }));
  $("everywhere").addEventListener("click", () => { state.area = null; fill(); say(); });
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    return [map.west + x * (map.east - map.west), map.north - y * (map.north - map.south)];
  };
  let start = null;
  canvas.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") start = at(event); });
  window.addEventListener("pointerup", (event) => {
    if (!start) return;
    const [a, b] = [start, at(event)];
    start = null;
    if (Math.abs(a[0] - b[0]) < (map.east - map.west) / 100) return;
    state.area = {
      west: Math.min(a[0], b[0]), east: Math.max(a[0], b[0]), south: Math.min(a[1], b[1]), north: Math.max(a[1], b[1]),
    };
    fill(); say();
  });
  fill();
  say();
  if (map.picture) {
    picture = new Image();
    picture.addEventListener("load", draw);
    picture.src = map.picture;
    picture.decode().then(draw, draw);
  }
  window.addEventListener("beforeprint", draw);
})();
