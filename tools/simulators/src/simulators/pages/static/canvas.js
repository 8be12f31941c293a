// Lull's card, as Intercom's inbox shows it: asks for the canvas, renders its components, and sends
// what is pressed together with all values and the canvas itself. It holds the only copy of these.
"use strict";
{
  const card = document.getElementById("inbox-card");
  const shown = card && card.querySelector(".canvas");
  let canvas = null;

  const made = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Links, bold and escaped characters: what Canvas Kit's texts know of Markdown.
  const markdown = (text) => {
    const found = /\\([\\`*_[\]<>])|\[((?:\\.|[^\]\\])*)\]\((https?:[^)\s]*)\)|\*\*([^*]+)\*\*/g;
    const plain = (piece) => piece.replace(/\\(.)/g, "$1");
    const pieces = [];
    let from = 0;
    for (const match of text.matchAll(found)) {
      pieces.push(text.slice(from, match.index));
      from = match.index + match[0].length;
      const [, escaped, label, url, bold] = match;
      if (url) pieces.push(made("a", { href: url, target: "_blank", rel: "noreferrer" }, plain(label)));
      else pieces.push(bold ? made("strong", {}, bold) : escaped);
    }
    return [...pieces, text.slice(from)];
  };

  const labelled = (component, element) => made("label", {}, component.label ?? "", element);

  const field = (component, element) => {
    element.dataset.input = component.id;
    if (component.value !== undefined) element.value = component.value;
    if (component.save_state === "failed" || component.error) element.className = "failed";
    element.disabled = Boolean(component.disabled);
    return labelled(component, element);
  };

  const RENDER = {
    text: (c) => {
      const tag = c.style === "header" ? "h4" : "p";
      return made(tag, { className: c.style ?? "" }, ...markdown(c.text));
    },
    button: (c) => {
      const style = { primary: "main", link: "link" }[c.style ?? "primary"] ?? "";
      const button = made("button", { type: "button", className: style }, c.label);
      button.addEventListener("click", () => press(c));
      return button;
    },
    input: (c) => field(c, made("input", { type: "text" })),
    textarea: (c) => field(c, made("textarea")),
    dropdown: (c) => field(c, made("select", {}, ...c.options.map(
      (option) => made("option", { value: option.id }, option.text)))),
    divider: () => made("hr"),
    spacer: () => made("div"),
  };

  const press = (component) => {
    if (component.action.type === "url") return window.open(component.action.url, "_blank");
    const inputs = shown.querySelectorAll("[data-input]");
    const values = Object.fromEntries([...inputs].map((one) => [one.dataset.input, one.value]));
    return ask({ component_id: component.id, input_values: values, current_canvas: canvas });
  };

  const ask = async (pressed) => {
    shown.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(card.dataset.url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ admin: card.querySelector("select").value, pressed }),
      });
      const told = await answer.json();
      if (told.canvas === null || told.faults.length) throw new Error(told.faults.join("; "));
      canvas = told.canvas;
      shown.replaceChildren(...canvas.content.components.map((c) => RENDER[c.type](c)));
    } catch (error) {
      // As Intercom does: what was typed stays, and it may be pressed again.
      shown.querySelector(".broken")?.remove();
      shown.append(made("p", { className: "broken error" }, `The app did not answer: ${error.message}`));
    } finally {
      shown.removeAttribute("aria-busy");
    }
  };

  if (card) {
    card.querySelector("select").addEventListener("change", () => ask(null));
    ask(null);
  }
}
