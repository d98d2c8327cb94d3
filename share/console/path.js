"use strict";
/* path.js - under each answer: who gave it and by which approval, why it went this way, what was refused and why. */

const partnerOf = id => device?.partners?.find(partner => partner.id === id);
const partnerName = (id, from) => said(from?.name) || said(partnerOf(id)?.name) || id;
const isEmulated = (id, from) => Boolean(from?.emulated ?? partnerOf(id)?.emulated);
const filingId = filing => (typeof filing === "string" ? filing : (filing?.id ?? ""));
const isHypothetical = id => Boolean(device?.filings?.find(filing => filing.id === id)?.hypothetical);

/* A step of the plan or a refused candidate: who it is and with which model. */
function candidateLine(row) {
  const own = row.backend === "own",
    model = said(row.model_name) || said(row.model);
  return group(
    "span",
    "",
    make("b", "", own ? t("own") : partnerName(row.backend, row.partner)),
    " ",
    !own && (row.emulated ?? isEmulated(row.backend, row.partner)) ? mark("emulated") : null,
    model ? make("span", "soft", ` · ${model}`) : null,
  );
}

function pathLine(run) {
  const done = run.done,
    path = done?.source || run.decision?.path;
  if (!path || path === "off" || done?.state === "off" || done?.state === "declined") return null;
  if (!run.text && run.offer) return null; // nobody has answered yet: the offer says what could be
  const step = run.decision?.plan?.find(s => s.backend === path),
    own = path === "own";
  const model = said(done?.model?.name) || said(step?.model_name) || said(step?.model);
  const filing = filingId(done?.filing ?? step?.filing),
    from = run.extras.partner ?? step?.partner;
  return group(
    "div",
    "path",
    make("i", own ? "way" : "way partner"),
    make("b", "", own ? t("own") : partnerName(path, from)),
    !own && (done?.emulated ?? step?.emulated ?? isEmulated(path, from)) ? mark("emulated") : null,
    model ? make("span", "", model) : null,
    filing ? make("span", "soft", t("case_", filing)) : null,
    filing && (step?.hypothetical ?? isHypothetical(filing)) ? mark("hypothetical") : null,
  );
}

function planItem(step) {
  const item = group("li", "", candidateLine(step)),
    notes = group("p", "");
  if (filingId(step.filing))
    notes.append(t("case_", filingId(step.filing)), " ", step.hypothetical ? mark("hypothetical") : "", " ");
  if (step.needs_consent) notes.append(t("ask_first"));
  if (notes.childNodes.length) item.append(notes);
  return item;
}

function whyBox(run) {
  const d = run.decision;
  if (!d) return null;
  const plan = d.plan ?? [],
    refused = d.refused ?? [];
  const refusedItem = r =>
    group("li", "", candidateLine(r), make("p", "", sentence(r)), make("span", "code mono", r.reason));
  const facts = [
    t("rules", d.policy?.version ?? "?", d.market ?? "?"),
    short(d.policy?.sha256, 12),
    `${t("decision")} ${d.decision ?? ""}`,
  ];
  const box = group(
    "div",
    "",
    make("h4", "", t("plan")),
    plan.length ? group("ul", "", ...plan.map(planItem)) : make("p", "soft", t("no_plan")),
    make("h4", "", t("refused")),
    refused.length ? group("ul", "", ...refused.map(refusedItem)) : make("p", "soft", t("nothing_refused")),
    make("p", "facts mono", facts.filter(Boolean).join(" · ")),
  );
  const why = group("details", "why", make("summary", "", t(isOff(run) ? "why_off" : "why")), box);
  why.open = Boolean(run.whyOpen);
  why.ontoggle = () => {
    run.whyOpen = why.open;
  };
  return why;
}

const isOff = run => run.done?.state === "off" || (!run.done && run.decision?.path === "off");

function offCard(run) {
  if (!isOff(run)) return null;
  // The decision has its sentence in both languages, the end only in the one that was asked in.
  const reason = run.decision?.text_zh ? sentence(run.decision) : sentence(run.done);
  return group(
    "div",
    "card off-card",
    group("h3", "", make("i", "way off"), make("span", "", t("off_title"))),
    make("p", "", reason),
    make("p", "fine", t("off_note")),
  );
}

function offerCard(run) {
  const o = run.offer;
  if (!o) return null;
  const isAnswered = run.chose && run.chose !== "later" && run.chose !== "expired";
  const card = group(
    "div",
    isAnswered ? "offer answered" : "card offer",
    group(
      "h3",
      "",
      make("i", "way partner"),
      make("span", "", t("offer_title", partnerName(o.partner.id, o.partner))),
      o.partner.emulated ? mark("emulated") : null,
    ),
    make("p", "", run.chose ? t(`chose_${run.chose}`) : t(`cause_${o.cause}`)),
  );
  if (!run.chose || run.chose === "later")
    card.append(
      group(
        "div",
        "buttons",
        button(t("look"), "main", () => openSheet(run)),
      ),
    );
  return card;
}

/* What was sent is drawn when it goes, once: the line stays, with its size. */
function leavingLine(run) {
  if (!run.leaving) return null;
  run.leavingNode ??= group(
    "div",
    "leaving",
    make("i", "way"),
    make("span", "line"),
    make("i", "way partner"),
    make("span"),
  );
  run.leavingNode.lastElementChild.textContent = t(
    "sent",
    bytes(run.leaving.n),
    partnerName(run.leaving.partner, run.extras.partner),
  );
  return run.leavingNode;
}

function receiptLine(run) {
  const r = run.receipt;
  if (!r) return null;
  return button(
    `${t("receipt")} ${short(r.id)} · ${t("sent_received", bytes(r.bytes_sent), bytes(r.bytes_received))}`,
    "quiet small receipt-line",
    () => showView("receipts"),
  );
}

/* All that stands under an answer; drawn when something happened, not with every piece of text. */
function showUnder(run) {
  const retracted = run.retract
    ? group("div", "card retracted", make("h3", "", t("retracted")), make("p", "", sentence(run.retract)))
    : null;
  const labelText = run.label || (typeof run.done?.label === "string" ? run.done.label : "");
  const label = labelText && run.text ? make("p", "label-line", labelText) : null;
  const says =
    isOff(run) || run.retract || run.offer || (run.problem && run.done?.state !== "answered")
      ? ""
      : sentence(run.done) || (run.done?.state === "declined" && !run.text ? t("declined") : "");
  const nodes = [
    retracted,
    leavingLine(run),
    label,
    offCard(run),
    pathLine(run),
    says ? make("p", "fine", says) : null,
    says && run.problem ? make("p", "fine", sentence(run.problem)) : null,
    offerCard(run),
    receiptLine(run),
    whyBox(run),
  ].filter(Boolean);
  const moving = run.leavingNode; // a node that is taken out and put in again would begin its way anew
  for (const node of [...run.under.children]) if (node !== moving) node.remove();
  const at = nodes.indexOf(moving);
  if (at >= 0 && moving.parentNode === run.under) {
    moving.before(...nodes.slice(0, at));
    moving.after(...nodes.slice(at + 1));
  } else run.under.append(...nodes);
  follow();
}
