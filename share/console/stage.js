"use strict";
/* stage.js - the stage as a whole: the desk's key and state, what is asked of both phones, what is handed to them. */
const POLL_MS = 2500,
  POLL_SOON_MS = 500;
let stageState = null; // GET /desk/state
let shownState = "";
const places = [];
let deskKey = takeFromAddress("key");
if (deskKey) secrets.set("tandem.desk", deskKey);
else deskKey = secrets.get("tandem.desk");

const desk = (path, body) => call(path, body, { Authorization: `Bearer ${deskKey}` });

function showNews(text, isBad = false) {
  $("news").textContent = text;
  $("news").className = isBad ? "bad" : "";
}

function showTrouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text;
}

async function readState() {
  try {
    stageState = await desk("desk/state");
    showTrouble("");
  } catch (problem) {
    showTrouble(problem.status === 401 ? t("no_key") : problemText(problem));
    return;
  }
  for (const place of places) {
    const phone = stageState.phones.find(p => p.name === place.name);
    if (phone) seatPhone(place, phone);
  }
  const now = JSON.stringify([stageState.cases, stageState.markets, stageState.emulators, places.map(p => p.soldIn)]);
  if (now !== shownState) showDesks();
  shownState = now;
}

async function watchState() {
  await readState();
  for (const place of places)
    keepSeated(
      place,
      stageState?.phones.find(p => p.name === place.name),
    );
  const isSoon = places.some(p => p.wants || !p.isOwner);
  setTimeout(watchState, isSoon ? POLL_SOON_MS : POLL_MS);
}

function showDesks() {
  showCase();
  showRegulator();
  showMaker();
}

function showDesk(name) {
  for (const other of ["regulator", "maker"]) {
    $(`tab-${other}`).setAttribute("aria-selected", String(other === name));
    $(`tab-${other}`).tabIndex = other === name ? 0 : -1;
    $(`desk-${other}`).hidden = other !== name;
  }
}

/* ---- from the desks to the phones ---- */

/* Hands signed bytes to the phones of a market, and says what they made of it. */
async function hand(market, what, message, from) {
  const theirs = places.filter(p => marketOf(p.soldIn)?.id === market && p.device);
  const name = said(stageState.markets.find(m => m.id === market)?.name) || market;
  for (const place of theirs) travel(from, place.part(".phone"), "file");
  const answers = await Promise.all(theirs.map(place => tell(place, message)));
  const bad = answers.find(answer => !answer.ok);
  showNews(
    `${t("signed", what, name)} ${bad ? t("not_taken", bad.text) : theirs.length ? t("taken") : t("no_phone")}`,
    Boolean(bad),
  );
}

/* A phone that has just come may have older rules than the desk: it gets the newest; that it has them is no fault. */
async function handRules(place) {
  const market = marketOf(place.soldIn)?.id;
  if (!market) return;
  try {
    await tell(place, { do: "policy", bundle: await desk(`desk/bundle?market=${encodeURIComponent(market)}`) });
    for (const c of stageState.cases.filter(one => one.market === market)) {
      if (stageState.case_files?.[c.id]) await tell(place, { do: "filing", case: stageState.case_files[c.id] });
    }
  } catch {
    /* the desk has none for it: the phone keeps what it has */
  }
}

/* ---- asking both ---- */

$("ask").onsubmit = async e => {
  e.preventDefault();
  const text = $("question").value.trim();
  if (!text) return;
  $("question").select();
  for (const place of places) showPlace(place, "");
  const answers = await Promise.all(
    places.map(place => tell(place, { do: "ask", text, partner: $("by-name").checked })),
  );
  answers.forEach((answer, i) => {
    if (!answer.ok) showPlace(places[i], answer.text);
  });
};

function showAll() {
  showWords();
  for (const place of places) {
    showPlace(place, "");
    sendLook(place);
  }
  showDesks();
}

for (const name of ["left", "right"]) places.push(makePlace(name));
for (const name of ["regulator", "maker"]) $(`tab-${name}`).onclick = () => showDesk(name);
$("desk-tabs").onkeydown = e => {
  if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
  showDesk($("desk-maker").hidden ? "maker" : "regulator");
  $("desk-tabs").querySelector("[aria-selected=true]").focus();
};
addEventListener("message", hearPlaces);
watchLook(showAll);
showWords();
showDesk("regulator");
for (const place of places) showPlace(place, "");
watchState();
$("question").focus();
