/* What scrolls sideways can be reached and scrolled with keys. */
"use strict";
(function () {
  const SCROLL = "table.dataframe, .cell_output table, article table, pre, div.math, .output, .lab-scroll";
  function mark() {
    for (const part of document.querySelectorAll(SCROLL)) {
      if (part.scrollWidth > part.clientWidth + 1 && part.tabIndex < 0) part.tabIndex = 0;
    }
  }
  addEventListener("load", mark);
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true); // a fold that opens
})();
