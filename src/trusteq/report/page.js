// Shows the examples behind the counts: lists, filters, search and pages over the data that the page holds.
// `at.space` is where the links of the examples lead, `at.moved` is told when the address has changed.
function browse(D, place, at = {}) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const u16 = (text) => new Uint16Array(bytes(text).buffer);
  const N = D.count, ALL = D.texts.length, PAGE = 20, UNKNOWN = 65535;
  const gold = u16(D.gold), right = D.right.map(bytes);
  const models = D.models.map((m) => ({ ...m, said: u16(m.said), sure: u16(m.sure), flags: bytes(m.flags), near: m.near && u16(m.near) }));
  const pairs = D.pairs.map((p) => ({ ...p, marks: u16(p.marks) }));
  const slices = D.slices.map((s) => ({ ...s, of: bytes(s.of) }));
  const plain = D.texts.map((t) => (Array.isArray(t) ? t.join(' ') : t).toLowerCase());
  const words = plain.map((t) => t.split(/\s+/).filter(Boolean).length);
  const flat = (t) => (Array.isArray(t) ? t.join(' · ') : t);
  const number = (n) => n.toLocaleString('en');
  const share = (n) => (n === UNKNOWN ? 'unknown' : `${(n / 100).toFixed(n > 9900 && n < 10000 ? 1 : 0)} %`);

  const make = (tag, given = {}, ...inside) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(given)) {
      if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
      else if (value !== false && value != null) node.setAttribute(key, value === true ? '' : value);
    }
    node.append(...inside.flat().filter((one) => one != null));
    return node;
  };
  const bdi = (text) => make('bdi', {}, text);
  const kindOf = (name) => D.kinds.findIndex((kind) => kind[0] === name);
  const titleOf = (kind, pair) => kind[1].replace('{compressed}', models[pair.models[0]].name).replace('{large}', models[pair.models[1]].name);

  // What is asked for, and what that leaves.
  const blank = { pair: 0, kind: 0, order: '', text: '', label: '', from: 0, to: 100, least: '', most: '', page: 0 };
  const state = { ...blank };
  let rows = [];
  const near = (pair, i) => {
    const [a, b] = pair.models.map((m) => models[m].near.subarray(5 * i, 5 * i + 5));
    return a.filter((one) => b.includes(one)).length;
  };
  const ORDERS = {
    sure: ['the surest first', (i, p) => -Math.max(...(state.kind === 1 ? [sureOf(p.models[1], i)] : [sureOf(p.models[0], i)]))],
    unsure: ['the least sure first', (i, p) => sureOf(p.models[0], i)],
    apart: ['confidences furthest apart', (i, p) => -Math.abs(sureOf(p.models[0], i) - sureOf(p.models[1], i))],
    neighbors: ['fewest shared neighbours', (i, p) => (i < N && models[p.models[0]].near ? near(p, i) : 9)],
    reasons: ['fewest shared reasons', (i, p) => (p.reasons[i] ? p.reasons[i][0] : 999)],
    broken: ['broken for one alone first', (i, p) => (p.broken[i] ? p.broken[i][0] : 9)],
    short: ['the shortest first', (i) => words[i]],
    long: ['the longest first', (i) => -words[i]],
    place: ['as in the data', (i) => i],
  };
  const sureOf = (m, i) => { const v = models[m].sure[i]; return v === UNKNOWN || v === undefined ? -1 : v; };

  function find() {
    const pair = pairs[state.pair], bit = 1 << state.kind, wanted = state.text.trim().toLowerCase();
    const [kind, value] = state.label ? state.label.split(':').map(Number) : [];
    rows = [];
    for (let i = 0; i < ALL; i++) {
      if (!(pair.marks[i] & bit)) continue;
      if (wanted && !plain[i].includes(wanted)) continue;
      if (state.least && words[i] < state.least) continue;
      if (state.most && words[i] > state.most) continue;
      const sure = sureOf(pair.models[0], i);
      if ((state.from > 0 || state.to < 100) && (sure < 100 * state.from || sure > 100 * state.to)) continue;
      if (state.label && (i >= N || (kind < 0 ? gold[i] : slices[kind].of[i]) !== value)) continue;
      rows.push(i);
    }
    const key = ORDERS[state.order || D.kinds[state.kind][3]][1], keys = new Map(rows.map((i) => [i, key(i, pair)]));
    rows.sort((a, b) => keys.get(a) - keys.get(b) || a - b);
  }

  // One example.
  const wordBars = (list, side) => {
    const greatest = Math.max(...list.map(([, w]) => Math.abs(w)), 1e-9);
    return make('ul', { class: `words of-${side}` }, list.map(([word, weight]) => {
      const bar = make('span', { class: 'bar' });
      bar.style.width = `${Math.round((100 * Math.abs(weight)) / greatest)}%`;
      const sign = weight < 0 ? '−' : '+';
      return make('li', { class: weight < 0 && 'against' }, make('span', { class: 'word' }, bdi(word)), make('span', {}, bar),
        make('span', { class: 'value' }, sign + Math.abs(weight)));
    }));
  };
  const heading = (text) => make('p', { class: 'what' }, text);
  const of = (m, side) => make('div', { class: `of of-${side}` }, bdi(models[m].name));

  function inside(i, pair) {
    const [a, b] = pair.models, sides = [[a, 'compressed'], [b, 'large']], out = [];
    if (models.length > 2) {
      out.push(heading('Every model'), make('ul', { class: 'said' }, models.map((m, k) => answer(i, k, k === a ? 'compressed' : k === b ? 'large' : 'rest'))));
    }
    if (i < N && models[a].near && models[b].near) {
      const shared = near(pair, i);
      out.push(heading(`Nearest neighbours: of the first 5, ${shared} are the same`), make('div', { class: 'two' }, sides.map(([m, side], k) => {
        const own = models[m].near.subarray(5 * i, 5 * i + 5), others = models[sides[1 - k][0]].near.subarray(5 * i, 5 * i + 5);
        return make('div', {}, of(m, side), make('ol', { class: 'near' }, [...own].map((j) =>
          make('li', { class: others.includes(j) && 'shared' }, bdi(flat(D.texts[j])), make('small', {}, ` ${D.labels[gold[j]]}${others.includes(j) ? ', in both' : ''}`)))));
      })));
    }
    if (pair.reasons[i]) {
      const [overlap, ...lists] = pair.reasons[i];
      out.push(heading(`Reasons: ${overlap} % of the most important words are the same`),
        make('div', { class: 'two' }, sides.map(([m, side], k) => make('div', {}, of(m, side), wordBars(lists[k], side)))));
    }
    if (pair.broken[i]) {
      out.push(heading('Under attack'), ...sides.map(([m, side], k) => {
        const [says, parts] = pair.broken[i][k + 1];
        return make('div', { class: 'outcome' }, make('p', {}, make('span', { class: `of of-${side}` }, bdi(models[m].name)), ` ${says}`),
          parts.map((part) => make('div', { class: 'text' }, part.map(([text, mark]) => (mark ? make(mark, {}, text) : text)))));
      }));
    }
    const space = at.space ?? D.space;
    if (space && flat(D.texts[i]).length < 1500) {
      const [text, second] = [D.texts[i]].flat(), asked = { large: models[b].name, compressed: models[a].name, text, ...(second && { second }) };
      const to = (tab) => `${space}?${new URLSearchParams({ tab, ...asked })}`;
      out.push(make('p', {}, ['why', 'break'].map((tab) => make('a', { href: to(tab), rel: 'noopener noreferrer', target: '_blank', class: 'go' },
        tab === 'why' ? 'Ask why' : 'Break it'))));
    }
    return out.length ? out : [make('p', { class: 'soft' }, 'Nothing else is known of this example.')];
  }

  function answer(i, m, side) {
    const model = models[m], isRight = i < N ? right[m][i] : null, sure = model.sure[i];
    const meter = make('span', { class: 'meter', 'aria-hidden': 'true' }, make('span'));
    meter.firstChild.style.width = sure === UNKNOWN ? '0' : `${sure / 100}%`;
    const flag = model.flags.length ? (model.flags[i] ? 'flagged' : i >= N ? 'not flagged' : null) : null;
    return make('li', { class: `of-${side}` }, make('span', { class: 'of' }, bdi(model.name)),
      make('span', { class: 'label' }, bdi(D.labels[model.said[i]]), isRight === null ? null : make('span', { class: isRight ? 'right' : 'wrong' }, isRight ? ' right' : ' wrong')),
      meter, make('span', { class: 'sure' }, share(sure), flag && make('small', {}, ` ${flag}`)));
  }

  function card(i, pair) {
    const text = Array.isArray(D.texts[i]) ? D.texts[i] : [D.texts[i]];
    const facts = i < N ? ['Example ', String(D.index[i]), ' · labelled ', bdi(D.labels[gold[i]])] : ['Text out of distribution'];
    const more = make('details', { class: 'plain', ontoggle: () => { if (more.open && more.childElementCount < 2) more.append(make('div', { class: 'inside' }, inside(i, pair))); } },
      make('summary', {}, 'Side by side'));
    return make('li', { class: 'example' }, make('p', { class: 'soft' }, facts), make('div', { class: 'text' }, text.map((part) => make('span', { class: 'part', dir: 'auto' }, part || '(no text)'))),
      make('ul', { class: 'said' }, answer(i, pair.models[0], 'compressed'), answer(i, pair.models[1], 'large')), more);
  }

  // The controls.
  const field = (label, control) => make('label', {}, make('span', {}, label), control);
  const choose = (key, options, number_) => make('select', { onchange: (e) => set({ [key]: number_ ? Number(e.target.value) : e.target.value }) },
    options.map(([value, text]) => make('option', { value }, text)));
  const type = (key, given) => make('input', { ...given, oninput: (e) => set({ [key]: e.target.value }) });
  const controls = {
    pair: choose('pair', pairs.map((p, i) => [i, models[p.models[0]].name]), true),
    order: choose('order', [['', 'as suits the list'], ...Object.entries(ORDERS).map(([key, [name]]) => [key, name])]),
    text: type('text', { type: 'search', placeholder: 'words in the text' }),
    label: make('select', { onchange: (e) => set({ label: e.target.value }) }, make('option', { value: '' }, 'every label and slice'),
      [[-1, 'label', D.labels.map((l, v) => [v, l]).filter(([v]) => gold.includes(v))], ...slices.map((s, k) => [k, s.name, s.values.map((l, v) => [v, l])])]
        .map(([k, name, values]) => make('optgroup', { label: name }, values.map(([v, l]) => make('option', { value: `${k}:${v}` }, l))))),
    least: type('least', { type: 'number', min: 0, placeholder: 'from', 'aria-label': 'Fewest words' }),
    most: type('most', { type: 'number', min: 0, placeholder: 'to', 'aria-label': 'Most words' }),
    from: type('from', { type: 'number', min: 0, max: 100, value: 0, 'aria-label': 'Least confidence in percent' }),
    to: type('to', { type: 'number', min: 0, max: 100, value: 100, 'aria-label': 'Greatest confidence in percent' }),
  };
  const both = (label, one, other, unit) => make('div', { class: 'range' }, make('span', {}, label), make('span', {}, one, ' to ', other, unit));
  const kinds = make('div', { class: 'kinds', role: 'group', 'aria-label': 'Lists' });
  const told = make('p', { class: 'told', role: 'status' });
  const list = make('ol', { class: 'rows' });
  const pager = make('nav', { class: 'pager', 'aria-label': 'Pages of examples' });
  const step = (to, text, off) => make('button', { type: 'button', disabled: off, onclick: () => { set({ page: to }, true); place.scrollIntoView({ behavior: 'instant' }); } }, text);

  function set(change, keepPage) {
    Object.assign(state, keepPage ? {} : { page: 0 }, change);
    draw();
    const asked = Object.entries(state).filter(([key, value]) => String(value) !== String(blank[key]));
    try { history.replaceState(history.state, '', `#${place.id}?${new URLSearchParams(asked)}`); } catch { /* a page that may not */ }
    at.moved?.();
  }

  function draw() {
    find();
    const pair = pairs[state.pair], pages = Math.max(1, Math.ceil(rows.length / PAGE));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    const counts = D.kinds.map((_, k) => pair.marks.reduce((sum, mark) => sum + ((mark >> k) & 1), 0));
    kinds.replaceChildren(...D.kinds.map((kind, k) => (counts[k] || k < 2) && make('button', { type: 'button', 'aria-pressed': String(k === state.kind), onclick: () => set({ kind: k, order: '' }) },
      make('b', {}, number(counts[k])), ' ', titleOf(kind, pair))).filter(Boolean));
    const start = PAGE * state.page, shown = rows.slice(start, start + PAGE);
    const some = rows.length === counts[state.kind] ? number(rows.length) : `${number(rows.length)} of ${number(counts[state.kind])}`;
    told.replaceChildren(make('b', {}, `${some} ${rows.length === 1 ? 'example' : 'examples'}`), `: ${titleOf(D.kinds[state.kind], pair)}. ${D.kinds[state.kind][2]}`);
    list.start = start + 1;
    list.replaceChildren(...shown.map((i) => card(i, pair)));
    if (!shown.length) list.append(make('li', { class: 'soft' }, 'None. Loosen the filters, or choose another list.'));
    pager.hidden = pages < 2;
    pager.replaceChildren(step(0, 'First', !state.page), step(state.page - 1, 'Back', !state.page),
      make('span', {}, `${number(start + 1)} to ${number(start + shown.length)} of ${number(rows.length)}`),
      step(state.page + 1, 'Next', state.page >= pages - 1), step(pages - 1, 'Last', state.page >= pages - 1));
    for (const [key, control] of Object.entries(controls)) if (control.value !== String(state[key]) && document.activeElement !== control) control.value = state[key];
  }

  // Into the page, at what its address asks for.
  function follow() {
    const [name, asked] = location.hash.slice(1).split('?');
    if (name !== place.id) return false;
    for (const [key, value] of new URLSearchParams(asked)) {
      if (!Object.hasOwn(blank, key)) continue;
      const text = key === 'text' || key === 'label' || key === 'order';
      const wanted = text ? value.slice(0, 500) : Number(value);
      if (text ? key !== 'order' || Object.hasOwn(ORDERS, value) : Number.isInteger(wanted) && wanted >= 0) state[key] = wanted;
    }
    state.pair = pairs[state.pair] ? state.pair : 0;
    state.kind = D.kinds[state.kind] ? state.kind : 0;
    const [k, v] = state.label.split(':').map(Number);
    if (!(k === -1 ? D.labels[v] : slices[k] && slices[k].values[v])) state.label = '';
    return true;
  }
  const asked = follow(), narrow = innerWidth < 640;
  const filters = make('div', { class: 'filters' }, pairs.length > 1 ? field('Model', controls.pair) : null, field('Search', controls.text), field('Label or slice', controls.label),
      both('Words', controls.least, controls.most, ''), both('Confidence', controls.from, controls.to, ' %'), field('Order', controls.order),
      make('button', { type: 'button', onclick: () => { set({ ...blank, pair: state.pair, kind: state.kind }); for (const [key, control] of Object.entries(controls)) control.value = state[key]; } }, 'Clear filters'));
  place.replaceChildren(narrow ? make('details', { class: 'plain' }, make('summary', {}, 'Filter, search and sort'), filters) : filters,
    kinds, told, list, pager);
  draw();
  const show = (link) => {
    set({ ...blank, pair: Number(link.dataset.pair), kind: kindOf(link.dataset.kind) });
    (narrow ? told : place).scrollIntoView();  // on a phone the lists and filters alone would fill the screen
    told.tabIndex = -1;
    told.focus({ preventScroll: true });
  };
  addEventListener('hashchange', () => { if (follow()) draw(); });
  if (asked) place.scrollIntoView({ behavior: 'instant' });
  return show;
}

if (document.getElementById('data')) {  // this is the report
  const show = browse(JSON.parse(document.getElementById('data').textContent), document.getElementById('browse'));
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-kind]');
    if (!link) return;
    event.preventDefault();
    show(link);
  });
}
