/* A canvas to draw on in the page's pixels, as sharp as the screen can show. */
"use strict";

window.cvigCanvas = function (element) {
  const scale = window.devicePixelRatio || 1, { width, height } = element.getBoundingClientRect();
  element.width = width * scale;
  element.height = height * scale;
  const pen = element.getContext("2d");
  pen.scale(scale, scale);
  return { pen, width, height };
};
