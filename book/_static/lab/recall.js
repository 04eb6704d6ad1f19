/* Recall at every k, and PSSR as the area below it: the reader moves the ranks. */
"use strict";

(function () {
  const A = window.cvigArithmetic;

  function build(lab, { ranks, n }) {
    lab.innerHTML = `
      <div class="lab-ranks"></div>
      <label>k <input class="lab-k" type="range" min="1" max="${n}" step="1" value="1"></label>
      <canvas class="lab-wide" role="img" aria-label="Recall curve"></canvas>
      <p class="lab-said" role="status" aria-live="polite"></p>`;
    const one = (selector) => lab.querySelector(selector), picture = one("canvas");
    ranks.forEach((rank, i) => {
      one(".lab-ranks").insertAdjacentHTML("beforeend",
        `<label>Rank of query ${i + 1}'s positive <input type="range" min="1" max="${n}" step="1" value="${rank}"> <output></output></label>`);
    });
    const inputs = [...one(".lab-ranks").querySelectorAll("input")];

    function show() {
      const given = inputs.map((input) => input.valueAsNumber), k = one(".lab-k").valueAsNumber;
      inputs.forEach((input, i) => (input.nextElementSibling.textContent = `${given[i]} of ${n}`));
      const curve = A.recallCurve(given, n), pssr = A.pssrOfRanks(given, n);
      lab.result = { ranks: given, curve, pssr };
      const said = `Recall at ${k} is ${(100 * curve[k]).toFixed(0)}%. The area below the curve is PSSR, ${pssr.toFixed(3)}: ` +
        `the mean over the queries of (${n} − rank) / ${n}.`;
      one(".lab-said").textContent = said;
      picture.setAttribute("aria-label", `Recall rising from 0 at k = 0 to 100% at k = ${n}, a step at each rank: ${given.join(", ")}.`);
      draw(curve, k);
    }

    function draw(curve, k) {
      const style = getComputedStyle(document.documentElement), { pen, width, height } = window.cvigCanvas(picture);
      const across = (at) => 34 + (at / n) * (width - 44), down = (share) => height - 22 - share * (height - 36);
      pen.fillStyle = style.getPropertyValue("--lab-query");
      pen.globalAlpha = 0.35;
      curve.slice(0, n).forEach((share, at) => pen.fillRect(across(at), down(share), across(at + 1) - across(at), down(0) - down(share)));
      pen.globalAlpha = 1;
      pen.strokeStyle = pen.fillStyle;
      pen.lineWidth = 2;
      pen.beginPath();
      curve.slice(0, n).forEach((share, at) => { pen.lineTo(across(at), down(share)); pen.lineTo(across(at + 1), down(share)); });
      pen.lineTo(across(n), down(1));
      pen.stroke();
      pen.strokeStyle = style.getPropertyValue("--lab-tile");
      pen.setLineDash([4, 4]);
      pen.beginPath();
      pen.moveTo(across(k), down(0));
      pen.lineTo(across(k), down(1));
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = style.getPropertyValue("--pst-color-text-base") || "#222";
      pen.font = "12px sans-serif";
      pen.fillText("1", 20, down(1) + 4);
      pen.fillText("0", 20, down(0) + 4);
      pen.fillText("recall at k", 40, 12);
      pen.fillText("k = 0", across(0), height - 6);
      pen.fillText(String(n), across(n) - 12, height - 6);
    }

    lab.addEventListener("input", show);
    new ResizeObserver(show).observe(picture);
    new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    show();
  }

  for (const lab of document.querySelectorAll(".cvig-recall")) build(lab, JSON.parse(lab.querySelector("script").textContent));
})();
