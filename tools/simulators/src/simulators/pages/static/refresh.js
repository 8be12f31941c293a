// Fetches the page again every two seconds and swaps <main>, unless somebody is typing or choosing.
"use strict";
let seen = null;
setInterval(async () => {
  const busy = document.activeElement && document.activeElement.closest("form");
  const typed = [...document.querySelectorAll("textarea")].some((box) => box.value !== "");
  if (busy || typed || document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = fresh.querySelector("main");
    if (main && main.innerHTML !== seen) {
      const open = [...document.querySelectorAll("details")].map((d) => d.open);
      document.querySelector("main").replaceWith(document.adoptNode(main));
      seen = document.querySelector("main").innerHTML;
      document.querySelectorAll("details").forEach((d, i) => { if (open[i]) d.open = true; });
    }
  } catch (error) {
    // the simulators are gone or starting anew: try again in two seconds
  }
}, 2000);
