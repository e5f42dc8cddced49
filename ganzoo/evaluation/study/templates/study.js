"use strict";
// Asks the trials in an order that depends on the participant's name, practice first, and saves the answers to a file.
const study = JSON.parse(document.body.dataset.study);
const at = (id) => document.getElementById(id);
const answers = [];
let order = [];
let position = 0;
let shownAt = 0;
let waiting = false;
let unsaved = false;
const UNSEEN = 200; // milliseconds in which nobody can have looked at the images: a double click, or a key held down
let timer = 0;

const practice = study.trials.filter((trial) => trial.practice);
const counted = study.trials.filter((trial) => !trial.practice);
const limit = study.seconds ? ` Each pair of images is shown for ${study.seconds} s.` : "";
at("task").textContent = study.question;
at("length").textContent = `${practice.length} trials for practice, then ${counted.length} that count.${limit}`;

// A small random generator (mulberry32), seeded by a hash of the participant's name (FNV-1a).
function generator(text) {
  let state = 2166136261;
  for (const one of text) state = Math.imul(state ^ one.codePointAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(trials, random) {
  const result = [...trials];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

function showTrial() {
  const trial = order[position];
  at("progress").textContent = `${position + 1} of ${order.length}`;
  at("kind").textContent = trial.practice ? "(practice)" : "";
  at("question").textContent = trial.question ?? study.question;
  at("feedback").textContent = "";
  at("next").hidden = true;
  at("source").hidden = !trial.source;
  if (trial.source) at("source").src = trial.source;
  else at("source").removeAttribute("src");
  at("pair").classList.remove("hidden");
  for (const side of ["left", "right"]) at(side).querySelector("img").src = trial[side];
  shownAt = performance.now();
  waiting = true;
  clearTimeout(timer);
  if (study.seconds) timer = setTimeout(() => at("pair").classList.add("hidden"), 1000 * study.seconds);
}

function choose(side) {
  if (!waiting || performance.now() - shownAt < UNSEEN) return;
  waiting = false;
  const trial = order[position];
  answers.push({ trial: trial.name, choice: side, seconds: Math.round(performance.now() - shownAt) / 1000 });
  at("save").hidden = false;
  unsaved = true;
  if (trial.practice === "left" || trial.practice === "right") {
    at("feedback").textContent = trial.practice === side ? "Right." : `No: the ${trial.practice} one was real.`;
    at("next").hidden = false;
    at("next").focus();
  } else {
    advance();
  }
}

function advance() {
  position += 1;
  if (position < order.length) {
    showTrial();
    return;
  }
  clearTimeout(timer);
  at("trial").hidden = true;
  at("end").hidden = false;
}

function save(event) {
  event.preventDefault();
  const participant = at("participant").value.trim();
  const text = JSON.stringify({ study: study.study, participant, answers }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${participant.replace(/[^\p{L}\p{N}-]+/gu, "_")}.json`;
  link.click();
  unsaved = false;
}

at("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  const random = generator(`${study.study}/${at("participant").value.trim()}`);
  order = [...practice, ...shuffled(counted, random)];
  at("start").hidden = true;
  at("trial").hidden = false;
  showTrial();
});
for (const side of ["left", "right"]) at(side).addEventListener("click", () => choose(side));
document.addEventListener("keydown", (event) => {
  if (event.repeat) return;
  if (event.key === "ArrowLeft") choose("left");
  if (event.key === "ArrowRight") choose("right");
});
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault(); // the browser asks before it closes the page
});
at("next").addEventListener("click", advance);
at("save").addEventListener("click", save);
