"use strict";
/* markdown.js - the part of it that models write, as nodes; text is never parsed as HTML. */

function inline(parent, text) {
  const marks =
    /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)|\*\*(\S(?:[\s\S]*?\S)?)\*\*|(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])/g;
  let from = 0;
  for (const m of text.matchAll(marks)) {
    parent.append(text.slice(from, m.index));
    from = m.index + m[0].length;
    if (m[2] !== undefined) parent.append(make("code", "", m[2]));
    else if (m[3] !== undefined) inline(parent.appendChild(make("strong")), m[3]);
    else inline(parent.appendChild(make("em")), m[4]);
  }
  parent.append(text.slice(from));
}

function codeBlock(language, code) {
  const block = make("div", "block"),
    bar = make("div"),
    pre = make("pre");
  const copy = make("button", "", t("copy"));
  copy.type = "button";
  copy.onclick = async () => {
    await navigator.clipboard.writeText(code);
    copy.textContent = t("copied");
    setTimeout(() => {
      copy.textContent = t("copy");
    }, 1200);
  };
  bar.append(make("span", "", language || t("code")), copy);
  pre.append(make("code", "", code));
  pre.tabIndex = 0;
  block.append(bar, pre);
  return block;
}

function render(into, text) {
  const out = [],
    lines = text.split("\n");
  let list = null,
    paragraph = [];
  const close = () => {
    if (paragraph.length) {
      const p = make("p");
      inline(p, paragraph.join("\n"));
      out.push(p);
    }
    paragraph = [];
    list = null;
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const fence = line.match(/^\s{0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/);
    const heading = line.match(/^(#{1,6})\s+(.*?)\s*#*$/);
    const item = line.match(/^\s*(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/);
    const quote = line.match(/^>\s?(.*)$/);
    if (fence) {
      close();
      const code = [];
      while (++i < lines.length && !lines[i].trim().startsWith(fence[1])) code.push(lines[i]);
      out.push(codeBlock(fence[2], code.join("\n")));
    } else if (heading) {
      close();
      const h = make(heading[1].length < 2 ? "h3" : heading[1].length < 3 ? "h4" : "h5");
      inline(h, heading[2]);
      out.push(h);
    } else if (item) {
      const tag = item[1] ? "ul" : "ol";
      if (!list || list.tagName.toLowerCase() !== tag) {
        close();
        list = make(tag);
        if (item[2]) list.start = Number(item[2]);
        out.push(list);
      }
      inline(list.appendChild(make("li")), item[3]);
    } else if (quote) {
      close();
      const q = make("blockquote");
      inline(q, quote[1]);
      out.push(q);
    } else if (!line.trim()) {
      if (paragraph.length) close();
    } else if (list && /^\s+/.test(line)) {
      list.lastElementChild.append("\n");
      inline(list.lastElementChild, line.trim());
    } else {
      if (list) close();
      paragraph.push(line);
    }
  }
  close();
  into.replaceChildren(...out);
}
