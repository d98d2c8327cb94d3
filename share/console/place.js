"use strict";
/* place.js - a place on the stage where a phone stands: its frame, the way out to its partner, the switches that lie
   about where it is. Everything shown about the phone is what the phone's own page told. */
const WAIT_MS = 20000,
  FRAME_AGAIN_MS = 6000,
  LINK_AGAIN_MS = 4000;
let messageId = 0;

function makePlace(name) {
  const root = $(`place-${name}`);
  root.append($("place").content.cloneNode(true));
  const place = {
    name,
    root,
    url: "",
    key: "",
    soldIn: "",
    device: null,
    features: null,
    isOwner: false,
    waits: new Map(),
    lies: { travel: false, sim: false, spoof: false },
    wants: "",
    linkAsked: 0,
    linkRefused: 0,
    part: selector => root.querySelector(selector),
  };
  place.part(".another select").onchange = e => replacePhone(place, e.target.value);
  for (const what of ["travel", "sim", "spoof", "network"]) {
    const node = button("", "", () => flip(place, what));
    node.setAttribute("role", "switch");
    node.append(make("i", "knob"), label("span", "", what));
    node.dataset.what = what;
    node.dataset.tTitle = `${what}_about`;
    place.part(".switches").append(node);
  }
  return place;
}

const marketOf = soldIn => stageState?.markets.find(m => m.sold_in.includes(soldIn));
const marketName = soldIn => said(marketOf(soldIn)?.name) || soldIn;
/* Where a liar would say it is: the market it was not sold in. */
const elsewhere = place => (place.soldIn === "CN" ? "US" : "CN");

/* ---- the frame ---- */

/* Shows the phone that the desk says stands here; another address or another market is another phone. */
function seatPhone(place, phone) {
  const key = `${phone.url} ${phone.sold_in}`;
  const isUp = phone.state === "up" && (!place.wants || place.wants === phone.sold_in);
  if (!isUp) {
    showVeil(place, true, place.wants || phone.sold_in);
  } else if (key !== place.key) {
    Object.assign(place, {
      key,
      url: phone.url,
      soldIn: phone.sold_in,
      device: null,
      features: null,
      isOwner: false,
      lies: { travel: false, sim: false, spoof: false },
    });
    place.part(".proof").textContent = "";
    loadFrame(place, phone.link);
  } else if (phone.link && phone.link !== place.link && !place.isOwner) {
    loadFrame(place, phone.link);
  }
  showPlace(place);
}

/* A phone whose page has not spoken is framed again; one whose owner is not here is asked for another link. */
function keepSeated(place, phone) {
  if (!phone || phone.state !== "up" || !place.key) return;
  if (place.device && !place.isOwner) wantLink(place);
  else if (!place.hasSpoken && Date.now() - place.framedAt > FRAME_AGAIN_MS) loadFrame(place, phone.link);
}

/* The link is in the fragment, which no server sees; the phone's page takes it out of its address. */
function loadFrame(place, link) {
  const old = place.part("iframe"),
    frame = old.cloneNode(false);
  Object.assign(place, { link, framedAt: Date.now(), hasSpoken: false });
  frame.src = place.url + "/" + (link ? `#link=${link}` : "");
  old.replaceWith(frame);
}

function showVeil(place, on, soldIn) {
  place.part(".veil").hidden = !on;
  if (!on) return;
  place.part(".veil b").textContent = place.wants ? t("replaced", marketName(soldIn)) : t("starting");
  place.part(".veil p").textContent = place.wants ? t("replaced_about") : "";
}

async function replacePhone(place, soldIn) {
  if (!soldIn || soldIn === place.soldIn) return;
  place.wants = soldIn;
  shownCase = "";
  showVeil(place, true, soldIn);
  try {
    await desk(`desk/phones/${place.name}`, { sold_in: soldIn });
    await readState();
  } catch (problem) {
    place.wants = "";
    showVeil(place, false);
    showPlace(place, problemText(problem));
  }
}

/* ---- messages: only from this place's own frame, only from its own origin ---- */

function tell(place, message) {
  const id = ++messageId;
  const answer = new Promise(resolve => {
    place.waits.set(id, resolve);
    setTimeout(() => {
      if (place.waits.delete(id)) resolve({ ok: false, text: t("away") });
    }, WAIT_MS);
  });
  place.part("iframe").contentWindow?.postMessage({ tandem: 1, id, ...message }, place.url);
  return answer;
}

const sendLook = place => tell(place, { do: "look", lang, dark: isDark() });

function hearPlaces(e) {
  const place = places.find(p => p.part("iframe").contentWindow === e.source && p.url === e.origin);
  const told = e.data;
  if (!place || told?.tandem !== 1) return;
  place.hasSpoken = true;
  if (told.did) {
    place.waits.get(told.id)?.(told);
    place.waits.delete(told.id);
    return;
  }
  if (told.device !== undefined) {
    if (told.owner && place.linkRefused) {
      place.linkRefused = 0;
      showPlace(place, "");
    }
    Object.assign(place, { device: told.device, features: told.features, isOwner: told.owner });
    showPlace(place);
  }
  if (told.event === "ready") greet(place);
  if (told.event === "device" && !told.owner) wantLink(place);
  if (told.event === "state") playState(place, told);
}

