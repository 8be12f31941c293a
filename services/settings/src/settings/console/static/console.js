// Makes forms with data-inline work without a new page: the answer takes the place of the part
// they stand in. Without this file, or when anything goes wrong, the browser sends the form itself.
"use strict";

const said = document.getElementById("said");

function say(text) {
  said.textContent = "";
  // Emptied first, and filled a moment later: the same words twice are told twice.
  window.setTimeout(() => { said.textContent = text; }, 50);
}

async function send(form, button) {
  const answer = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    headers: { "Lull-Part": "1" },
    credentials: "same-origin",
    redirect: "error",
  });
  if (!answer.ok) throw new Error(String(answer.status));
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  const fresh = holder.content.querySelector("[data-part]");
  form.closest("[data-part]").replaceWith(fresh);
  const again = button && button.id ? document.getElementById(button.id) : null;
  if (again) again.focus({ preventScroll: true });
  if (fresh.dataset.said) say(fresh.dataset.said);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.hasAttribute("data-inline")) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", "true");
  send(form, event.submitter).catch(() => form.submit());
});
