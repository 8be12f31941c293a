// Fetches the page again every two seconds and swaps <main>, unless somebody is typing or choosing.
"use strict";
let seen = null;
setInterval(async () => {
  const busy = document.activeElement && document.activeElement.closest("form, [data-keep]");
  const typed = [...document.querySelectorAll("textarea")].some((box) => box.value !== "");
  if (busy || typed || document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = fresh.querySelector("main");
    const html = main && main.innerHTML;
    if (main && html !== seen) {
      const open = [...document.querySelectorAll("details")].map((d) => d.open);
      for (const kept of document.querySelectorAll("[data-keep]")) {
        main.querySelector(`#${kept.id}`)?.replaceWith(kept); // it holds what no server knows
      }
      document.querySelector("main").replaceWith(document.adoptNode(main));
      seen = html;
      document.querySelectorAll("details").forEach((d, i) => { if (open[i]) d.open = true; });
    }
  } catch (error) {
    // the simulators are gone or starting anew: try again in two seconds
  }
}, 2000);
