// Pointing at a word lights it wherever it stands: in both models' sentences, and in their lists.
document.addEventListener("pointerover", ({ target }) => {
  const word = target.closest?.("#why [data-word]")?.dataset.word;
  for (const one of document.querySelectorAll("#why [data-word]")) one.classList.toggle("lit", one.dataset.word === word);
});
