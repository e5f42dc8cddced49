// Point at a chart: a line at the nearest logged step, and the values there in the legend.
for (const figure of document.querySelectorAll("figure.chart")) {
  const svg = figure.querySelector("svg");
  const cursor = svg.querySelector(".cursor");
  const at = figure.querySelector(".at");
  const [left, right, end] = JSON.parse(svg.dataset.axis);
  const shown = [...figure.querySelectorAll("output")];
  const last = shown.map((one) => one.textContent);
  const curves = [...svg.querySelectorAll("path[data-points]")].map((path) => JSON.parse(path.dataset.points));

  const nearest = (points, step) =>
    points.reduce((best, one) => (Math.abs(one[0] - step) < Math.abs(best[0] - step) ? one : best));
  const digits = (value) => String(Number(value.toPrecision(4)));
  const written = (value) => {
    if (value === null) return "not finite";
    for (const [size, letter] of [[1e9, "G"], [1e6, "M"]])
      if (Math.abs(value) >= size && Math.abs(value) < 1e15) return digits(value / size) + letter;
    return digits(value);
  };

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const step = Math.min(Math.max((x - left) / (right - left), 0), 1) * end;
    const found = curves.map((points) => nearest(points, step));
    const place = left + ((right - left) * found[0][0]) / end;
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    const together = found.every((one) => one[0] === found[0][0]); // not where a long log is thinned
    at.textContent = (together ? "step " : "near step ") + found[0][0];
    found.forEach((one, i) => (shown[i].textContent = written(one[1])));
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("x1", -9);
    cursor.setAttribute("x2", -9);
    at.textContent = "";
    last.forEach((text, i) => (shown[i].textContent = text));
  });
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && location.hash.startsWith("#step-")) location.hash = "#samples";
});
