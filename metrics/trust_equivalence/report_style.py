"""What does the page look like? Its style sheet: one column, light and dark, from a phone to a desk, and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --plot: #ffffff; --ink: #1d1b19; --soft: #5d5852; --rule: #e3dfd7;
  --edge: #cfc8bb; --wash: #f2efe9;
  --compressed: #b84f00; --large: #00659e; --shared: #5b3a6b; --step: 1%;
  --equivalent: #0f6b4f; --equivalent-wash: #e1f0ea; --different: #a3223f; --different-wash: #f9e6ea;
  --inconclusive: #745800; --inconclusive-wash: #f7efd6;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;

  --serif: Charter, "Bitstream Charter", "Iowan Old Style", "Palatino Linotype", Palatino, "Noto Serif", Georgia, serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Noto Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131315; --card: #1a1b1e; --plot: #1a1b1e; --ink: #ebe8e3; --soft: #a9a39a; --rule: #303136;
    --edge: #4a4b53; --wash: #222327;
    --compressed: #f28c3c; --large: #58b4ea; --shared: #c6a3dc; --step: .78%;
    --equivalent: #6fd3ae; --equivalent-wash: #16312a; --different: #ff98ab; --different-wash: #3b1d25;
    --inconclusive: #e8c862; --inconclusive-wash: #332c14;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 var(--sans);
  overflow-wrap: break-word; font-variant-numeric: tabular-nums;
}
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; z-index: 2; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: .18em; }
a:hover { text-decoration-color: currentColor; }
:focus-visible { outline: 3px solid var(--shared); outline-offset: 3px; border-radius: 2px; }
.page { max-width: 70rem; margin: 0 auto; padding: 0 clamp(1.1rem, 4vw, 3rem) 6rem; }
h1, h2, h3 { font-family: var(--serif); font-weight: 600; line-height: 1.15; text-wrap: balance; }
h1 { font-size: clamp(2.1rem, 6.2vw, 3.5rem); letter-spacing: -.02em; margin: .4rem 0 0; max-width: 20ch; }
h2 { font-size: clamp(1.6rem, 3.6vw, 2.1rem); letter-spacing: -.01em; margin: 0 0 .6rem; }
h3 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
h4 { font-size: 1rem; margin: 0; }
p { margin: 0 0 1rem; max-width: 42rem; }
code { font: .875em var(--mono); }
small, .soft { color: var(--soft); font-size: .875rem; }
bdi { unicode-bidi: isolate; overflow-wrap: anywhere; }
section { padding-top: clamp(3.5rem, 8vw, 5.5rem); }
.eyebrow {
  font-size: .8125rem; letter-spacing: .09em; text-transform: uppercase; color: var(--soft); margin: 0 0 .4rem;
  max-width: none;
}

/* The head: the question, the answer, and what it was asked of. */
.masthead { padding-top: clamp(2.5rem, 7vw, 5rem); }
.masthead h1 .name { font-family: var(--serif); }
.answers { list-style: none; margin: clamp(1.5rem, 4vw, 2.5rem) 0 0; padding: 0; border-top: 1px solid var(--rule); }
.answers li { border-bottom: 1px solid var(--rule); padding: 1rem 0; display: grid; gap: .1rem 1.5rem; }
.answers.single li { border: 0; padding: 0; }
.answers.single { border: 0; }
.answers .word { font: 600 1.5rem/1.25 var(--serif); }
.answers.single .word { font-size: clamp(2rem, 5vw, 2.75rem); }
.answers p { margin: 0; text-wrap: pretty; }
.answers .for { font-weight: 600; }
@media (min-width: 48rem) {
  .answers li { grid-template-columns: minmax(9rem, 13rem) 9rem 1fr; align-items: baseline; }
  .answers.single li { display: block; }
}
.is-equivalent { color: var(--equivalent); } .is-different { color: var(--different); }
.is-inconclusive { color: var(--inconclusive); }
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1rem 1.5rem;
  margin: 2.2rem 0 0;
}
.facts dt { color: var(--soft); font-size: .8125rem; }
.facts dd { margin: 0; font-weight: 600; }
.contents { margin-top: 2.2rem; padding: .9rem 0; border-block: 1px solid var(--rule); font-size: .9375rem; }
.contents ul { list-style: none; display: flex; flex-wrap: wrap; gap: .35rem 1.4rem; margin: 0; padding: 0; }

/* A verdict: its word, its sign, its colour. */
.verdict {
  display: inline-flex; align-items: center; gap: .45em; white-space: nowrap; font-size: .875rem; font-weight: 600;
  padding: .12em .7em .12em .3em; border-radius: 2em; background: var(--wash); color: var(--soft);
}
.verdict svg { width: 1.45em; height: 1.45em; flex: none; }
.verdict circle { fill: currentColor; }
.verdict path { fill: none; stroke: var(--card); stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; }
.verdict.equivalent { background: var(--equivalent-wash); color: var(--equivalent); }
.verdict.different { background: var(--different-wash); color: var(--different); }
.verdict.inconclusive { background: var(--inconclusive-wash); color: var(--inconclusive); }

/* Tables. */
.scroll { overflow-x: auto; margin: 1.2rem 0; --ground: var(--paper); }
.card .scroll { --ground: var(--card); }
@media screen {
  .scroll { /* A shadow where more lies behind the edge: its cover scrolls along with the table, and it does not. */
    background: linear-gradient(to right, var(--ground) 40%, transparent) 0 0 / 3rem 100% no-repeat local,
      linear-gradient(to left, var(--ground) 40%, transparent) 100% 0 / 3rem 100% no-repeat local,
      linear-gradient(to right, var(--edge), transparent) 0 0 / 1rem 100% no-repeat scroll,
      linear-gradient(to left, var(--edge), transparent) 100% 0 / 1rem 100% no-repeat scroll;
  }
}
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding-bottom: .6rem; }
th, td { text-align: left; padding: .6rem .9rem .6rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { font-size: .8125rem; font-weight: 600; color: var(--soft); vertical-align: bottom; }
tbody th { font-weight: 600; }
.num { text-align: right; white-space: nowrap; }
td small, th small { display: block; font-weight: 400; }
.overview th:first-child { position: sticky; left: 0; background: var(--paper); }
.overview td, .overview thead th + th { min-width: 8.5rem; }
.overview th[scope=row] { min-width: 9.5rem; }
.overview.many { font-size: .8125rem; }
.overview.many td, .overview.many thead th + th { min-width: 7.4rem; padding-right: .4rem; }
.overview.many .verdict { font-size: .8125rem; padding-right: .5em; gap: .35em; }
@media (max-width: 30rem) {
  .overview { font-size: .8125rem; }
  .overview th, .overview td { padding-right: .5rem; }
  .overview td, .overview thead th + th { min-width: 7.4rem; }
  .overview th[scope=row] { min-width: 6.4rem; }
  .overview .verdict { font-size: .8125rem; padding-right: .5em; gap: .35em; }
}
.models th:first-child { min-width: 6.5rem; }
.models td:last-child, .models th:last-child { min-width: 16rem; padding-left: 1.5rem; }

/* The summary: a row a dimension, its divergence counted in margins. */
.card {
  background: var(--card); border: 1px solid var(--rule); border-radius: 14px; padding: clamp(1.1rem, 3vw, 2rem);
  margin: 1.6rem 0;
}
.card > header { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: baseline; margin-bottom: .8rem; }
.card > header h3 { margin: 0; font-size: 1.35rem; }
.card > header p { margin: 0; }
.summary td, .summary th { padding-block: .75rem; vertical-align: middle; }
.summary tr:last-child > * { border-bottom: 0; }
.summary .where { width: 33%; min-width: 14rem; padding-right: 1.6rem; }
.summary thead .where { padding-block: 0; }
.strip { position: relative; height: 1.7rem; }
.strip span { position: absolute; top: 0; bottom: 0; }
.strip .zone { background: var(--equivalent-wash); left: 0; }
.strip .line { width: 0; border-left: 1px solid var(--soft); }
.strip .zero { border-left-style: dashed; }
.strip .axis { height: 1px; background: var(--rule); top: 50%; left: 0; right: 0; }
.strip .floor { background: var(--soft); opacity: .22; top: 25%; bottom: 25%; }
.strip .bar { height: 3px; top: calc(50% - 1.5px); background: currentColor; }
.strip .dot {
  width: 11px; height: 11px; top: calc(50% - 5.5px); margin-left: -5.5px; background: currentColor;
  border-radius: 50%; box-shadow: 0 0 0 2px var(--card);
}
.strip .dot.different { border-radius: 0; }
.strip .dot.inconclusive { border-radius: 0; transform: rotate(45deg); }
.strip .off { font: 700 .8125rem/1.7rem var(--sans); color: currentColor; }
.strip .off.right { right: 0; } .strip .off.left { left: 0; }
.strip.equivalent { color: var(--equivalent); } .strip.different { color: var(--different); }
.strip.inconclusive { color: var(--inconclusive); } .strip.reference { color: var(--soft); }
.ticks { position: relative; height: 1.2rem; font-size: .75rem; font-weight: 400; }
.ticks span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.ticks .before { transform: translateX(-100%); padding-right: .1rem; }
.ticks .after { transform: none; }
.legend {
  display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; font-size: .875rem; color: var(--soft); margin: 0 0 1.2rem;
  padding: 0; list-style: none;
}
.legend .key { display: inline-block; width: 1.4rem; height: .7rem; margin-right: .45rem; vertical-align: -.02rem; }
.key.zone { background: var(--equivalent-wash); border-right: 1px solid var(--soft); }
.key.floor { background: color-mix(in srgb, var(--soft) 28%, transparent); }
.key.zero { width: 0 !important; border-left: 1px dashed var(--soft); }
@media (max-width: 52rem) {
  .summary, .summary tbody { display: block; }
  .summary thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .summary tr {
    display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .35rem .6rem; padding: .9rem 0;
    border-bottom: 1px solid var(--rule);
  }
  .summary tr:last-child { border-bottom: 0; }
  .summary tbody th, .summary tbody td { border: 0; padding: 0; min-width: 0; text-align: left; }
  .summary .where { grid-column: 1 / -1; width: auto; padding: 0; order: 3; }
  .summary .figure { order: 4; } .summary tbody .twin { order: 5; text-align: right; }
  .summary [data-label]::before { content: attr(data-label); display: block; font-size: .75rem; color: var(--soft); }
  .summary .none { grid-column: 1 / -1; order: 3; }
}

/* A dimension. */
.numbers {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: 1rem 1.5rem; margin: 1.2rem 0;
}
.numbers dt { font-size: .8125rem; color: var(--soft); line-height: 1.35; }
.numbers dd { margin: 0; font-size: 1.0625rem; font-weight: 600; }
.numbers .main dd { font: 600 1.9rem/1.2 var(--serif); }
.numbers dd small { display: block; font: 400 .8125rem var(--sans); }
details { border-top: 1px solid var(--rule); }
details:last-of-type { border-bottom: 1px solid var(--rule); }
summary { cursor: pointer; padding: .8rem 0; }
summary::marker { color: var(--soft); }
summary .names { font-weight: 600; margin-right: .6rem; }
details > .inside { padding: .2rem 0 1.6rem; }
details.plain { border: 0; } details.plain > summary { font-size: .9375rem; color: var(--soft); }
figure { margin: 1.4rem 0 0; }
.plot {
  background: var(--plot); border: 1px solid var(--rule); border-radius: 10px; padding: .8rem; overflow-x: auto;
}
.plot svg {
  display: block; margin: 0 auto; width: 100%; min-width: 36rem; height: auto;
  fill: currentColor;
}
.plot svg * { stroke-linejoin: round; stroke-linecap: butt; }
figcaption { color: var(--soft); font-size: .875rem; margin-top: .5rem; }

/* Heat maps. */
.heat { width: auto; }
.heat th, .heat td { border: 0; padding: 0; }
.heat tbody th, .heat thead td { position: sticky; left: 0; background: var(--card); }
.heat tbody th {
  padding-right: 1.2rem; font-weight: 400; vertical-align: middle; min-width: 6rem; max-width: min(18rem, 45vw);
}
.heat thead th {
  padding: 0 .4rem .5rem; text-align: center; font-weight: 400; max-width: 8rem; min-width: min(5rem, 17vw);
}
.heat td {
  text-align: center; height: 3.2rem; min-width: min(5rem, 17vw); border: 2px solid var(--card); border-radius: 6px;
  vertical-align: middle;
  background: color-mix(in srgb, var(--hue, var(--shared)) calc(var(--level) * var(--step)), var(--wash));
}
.heat tbody .empty { background: none; color: var(--soft); }
.heat td.minus { --hue: var(--large); } .heat td.plus { --hue: var(--compressed); }
.matrices { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.2rem; }
.matrices.many { grid-template-columns: minmax(0, 1fr); }
.matrices .card { margin: 0; } .matrices h3 { margin: 0 0 .2rem; }
.matrices .scroll { margin: .8rem 0 0; }

/* Texts. */
.example { padding: 1.5rem 0; border-top: 1px solid var(--rule); }
.text { font: 1.1875rem/1.75 var(--serif); max-width: 46rem; margin: .4rem 0 .8rem; }
.text .part { display: block; }
.text .part + .part { margin-top: .3rem; }
mark { color: inherit; padding: .05em .18em; border-radius: 3px; }
mark.both { background: color-mix(in srgb, var(--shared) 18%, transparent); border-bottom: 3px double var(--shared); }
mark.compressed {
  background: color-mix(in srgb, var(--compressed) 15%, transparent); border-bottom: 2px solid var(--compressed);
}
mark.large { background: color-mix(in srgb, var(--large) 14%, transparent); border-bottom: 2px dashed var(--large); }
ins {
  text-decoration: underline 2px; text-underline-offset: .2em; background: var(--different-wash);
  color: var(--different); padding: .05em .15em; border-radius: 3px;
}
del { color: var(--soft); text-decoration: line-through; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem 3rem; }
.words { list-style: none; margin: .5rem 0 0; padding: 0; font-size: .9375rem; }
.words li {
  display: grid; grid-template-columns: minmax(5rem, 9rem) 1fr 4.2rem; gap: .8rem; align-items: center;
  padding: .15rem 0;
}
.words .bar {
  display: block; height: .7rem; min-width: 2px; border-radius: 2px; background: currentColor;
  border: 1.5px solid currentColor;
}
.words .against .bar { background: repeating-linear-gradient(-45deg, currentColor 0 1.5px, transparent 1.5px 5px); }
.words .value { text-align: right; color: var(--ink); }
.words .word { color: var(--ink); }
.of-compressed { color: var(--compressed); } .of-large { color: var(--large); }
.of { font-weight: 600; }
.outcome { margin-top: .9rem; }
.outcome p { margin-bottom: .2rem; }

.settings {
  display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 2fr); gap: .3rem 1.5rem; max-width: 52rem;
  margin: 0; font-size: .9375rem; overflow-wrap: anywhere;
}
.settings dt { color: var(--soft); } .settings dd { margin: 0; }
pre {
  background: var(--wash); border-radius: 8px; padding: .9rem 1rem; white-space: pre-wrap;
  font: .875rem/1.5 var(--mono); margin: .8rem 0 1.6rem;
}
.alert { border-left: 4px solid var(--different); padding: .2rem 0 .2rem 1rem; margin: 1.5rem 0; }
.alert p { margin: 0; } .alert ul { margin: .3rem 0 0; padding-left: 1.2rem; }
@media print {
  :root { --paper: #fff; --rule: #ccc; }
  .contents { display: none; }
  .card, figure, .example { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
