/* What stands in the address, which answers are old, and which model is chosen. Nothing is asked of the server here. */
window.space = (() => {
  let tab = 'verdict', models = null, ready = false;
  const OF = /^<div class="answer-of" data-large="([^"]*)" data-compressed="([^"]*)"/;

  /** Marks the answers that are about other models than those chosen, wherever they are shown. */
  function mark() {
    if (!models) return;
    for (const one of document.querySelectorAll('.answer-of')) {
      const old = one.dataset.large !== models[0] || one.dataset.compressed !== models[1];
      one.classList.toggle('is-old', old);
      one.querySelector('.old').hidden = !old;
    }
    for (const row of document.querySelectorAll('tr[data-compressed]')) {
      const chosen = models[0] === 'large' && row.dataset.compressed === models[1];
      row.classList.toggle('chosen', chosen);
      if (chosen) row.setAttribute('aria-current', 'true');
      else row.removeAttribute('aria-current');
    }
  }
  new MutationObserver(mark).observe(document.documentElement, { childList: true, subtree: true });

  /** Is the answer of this tab about what is chosen now? */
  function isShown(part) {
    const found = OF.exec(part.page || '');
    return found && found[1] === models[0] && found[2] === models[1] && !part.own.some(Boolean);
  }

  /** The address says what is chosen, typed and shown; what is as it was from the start stays out. */
  function write(fields, parts) {
    models = [fields.large.value, fields.compressed.value].map((name) => String(name ?? '').trim());
    mark();
    if (!ready) return;
    const query = new URLSearchParams(location.search);  // what else is in it belongs to others
    const put = (name, value, first) => {
      query.delete(name);
      if (String(value ?? '') !== first) query.append(name, String(value ?? ''));
    };
    for (const [name, { value, first }] of Object.entries(fields)) put(name, value, first);
    put('tab', tab, 'verdict');
    put('shown', Object.keys(parts).filter((name) => isShown(parts[name])).join(' '), '');
    const said = query.size ? `?${query}` : '';
    if (said === location.search) return;
    history.replaceState(history.state, '', location.pathname + said + location.hash);
    if (window.parent !== window) window.parent.postMessage({ queryString: String(query) }, 'https://huggingface.co');
  }

  /** Where the answer stands that was asked for. */
  function scroll(id) {
    const page = document.getElementById(id);
    if (!page || !page.offsetParent || !page.querySelector('.answer-of, [role=alert]')) return;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    page.scrollIntoView({ behavior: still ? 'auto' : 'smooth', block: 'start' });
  }

  async function copy() {
    const said = (words) => { document.getElementById('copied').textContent = words; };
    try {
      await navigator.clipboard.writeText(location.href);
      said('Copied.');
    } catch { said(`Copy it from here: ${location.href}`); }
  }

  return { write, scroll, copy, open: (name) => { tab = name; }, begin: () => { ready = true; } };
})();
