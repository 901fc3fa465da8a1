// Arrow keys lead from tab to tab, and a list of choices closes with the field that it belongs to.
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.("[role=tab]");
  if (!tab || event.altKey || event.ctrlKey || event.metaKey) return;
  const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]:not([aria-disabled=true])")];
  const here = tabs.indexOf(tab);
  const to = { ArrowRight: here + 1, ArrowLeft: here - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = tabs[to % tabs.length];
  next.focus();
  next.click();
});
document.addEventListener("focusout", ({ target }) => {
  if (target.getAttribute?.("role") !== "combobox") return;
  setTimeout(() => target.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true })));
});
