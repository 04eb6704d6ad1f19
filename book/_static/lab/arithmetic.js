/* Ranks, scores and the rules of published evaluators, as the package `cvig` has them; a test compares both.

   Points are on a line or in a plane, row i of the gallery answers query i, and coordinates are multiples of a power of two,
   small enough that squared distances have no rounding. */
"use strict";

(function (root) {
  /** A number as bfloat16 stores it: eight bits of mantissa, ties to even. */
  function bfloat16(value) {
    if (!Number.isFinite(value)) return value;
    const word = new DataView(new ArrayBuffer(4));
    word.setFloat32(0, value);
    const bits = word.getUint32(0);
    word.setUint32(0, ((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000) >>> 0);
    return word.getFloat32(0);
  }

  /** Squared distance; on a line the second coordinate counts for nothing. */
  function squared(one, other, plane) {
    const x = one[0] - other[0];
    const y = plane ? one[1] - other[1] : 0;
    return x * x + y * y;
  }

  const finite = (points, plane) => points.every((p) => Number.isFinite(p[0]) && (!plane || Number.isFinite(p[1])));

  /** Of row `answer`, as seen from `query`: rows closer, as far, as far and above it in the gallery, NaN, NaN above it, lost. */
  function count(query, gallery, answer, plane) {
    const own = squared(query, gallery[answer], plane);
    const lost = Number.isNaN(own) ? 1 : 0;
    let closer = 0, tied = 0, before = 0, nan = 0, nanBefore = 0;
    for (let row = 0; row < gallery.length; row++) {
      const distance = squared(query, gallery[row], plane);
      if (distance < own) closer++;
      else if (distance === own) {
        if (row !== answer) tied++;
        if (row < answer) before++;
      } else if (distance !== distance) {
        nan++;
        if (row < answer) nanBefore++;
      }
    }
    return { closer, tied, before, nan, nanBefore, lost };
  }

  const counts = (query, gallery, plane) => query.map((point, i) => count(point, gallery, i, plane));

  /* What counts as recalled: the functions of `cvig.metrics.conventions.rules`, under their names. */
  const faiss = (c, k) => c.lost === 0 && c.closer + c.before < k;
  const filledWithLast = (c, k, n, row) => row === n - 1 && n - c.nan < k;
  const tiedCloser = (c, sign) => (sign > 0 ? c.tied : 0);
  const faissAny = (c, k, n, row, sign) => c.lost === 0 && c.closer + tiedCloser(c, sign) < k;
  const HITS = {
    _optimistic: (c, k) => c.closer < k,
    _optimistic_index_k: (c, k, n) => c.lost === 0 && c.closer <= k && n - c.nan > k,
    _pessimistic: (c, k) => c.closer + c.tied + 1 - c.lost <= k,
    _faiss: faiss,
    _faiss_last_label: (c, k, n, row) => faiss(c, k) || filledWithLast(c, k, n, row),
    _argsort: (c, k) => (c.lost ? c.nanBefore : c.nan + c.closer + c.before) < k,
    _argsort_backwards: (c, k) => (c.lost ? c.nan - c.nanBefore - 1 : c.nan + c.closer + c.tied - c.before) < k,
    _faiss_any: faissAny,
    _argsort_any: (c, k, n, row, sign) =>
      (c.lost ? (sign > 0 ? c.nan - 1 : 0) : c.nan + c.closer + tiedCloser(c, sign)) < k,
    _faiss_last_label_any: (c, k, n, row, sign) => faissAny(c, k, n, row, sign) || filledWithLast(c, k, n, row),
  };

  /** Python's round: halves to even. */
  function round(value) {
    const below = Math.floor(value), part = value - below;
    return part < 0.5 || (part === 0.5 && below % 2 === 0) ? below : below + 1;
  }
  const PERCENT = {
    "int(.01 n)": (n) => Math.trunc(n * 0.01),
    "int(.01 n) + 1": (n) => Math.trunc(n * 0.01) + 1,
    "n // 100": (n) => Math.floor(n / 100),
    "round(.01 n) + 1": (n) => round(n * 0.01) + 1,
  };

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const TIES = ["pessimistic", "expected", "optimistic"];
  const topOfPercent = (n) => Math.max(1, Math.floor(n / 100 + 1e-9));
  const FOUND = {
    pessimistic: (c, k) => (c.closer + c.tied < k ? 1 : 0),
    optimistic: (c, k) => (c.closer < k ? 1 : 0),
    expected: (c, k) => Math.min(1, Math.max(0, (k - c.closer) / (c.tied + 1))),
  };
  const SHARE = { pessimistic: 1, optimistic: 0, expected: 0.5 };
  /** Share of the gallery that a query rules out. */
  const ruledOut = (c, n, ties) => (n - c.closer - 1 - SHARE[ties] * c.tied) / n;

  /** The exact scores under each tie rule; null where a number is not finite, as `exact_ranks` refuses it. */
  function exact(counted, n) {
    if (counted.some((c) => c.nan)) return null;
    const scores = {};
    for (const ties of TIES)
      scores[ties] = {
        "R@1": mean(counted.map((c) => FOUND[ties](c, 1))),
        "R@1%": mean(counted.map((c) => FOUND[ties](c, topOfPercent(n)))),
        PSSR: mean(counted.map((c) => ruledOut(c, n, ties))),
      };
    return scores;
  }

  /** Recall of every published rule: at 1, at 1%, and the least and the largest where the order of equals is open. */
  function published(rules, counted) {
    const n = counted.length;
    return rules.map((rule) => {
      const at = (k) => {
        const share = (hits, sign) => mean(counted.map((c, row) => (hits(c, k, n, row, sign) ? 1 : 0)));
        const value = share(HITS[rule.hits]);
        const any = rule.anyOrder && HITS[rule.anyOrder];
        return { value, low: any ? share(any, 1) : value, high: any ? share(any, -1) : value };
      };
      return { name: rule.name, "R@1": at(1), "R@1%": at(PERCENT[rule.percent](n)) };
    });
  }

  /** `count` of every row as the answer of one query, by sorting. */
  function asAnswers(query, gallery, plane) {
    const order = ranking(query, gallery, plane), n = gallery.length;
    const present = order.filter((entry) => entry.distance === entry.distance).length;
    const made = new Array(n);
    for (let start = 0; start < present; ) {
      let end = start;
      while (end < present && order[end].square === order[start].square) end++;
      for (let i = start; i < end; i++)
        made[order[i].row] = { closer: start, tied: end - start - 1, before: i - start, nan: n - present, nanBefore: 0, lost: 0 };
      start = end;
    }
    const lost = { closer: 0, tied: 0, before: 0, nan: n - present, lost: 1 };
    for (let i = present; i < n; i++) made[order[i].row] = { ...lost, nanBefore: i - present };
    return made;
  }

  /** Rows that one query would find in the top k by a rule, were each of them its answer. */
  const counting = (rule, answers, k) =>
    answers.flatMap((c, row) => (HITS[rule.hits](c, k, answers.length, row) ? [row] : []));

  /** The paper's code: of each gallery row, the share of queries no farther than its own. */
  function asCoded(query, gallery, plane) {
    return counts(gallery, query, plane).map((c) => (c.closer + c.tied + 1 - c.lost) / query.length);
  }

  /** Rows of the gallery by their distance, those of a NaN last. */
  function ranking(query, gallery, plane) {
    const distance = gallery.map((row) => squared(query, row, plane));
    const order = gallery.map((_, row) => row);
    order.sort((a, b) => {
      const lost = Number(Number.isNaN(distance[a])) - Number(Number.isNaN(distance[b]));
      return lost || distance[a] - distance[b] || a - b;
    });
    return order.map((row) => ({ row, square: distance[row], distance: Math.sqrt(distance[row]) }));
  }

  /** Recall at every k from 0 to n of ranks from 1 to n; its mean over k = 0 … n - 1 is PSSR. */
  function recallCurve(ranks, n) {
    const curve = [];
    for (let k = 0; k <= n; k++) curve.push(mean(ranks.map((rank) => (rank <= k ? 1 : 0))));
    return curve;
  }
  /** The smallest score that bounds a new one as often as `coverage` says; infinite where these are too few. */
  function conformalBound(scores, coverage) {
    const ordered = [...scores].sort((one, other) => one - other);
    const at = ordered.findIndex((_, i) => (i + 1) / (scores.length + 1) >= coverage - 1e-12);
    return at < 0 ? Infinity : ordered[at];
  }
  const pssrOfRanks = (ranks, n) => mean(ranks.map((rank) => (n - rank) / n));

  const all = {
    HITS, PERCENT, TIES, FOUND, asAnswers, asCoded, bfloat16, conformalBound, count, counting, counts, exact, finite, mean, published, pssrOfRanks,
    ranking, recallCurve, ruledOut, squared, topOfPercent,
  };
  root.cvigArithmetic = all;
  if (typeof module !== "undefined") module.exports = all;
})(typeof globalThis !== "undefined" ? globalThis : this);
