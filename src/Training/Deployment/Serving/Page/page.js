"use strict";

const attempts = 10;
const overheadOfFile = 1024;

const byId = id => document.getElementById(id);
const drop = byId("drop");
const input = byId("files");
const table = document.querySelector("table");
const rows = document.querySelector("tbody");

let limits = { max_images: 64, max_body_bytes: 10 * 1024 * 1024 };
let chosen = [];
let turn = 0;

const headers = () => byId("key").value ? { Authorization: `Bearer ${byId("key").value}` } : {};
const say = text => { byId("status").textContent = text; };
const pause = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

function cell(row, text, kind, label) {
  const element = row.insertCell();
  element.textContent = text;
  element.className = kind;
  if (label) element.dataset.label = label;
  return element;
}

function show(file, image) {
  const row = rows.insertRow();
  const picture = document.createElement("img");
  picture.alt = "";
  picture.src = URL.createObjectURL(file);
  picture.onload = picture.onerror = () => URL.revokeObjectURL(picture.src);
  cell(row, "", "picture").append(picture);
  cell(row, file.name, "file");
  if (image.error) {
    cell(row, image.error, "error").colSpan = 4;
    return;
  }
  cell(row, image.class, "class", "Class");
  cell(row, `${(100 * image.probability).toFixed(1)} %`, "number", "Probability");
  cell(row, image.score.toPrecision(4), "number", "Score");
  const decision = image.accepted === null ? "no threshold" : image.accepted ? "accepted" : "rejected";
  cell(row, decision, decision, "Decision");
}

async function askModel() {
  try {
    const response = await fetch("v1/model", { headers: headers() });
    byId("ask").hidden = response.status !== 401;
    if (!response.ok) return;
    const model = await response.json();
    limits = model.limits;
    byId("model").textContent = `${model.name}: ${model.classes.length} classes, Pascl ${model.version}, weights ${model.weights_sha256.slice(0, 12)}`;
    byId("threshold").textContent = model.threshold === null
      ? `Score: ${model.score_name}; no threshold was chosen.`
      : `Score: ${model.score_name}; accepted up to ${model.threshold.toPrecision(4)}.`;
  } catch {
    // The server is asked again when there is something to score.
  }
}

// Files in groups that one request may have; a file that is too large alone makes a group of its own, and the server says so.
function groups(files) {
  const result = [];
  let bytes = 0;
  for (const file of files) {
    const more = file.size + overheadOfFile;
    if (result.length === 0 || result.at(-1).length === limits.max_images || bytes + more > limits.max_body_bytes) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1).push(file);
    bytes += more;
  }
  return result;
}

async function send(files) {
  // A connection is closed while a body is sent that is too large, so that the answer may not arrive.
  if (files.length === 1 && files[0].size + overheadOfFile > limits.max_body_bytes) {
    return [{ error: `Larger than ${limits.max_body_bytes.toLocaleString("en")} bytes, which is all that this server takes.` }];
  }
  for (let attempt = 1; ; attempt++) {
    const form = new FormData();
    for (const file of files) form.append("image", file);
    const response = await fetch("score", { method: "POST", body: form, headers: headers() });
    const answer = await response.json();
    if (response.ok) return answer.images;
    if (response.status === 503 && attempt < attempts) {
      await pause(Number(response.headers.get("Retry-After")) || 1);
      continue;
    }
    if (response.status === 413) {
      if (files.length === 1) return [{ error: answer.detail || answer.title }];
      const half = Math.ceil(files.length / 2);
      return [...await send(files.slice(0, half)), ...await send(files.slice(half))];
    }
    if (response.status === 401) byId("ask").hidden = false;
    throw new Error(answer.detail || answer.title);
  }
}

async function score(files) {
  if (files.length === 0) return;
  chosen = files;
  const mine = ++turn;
  let [scored, unreadable] = [0, 0];
  rows.replaceChildren();
  table.hidden = true;
  say(`Scoring ${files.length} image(s) ...`);
  try {
    await askModel();
    for (const group of groups(files)) {
      const images = await send(group);
      if (mine !== turn) return;
      images.forEach((image, i) => {
        show(group[i], image);
        if (image.error) unreadable++; else scored++;
      });
      table.hidden = false;
      say(`Scoring: ${scored + unreadable} of ${files.length} image(s) ...`);
    }
    say(`${scored} image(s) scored${unreadable > 0 ? `, ${unreadable} could not be read` : ""}.`);
  } catch (error) {
    if (mine !== turn) return;
    say(`${scored + unreadable > 0 ? `After ${scored + unreadable} of ${files.length} image(s): no` : "No"} answer: ${error.message}`);
  }
}

askModel();
byId("ask").addEventListener("submit", async event => {
  event.preventDefault();
  say("Scoring ...");
  await askModel();
  await score(chosen);
});
input.addEventListener("change", () => score([...input.files]));
drop.addEventListener("dragover", event => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", event => {
  event.preventDefault();
  drop.classList.remove("over");
  score([...event.dataTransfer.files]);
});
