"use strict";
/* stream.js - server-sent events out of a fetch: yields {event, data}, data parsed; {end: true} for OpenAI's [DONE]. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "",
    name = "",
    data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line.startsWith("event:")) {
        name = line.slice(6).trim();
      } else if (line.startsWith("data:")) {
        data.push(line.slice(5).trim());
      } else if (line === "" && data.length) {
        const text = data.join("\n");
        if (text === "[DONE]") {
          yield { end: true };
          return;
        }
        yield { event: name, data: JSON.parse(text) };
        name = "";
        data = [];
      }
    }
  }
}
