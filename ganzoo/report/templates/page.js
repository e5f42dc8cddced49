// When the pointer is over a chart, or a key is pressed on it: show a line at the nearest logged step, and the values there in the legend.
for (const figure of document.querySelectorAll("figure.chart")) {
  const svg = figure.querySelector("svg");
  const cursor = svg.querySelector(".cursor");
  const stepText = figure.querySelector(".at");
  const [left, right, end] = JSON.parse(svg.dataset.axis);
  const outputs = [...figure.querySelectorAll("output")];
  const lastValues = outputs.map((output) => output.textContent);
  const curves = [...svg.querySelectorAll("path[data-points]")].map((path) => JSON.parse(path.dataset.points));

  const nearest = (points, step) =>
    points.reduce((best, point) => (Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best));
  const fourDigits = (value) => String(Number(value.toPrecision(4)));
  const formatValue = (value) => {
    if (value === null) return "not finite";
    for (const [size, letter] of [[1e9, "G"], [1e6, "M"]])
      if (Math.abs(value) >= size && Math.abs(value) < 1e15) return fourDigits(value / size) + letter;
    return fourDigits(value);
  };

  let chosen = null; // index of the point that the keyboard chose
  const show = (step) => {
    const nearestPoints = curves.map((points) => nearest(points, step));
    const position = left + ((right - left) * nearestPoints[0][0]) / end;
    cursor.setAttribute("x1", position);
    cursor.setAttribute("x2", position);
    // The curves of a long log are downsampled, each to steps of its own.
    const sameStep = nearestPoints.every((point) => point[0] === nearestPoints[0][0]);
    stepText.textContent = (sameStep ? "step " : "near step ") + nearestPoints[0][0];
    nearestPoints.forEach((point, i) => (outputs[i].textContent = formatValue(point[1])));
  };
  const hide = () => {
    chosen = null;
    cursor.setAttribute("x1", -9);
    cursor.setAttribute("x2", -9);
    stepText.textContent = "";
    lastValues.forEach((text, i) => (outputs[i].textContent = text));
  };

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    show(Math.min(Math.max((x - left) / (right - left), 0), 1) * end);
  });
  svg.addEventListener("pointerleave", hide);

  // With the keyboard: Tab to a chart, then the arrows, Home and End choose one of the first curve's points.
  svg.addEventListener("keydown", (event) => {
    const last = curves[0].length - 1;
    const moves = {
      ArrowLeft: chosen === null ? last : Math.max(chosen - 1, 0),
      ArrowRight: chosen === null ? 0 : Math.min(chosen + 1, last),
      Home: 0,
      End: last,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    chosen = moves[event.key];
    show(curves[0][chosen][0]);
  });
  svg.addEventListener("blur", hide);
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && location.hash.startsWith("#step-")) location.hash = "#samples";
});
