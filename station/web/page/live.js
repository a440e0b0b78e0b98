"use strict";
// Asks the station for facts twice a second and shows them; text only ever goes in as text.
const EVERY_MS = 500;
const PATIENCE_MS = 3000;
const at = name => document.getElementById(name);
const shown = (value, digits) => value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });

function picture(frame) {
  const figure = document.createElement("figure");
  figure.className = `frame ${frame.answer}`;
  figure.dataset.key = frame.key;
  const image = document.createElement("img");
  image.src = `live/${frame.key}.jpg`;
  image.alt = `${frame.name}: ${frame.answer}`;
  const caption = document.createElement("figcaption");
  const verdict = document.createElement("b");
  verdict.textContent = (frame.answer === "pass" ? "✓ pass" : frame.review ? "? look at it" : "✕ reject") + (frame.standing === "answered" ? "" : `, ${frame.standing}`);
  const score = document.createElement("span");
  score.textContent = frame.score === null ? "no score" : `score ${frame.score.toFixed(3)}`;
  const found = document.createElement("span");
  found.textContent = frame.found;
  caption.append(verdict, found, score);
  figure.append(image, caption);
  return figure;
}

function showFrames(frames) {
  const place = at("frames");
  const known = new Map([...place.children].map(each => [each.dataset.key, each]));
  place.replaceChildren(...frames.map(frame => known.get(String(frame.key)) ?? picture(frame)));
}

function notice(facts) {
  const told = [];
  const drift = facts.drift;
  if (drift?.drifting.length) told.push(`other than the model knows: ${drift.drifting.join(", ")} (p = ${drift.p_corrected.toExponential(1)})`);
  for (const [standing, count] of Object.entries(facts.standings)) if (count) told.push(`${shown(count, 0)} ${standing}`);
  told.push(...facts.cautions);
  return told.join(" · ");
}

function show(facts) {
  document.body.dataset.state = facts.light.state;
  at("word").textContent = facts.light.word;
  at("why").textContent = facts.light.why;
  at("rate").textContent = shown(facts.rate_per_s, 1);
  at("rejected").textContent = shown(facts.rejected, 0);
  at("offered").textContent = shown(facts.offered, 0);
  at("misses").textContent = shown(facts.misses, 0);
  at("missed").className = facts.misses ? "some" : "";
  at("notice").textContent = notice(facts);
  at("notice").hidden = !at("notice").textContent;
  at("bundle").textContent = facts.bundle;
  at("latency").textContent = `decided after ${shown(facts.latency_ms.p50, 2)} ms (99 %: ${shown(facts.latency_ms.p99, 2)} ms), allowed ${shown(facts.deadline_ms, 1)} ms`;
  at("drift").textContent = facts.drift ? facts.drift.words : "";
  const last = facts.incidents[0];
  at("incident").textContent = last ? `${new Date(last.unix_s * 1000).toLocaleTimeString()} ${last.part}: ${last.text}` : "";
  showFrames(facts.frames);
}

async function look() {
  try {
    const answer = await fetch("live.json", { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`the station answers ${answer.status}`);
    show(await answer.json());
  } catch (error) {
    document.body.dataset.state = "lost";
    at("word").textContent = "NO SIGNAL";
    at("why").textContent = "this screen shows nothing live";
  }
  setTimeout(look, EVERY_MS);
}

look();