async function greet(place) {
  place.wants = "";
  showVeil(place, false);
  sendLook(place);
  if (!place.isOwner) await wantLink(place);
  else await handRules(place);
}

/* Asks the phone's supervisor for a fresh one-time link; it comes with the desk's state. */
async function wantLink(place) {
  if (Date.now() - place.linkAsked < LINK_AGAIN_MS) return;
  place.linkAsked = Date.now();
  try {
    await desk(`desk/phones/${place.name}/link`, {});
  } catch (problem) {
    showPlace(place, problemText(problem));
  }
}

/* ---- what travels ---- */

function travel(from, to, className, ms = 900) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches || !from || !to) return;
  const a = from.getBoundingClientRect(),
    b = to.getBoundingClientRect(),
    dot = make("i", `courier ${className}`);
  const at = r =>
    `translate(${r.left + r.width / 2}px, ${Math.min(Math.max(r.top + Math.min(r.height / 2, 60), 0), innerHeight)}px)`;
  dot.setAttribute("aria-hidden", "true");
  document.body.append(dot);
  const going = dot.animate(
    [
      { transform: at(a), opacity: 0 },
      { opacity: 1, offset: 0.12 },
      { opacity: 1, offset: 0.88 },
      { transform: at(b), opacity: 0 },
    ],
    { duration: ms, easing: "cubic-bezier(.45, 0, .3, 1)" },
  );
  going.onfinish = () => dot.remove();
}

function playState(place, { state, partner, bytes: n, text }) {
  const pill = [...place.part(".partners").children].find(li => li.dataset.id === partner) ?? place.part(".partners");
  const screen = place.part(".bar");
  if (state === "left") {
    travel(screen, pill, "");
    const name = said(place.device?.partners?.find(p => p.id === partner)?.name) || partner;
    showPlace(place, n === undefined ? "" : t("left_now", bytes(n), name));
  } else if (state === "came") {
    travel(pill, screen, "back");
  } else if (state === "no_session") {
    place.linkRefused += 1; // a page that is opened again begins with a used link: a fresh one is on its way
    if (place.linkRefused > 1) showPlace(place, text);
  }
}

/* ---- the switches ---- */

async function flip(place, what) {
  if (what === "network") {
    const told = await tell(place, { do: "network", off: place.device?.network !== "off" });
    showPlace(place, told.ok ? "" : told.text);
    return;
  }
  place.lies[what] = !place.lies[what];
  showPlace(place);
  const before = JSON.stringify(place.features?.assistant),
    where = elsewhere(place);
  const now = await tell(place, { do: "pretend", headers: place.lies.spoof ? where : "" });
  const same = now.ok && now.text === before;
  showPlace(place, now.ok ? `${t(same ? "unchanged" : "changed")} ${t("rule", marketName(place.soldIn))}` : now.text);
}

/* ---- drawing ---- */

function showPlace(place, proof) {
  const { device, features, lies } = place,
    assistant = features?.assistant;
  const partners = device?.partners?.filter(p => p.features?.includes("assistant")) ?? [];
  const open = assistant?.state === "on" ? assistant.partner?.id : null;
  place.part(".partners").replaceChildren(
    ...partners.map(p => {
      const pill = group(
        "li",
        p.id === open ? "" : "shut",
        make("span", "name", said(p.name)),
        p.emulated ? mark("emulated") : null,
      );
      pill.dataset.id = p.id;
      return pill;
    }),
  );
  if (device && !partners.length) place.part(".partners").append(make("li", "none", t("no_partner")));
  place.part(".wire").classList.toggle("shut", !open);
  place.part(".wire-says").textContent = open ? t("wire_open", said(assistant.partner.name)) : t("wire_shut");
  place.part("iframe").title = t("phone_of", marketName(place.soldIn));
  place.part(".bar-clock").textContent = clock(Date.now() / 1000);
  place
    .part(".bar-net")
    .replaceChildren(
      make("i", `dot ${device?.network === "on" ? "ready" : "off"}`),
      make("span", "", device ? t(device.network === "off" ? "net_off" : "net_on") : ""),
    );
  const where = elsewhere(place),
    chips = [];
  if (lies.travel) chips.push(make("li", "lie", t("is_in", t(`place_${where}`))));
  if (lies.sim) chips.push(make("li", "lie", t("has_sim", t(`sim_${where}`))));
  if (lies.spoof) chips.push(make("li", "lie", t("forged")));
  place.part(".chips").replaceChildren(...chips);
  if (proof !== undefined) place.part(".proof").textContent = proof;
  for (const node of place.part(".switches").children) {
    const what = node.dataset.what,
      on = what === "network" ? device?.network === "off" : lies[what];
    node.setAttribute("aria-checked", String(Boolean(on)));
    node.disabled = !device || (what === "network" && !place.isOwner);
  }
  showChooser(place);
}

function showChooser(place) {
  place.part(".another span").textContent = t("another");
  const markets = (stageState?.markets ?? []).filter(m => m.sold_in.length);
  fillSelect(
    place.part(".another select"),
    markets.map(m => [m.sold_in[0], said(m.name)]),
    marketOf(place.wants || place.soldIn)?.sold_in[0] ?? "",
  );
}
