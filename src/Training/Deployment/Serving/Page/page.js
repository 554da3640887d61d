"use strict";

const drop = document.getElementById("drop");
const input = document.getElementById("files");
const message = document.getElementById("status");
const table = document.querySelector("table");
const rows = document.querySelector("tbody");

function cell(row, text, kind) {
  const element = row.insertCell();
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function show(file, image) {
  const row = rows.insertRow();
  const picture = document.createElement("img");
  picture.alt = "";
  picture.src = URL.createObjectURL(file);
  picture.onload = picture.onerror = () => URL.revokeObjectURL(picture.src);
  row.insertCell().append(picture);
  cell(row, file.name);
  if (image.error) {
    cell(row, image.error).colSpan = 4;
    return;
  }
  cell(row, image.class);
  cell(row, `${(100 * image.probability).toFixed(1)} %`, "number");
  cell(row, image.score.toPrecision(4), "number");
  cell(row, image.accepted === null ? "no threshold" : image.accepted ? "accepted" : "rejected");
}

async function score(files) {
  if (files.length === 0) return;
  message.textContent = `Scoring ${files.length} image(s) ...`;
  const form = new FormData();
  for (const file of files) form.append("image", file);
  try {
    const response = await fetch("score", { method: "POST", body: form });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail || answer.title);
    rows.replaceChildren();
    answer.images.forEach((image, i) => show(files[i], image));
    document.getElementById("threshold").textContent = answer.threshold === null
      ? `Score: ${answer.score_name}; no threshold was chosen.`
      : `Score: ${answer.score_name}; accepted up to ${answer.threshold.toPrecision(4)}.`;
    table.hidden = false;
    message.textContent = `${files.length} image(s) scored.`;
  } catch (error) {
    message.textContent = `No answer: ${error.message}`;
  }
}

input.addEventListener("change", () => score([...input.files]));
drop.addEventListener("dragover", event => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", event => {
  event.preventDefault();
  drop.classList.remove("over");
  score([...event.dataTransfer.files]);
});
