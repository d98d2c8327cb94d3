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
      boxes.forEach((other, k) => {
        other.checked = k >= turns.length - run.earlier;
      });
    };
    return group("label", "earlier", box, group("span", "", make("b", "", t(turn.role) + t("colon")), turn.content));
  });
  return [label("h3", "", "earlier"), ...rows, label("p", "fine", "earlier_fine")];
}

function drawSheet() {
  const run = sheetRun,
    o = run.offer,
    leaves = o.leaves,
    name = partnerName(o.partner.id, o.partner);
  const title = group("h2", "", t("sheet_title", name) + " ", o.partner.emulated ? mark("emulated") : null);
  title.id = "sheet-title";
  title.tabIndex = -1;
  const cause = make("p", "", t(`cause_${o.cause}`));
  cause.id = "sheet-cause";
  const filing = o.filing
    ? [filingId(o.filing) + " ", o.filing.hypothetical ? mark("hypothetical") : null]
    : [t("no_filing")];
  const text = make("div", "leaves", leaves.text);
  text.tabIndex = 0;
  const body = [
    title,
    cause,
    make("h3", "", t("leaves", bytes(leaves.bytes))),
    text,
    make("p", "fine", leaves.attachments?.length ? t("attachments", leaves.attachments.length) : t("nothing_else")),
    factRows([
      ["who", [name, o.partner.legal_entity].filter(Boolean).join(" · ")],
      ["where", said(o.partner.region)],
      ["model", said(o.model?.name) || o.model?.id],
      ["filing", ...filing],
    ]),
  ];
  body.push(...earlierTurns(run, leaves.earlier_turns));
  if (leaves.body) {
    body.push(
      group(
        "details",
        "",
        label("summary", "", "exact"),
        make("pre", "mono", leaves.body),
        leaves.earlier_turns?.length ? label("p", "fine", "exact_more") : null,
        make("p", "fine mono", `${t("digest")} ${leaves.sha256 ?? ""}`),
      ),
    );
  }
  $("sheet-body").replaceChildren(...body);
  drawSheetButtons(o);
}

function drawSheetButtons(o) {
  const modes = o.consent?.modes ?? ["once", "never"],
    buttons = [];
  for (const mode of ["never", "always", "once"]) {
    if (!modes.includes(mode)) continue;
    const choice = button(t(mode), mode === "once" ? "main" : "", () => choose(mode));
    choice.dataset.choice = mode;
    choice.disabled = !session;
    buttons.push(choice);
  }
  const later = button(t("later"), "quiet small", () => closeSheet("later"));
  later.dataset.choice = "later";
  const note = make("p", "fine", session ? t("ends", clock(o.expires)) : t("not_owner"));
  $("sheet-buttons").replaceChildren(...buttons, group("div", "", note, later));
}

/* No <dialog>: it would take the focus out of the hands of whoever writes on the stage. While the sheet is up all else
   of the page is inert, which is the focus trap. */
function openSheet(run) {
  closeSheet("later");
  sheetRun = run;
  run.chose = null;
  drawSheet();
  showView("talk");
  $("sheet").hidden = false;
  for (const node of document.body.children) if (node !== $("sheet")) node.inert = true;
  if (document.hasFocus()) $("sheet-title").focus(); // no answer is given by an Enter that was meant for something else
  const left = (moment(run.offer.expires)?.getTime() ?? Infinity) - Date.now();
  if (left < 2 ** 31) sheetTimer = setTimeout(() => closeSheet("expired"), Math.max(left, 0));
}

/* choice: once, always, never, or why there is none: later, expired. Nothing to close is no fault. */
function closeSheet(choice) {
  const run = sheetRun;
  if (!run) return;
  clearTimeout(sheetTimer);
  sheetRun = null;
  $("sheet").hidden = true;
  for (const node of document.body.children) node.inert = false;
  if (document.hasFocus()) $("prompt").focus();
  run.chose = choice;
  if (choice === "later" || choice === "expired") tellStage({ event: "state", state: "declined" });
  showUnder(run);
}

function choose(mode) {
  const run = sheetRun;
  if (running || !run) return;
  closeSheet(mode);
  const o = run.offer;
  reply(
    run.question,
    {
      offer: o.id,
      consent: mode,
      earlier: run.earlier ?? 0,
      partner: o.partner,
      bytes: o.leaves.bytes,
      named: run.extras.named,
    },
    run,
  );
}

$("sheet").onclick = e => {
  if (e.target === $("sheet")) closeSheet("later");
};
