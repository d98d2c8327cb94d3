"use strict";
/* consent.js - the sheet before anything leaves: to whom, which model, under which approval, the exact text, and which
   earlier turns if the owner ticks them. Closing it is no answer; an offer that has ended cannot be agreed to. */
let sheetRun = null;
let sheetTimer = 0;

function factRows(rows) {
  const list = make("dl", "facts-list");
  for (const [name, ...value] of rows) list.append(make("dt", "", t(name)), group("dd", "", ...value));
  return list;
}

/* Boxes for the earlier turns, oldest first. What is sent is always the end of the talk, so a tick takes all later. */
function earlierTurns(run, turns) {
  if (!turns?.length) return [];
  const boxes = turns.map(() => make("input"));
  const rows = turns.map((turn, i) => {
    const box = boxes[i];
    box.type = "checkbox";
    box.checked = i >= turns.length - (run.earlier ?? 0);
    box.onchange = () => {
      run.earlier = box.checked ? turns.length - i : turns.length - i - 1;
      boxes.forEach((other, k) => { other.checked = k >= turns.length - run.earlier; });
    };
    return group("label", "earlier", box, group("span", "", make("b", "", t(turn.role) + ": "), turn.content));
  });
  return [label("h3", "", "earlier"), ...rows, label("p", "fine", "earlier_fine")];
}

function drawSheet() {
  const run = sheetRun, o = run.offer, leaves = o.leaves, name = partnerName(o.partner.id, o.partner);
  const title = group("h2", "", t("sheet_title", name) + " ", o.partner.emulated ? mark("emulated") : null);
  title.id = "sheet-title";
  const cause = make("p", "", t(`cause_${o.cause}`));
  cause.id = "sheet-cause";
  const filing = o.filing ? [filingId(o.filing) + " ", o.filing.hypothetical ? mark("hypothetical") : null] : [t("no_filing")];
  const text = make("div", "leaves", leaves.text);
  text.tabIndex = 0;
  const body = [title, cause,
    factRows([["who", [name, o.partner.legal_entity].filter(Boolean).join(" · ")], ["where", said(o.partner.region)],
      ["model", said(o.model?.name) || o.model?.id], ["filing", ...filing]]),
    make("h3", "", t("leaves", bytes(leaves.bytes))), text,
    make("p", "fine", leaves.attachments?.length ? t("attachments", leaves.attachments.length) : t("nothing_else"))];
  body.push(...earlierTurns(run, leaves.earlier_turns));
  if (leaves.body) {
    body.push(group("details", "", label("summary", "", "exact"), make("pre", "mono", leaves.body),
      leaves.earlier_turns?.length ? label("p", "fine", "exact_more") : null,
      make("p", "fine mono", `${t("digest")} ${leaves.sha256 ?? ""}`)));
  }
  $("sheet-body").replaceChildren(...body);
  drawSheetButtons(o);
}

function drawSheetButtons(o) {
  const modes = o.consent?.modes ?? ["once", "never"], buttons = [];
  for (const mode of ["once", "always", "never"]) {
    if (!modes.includes(mode)) continue;
    const choice = button(t(mode), mode === "once" ? "main" : "", () => choose(mode));
    choice.dataset.choice = mode;
    choice.disabled = !session;
    buttons.push(choice);
  }
  const later = button(t("later"), "quiet", () => $("sheet").close());
  later.dataset.choice = "later";
  const note = make("p", "fine", session ? t("ends", clock(o.expires)) : t("not_owner"));
  $("sheet-buttons").replaceChildren(...buttons, later, note);
}

function openSheet(run) {
  if ($("sheet").open) { $("sheet").close(); setChoice(sheetRun, "later"); }
  sheetRun = run;
  run.chose = null;
  drawSheet();
  showView("talk");
  $("sheet").showModal();
  const left = (moment(run.offer.expires)?.getTime() ?? Infinity) - Date.now();
  if (left < 2 ** 31) sheetTimer = setTimeout(() => { if (sheetRun === run) $("sheet").close("expired"); }, Math.max(left, 0));
}

function choose(mode) {
  const run = sheetRun;
  if (running || !run) return;
  $("sheet").close(mode);
  const o = run.offer;
  reply(run.question, { offer: o.id, consent: mode, earlier: run.earlier ?? 0, partner: o.partner, bytes: o.leaves.bytes,
    named: run.extras.named }, run);
}

function setChoice(run, choice) {
  run.chose = choice;
  if (choice === "later" || choice === "expired") tellStage({ event: "state", state: "declined" });
  showUnder(run);
}

$("sheet").addEventListener("close", () => {
  if ($("sheet").open || !sheetRun) return;  // this event comes late: another offer has taken the sheet
  const run = sheetRun, answer = $("sheet").returnValue;
  clearTimeout(sheetTimer);
  $("sheet").returnValue = "";
  sheetRun = null;
  setChoice(run, answer || "later");
});
