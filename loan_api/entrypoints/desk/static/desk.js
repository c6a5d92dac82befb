// Conveniences: every page works without them.
"use strict";

// Pointing at a time in UTC shows the local time.
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}

// After a submission, focus the result for users of screen readers and keyboards.
const outcome = document.querySelector("#wrong, #result[tabindex]");
if (outcome) {
  if (!outcome.hasAttribute("tabindex")) outcome.tabIndex = -1;
  outcome.focus({ preventScroll: window.innerWidth > 900 });
}

// A second click must not submit the form again.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Ids can be copied where the browser allows it.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}
