/* What stands in the address, which answers are old, and which model is chosen. Nothing is asked of the server here. */
window.space = (() => {
  let tab = 'verdict', models = null, ready = false;
  let due = null;  // where an answer was asked for that is not there yet
  let wanted = location.hash.slice(1).split('?')[0];  // the place whose examples the address asks for
  const OF = /^<div class="answer-of" data-large="([^"]*)" data-compressed="([^"]*)"/;

  /** Marks the answers that are about other models than those chosen, wherever they are shown. */
  function mark() {
    if (!models) return;
    for (const one of document.querySelectorAll('.answer-of')) {
      const old = one.dataset.large !== models[0] || one.dataset.compressed !== models[1];
      one.classList.toggle('is-old', old);
      one.querySelector('.old').hidden = !old;
    }
    if (due && answer(due.id) && answer(due.id) !== due.before) {
      scroll(due.id);
      const place = document.getElementById(due.id);  // keys go on from there, too
      place.tabIndex = -1;
      place.focus({ preventScroll: true });
      due = null;
    }
    const place = wanted && document.getElementById(wanted);
    if (place?.offsetParent) behind(place);
    for (const row of document.querySelectorAll('tr[data-compressed]')) {
      const chosen = models[0] === 'large' && row.dataset.compressed === models[1];
      row.classList.toggle('chosen', chosen);
      if (chosen) row.setAttribute('aria-current', 'true');
      else row.removeAttribute('aria-current');
    }
  }
  new MutationObserver(mark).observe(document.documentElement, { childList: true, subtree: true });

  /** The examples behind the counts: fetched once they are asked for, and shown by the report's own script. */
  async function behind(place, link) {
    wanted = '';
    place.setAttribute('aria-busy', 'true');
    try {
      place.shown ??= fetch(`examples/${place.dataset.from}`).then(async (found) => {
        if (!found.ok) throw new Error(await found.text());
        return browse(await found.json(), place, { space: 'asks' in place.dataset ? location.pathname : '', moved: tell });
      });
      const show = await place.shown;
      if (link) show(link);
    } catch (error) {
      place.shown = undefined;
      const said = Object.assign(document.createElement('p'), { textContent: `The examples could not be shown: ${error.message}.` });
      said.setAttribute('role', 'alert');
      place.append(said);
    }
    place.removeAttribute('aria-busy');
  }
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[data-kind], .browse a.go');
    const place = link?.closest('.with-examples')?.querySelector('.browse');
    if (!place || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if ('kind' in link.dataset) return void behind(place, link);
    const asked = new URLSearchParams(link.search), of = link.closest('.answer-of');  // an audit has names of its own
    if (of) for (const side of ['large', 'compressed']) asked.set(side, of.dataset[side]);
    expect(asked.get('tab'));
    window.space.lead(`?${asked}`);
  });

  /** Once the answer is there, it is scrolled to; what stood there before is none. */
  function expect(id) {
    due = { id, before: answer(id) };
  }
  document.addEventListener('input', () => { due = null; });  // who types wants to see what is typed

  /** The page that this one stands in shows the address. */
  function tell() {
    if (window.parent === window) return;
    window.parent.postMessage({ queryString: location.search.slice(1), hash: location.hash }, 'https://huggingface.co');
  }

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
    tell();
  }

  /** The answer that stands there and is seen. */
  function answer(id) {
    const found = document.getElementById(id)?.querySelector('.answer-of .two, .answer-of .answer, [role=alert]');
    return found?.offsetParent ? found : null;
  }

  /** Where the answer stands that was asked for. */
  function scroll(id) {
    const page = document.getElementById(id);
    if (!answer(id)) return;
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

  return { write, scroll, copy, at: (name) => name === tab, open: (name) => { tab = name; }, expect,
    begin: () => {
      ready = true;
      const asked = new URLSearchParams(location.search);
      if (asked.has('shown') || asked.has('text')) due = { id: asked.get('tab') ?? 'verdict', before: null };
      mark();
    } };
})();
