"""What is on the page? Its template, which report_html.py fills in; jinja escapes all that is put into it."""

# The same signs as in the tables of text, drawn, so that they look alike in every typeface.
SIGNS = {
    "equivalent": "M4.8 6.3h6.4M4.8 9.7h6.4",
    "different": "M4.8 6.3h6.4M4.8 9.7h6.4M10 3.8 6 12.2",
    "inconclusive": "M5.8 6.1a2.2 2.2 0 1 1 3.4 1.9q-1.2.7-1.2 1.6M8 12v.05",
    "failed": "M8 3.8v5M8 12v.05",
    "skipped": "M4.8 8h6.4",
    "reference": "M8 8v.05",
}

MACROS = """
{%- macro pill(found) -%}
<span class="verdict {{ found }}"><svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="8"/>
<path d="{{ signs[found] }}"/></svg>{{ found }}</span>
{%- endmacro -%}

{%- macro wide(label) -%}
<div class="scroll" tabindex="0" role="group" aria-label="{{ label }}">
{{ caller() }}
</div>
{%- endmacro -%}

{%- macro head(names) -%}
<thead><tr>
{% for name in names %}
<th scope="col"{{ " class=num" if name in ("value", "parameters", "megabytes", "accuracy") }}>{{ name }}</th>
{% endfor %}
</tr></thead>
{%- endmacro -%}

{%- macro strip(row) -%}
{% set at = row.strip %}
<div class="strip {{ row.found }}" role="img" aria-label="{{ at.label }}">
<span class="zone" style="width:{{ at.margin }}%"></span>
<span class="axis"></span>
{% if at.floor %}
<span class="floor" style="left:{{ at.floor[0] }}%;width:{{ at.floor[1] }}%"></span>
{% endif %}
<span class="line zero" style="left:{{ at.zero }}%"></span>
<span class="line" style="left:{{ at.margin }}%"></span>
<span class="bar" style="left:{{ at.bar[0] }}%;width:{{ at.bar[1] }}%"></span>
{% if at.dot is not none %}
<span class="dot {{ row.found }}" style="left:{{ at.dot }}%"></span>
{% endif %}
{% for side in at.off %}
<span class="off {{ side }}">{{ at.beyond }}{{ "▸" if side == "right" else "◂" }}</span>
{% endfor %}
</div>
{%- endmacro -%}

{%- macro body(cell) -%}
{% if cell.reason %}
<p>{{ cell.reason }}</p>
{% else %}
<p>{{ cell.sentence }}</p>
<dl class="numbers">
{% for item in cell.numbers %}
<div{{ " class=main" if loop.first }}><dt>{{ item.name }}</dt>
<dd>{{ item.value }}<small>{{ item.interval }}</small></dd></div>
{% endfor %}
</dl>
{% if cell.svg %}
<figure>
<div class="plot" tabindex="0" role="group" aria-label="Plot: {{ cell.label }}">{{ cell.svg }}</div>
<figcaption>{{ cell.label }}</figcaption>
</figure>
{% elif cell.plot_failed %}
<p class="soft">The plot could not be drawn: {{ cell.plot_failed }}</p>
{% endif %}
<details class="plain"><summary>All figures</summary>
{% call wide("All figures") %}
<table>
{{ head(["figure", "value"]) }}
<tbody>
{% for key, value in cell.figures %}
<tr><th scope="row"><code>{{ key }}</code></th><td class="num">{{ value }}</td></tr>
{% endfor %}
</tbody></table>
{% endcall %}
</details>
{% endif %}
{%- endmacro -%}

{%- macro segments(parts) -%}
<div class="text">
{% for part in parts %}
<span class="part" dir="auto">
{%- for text, mark in part -%}
{%- if mark in ("ins", "del") -%} <{{ mark }}>{{ text }}</{{ mark }}>
{%- elif mark -%} <mark class="{{ mark }}">{{ text }}</mark>
{%- else -%} {{ text }}
{%- endif -%}
{%- endfor -%}
</span>
{% endfor %}
</div>
{%- endmacro -%}
"""

HEAD = """
<header class="masthead">
<p class="eyebrow">Trust-equivalence audit</p>
<h1>
{% if answers | length == 1 %}
Can <bdi>{{ answers[0].name }}</bdi> stand in for <bdi>{{ large }}</bdi>?
{% elif answers %}
Which of them can stand in for <bdi>{{ large }}</bdi>?
{% else %}
How alike are they?
{% endif %}
</h1>
<ul class="answers{{ " single" if answers | length == 1 }}">
{% for item in answers %}
<li>
{% if answers | length > 1 %}
<div class="for"><a href="#{{ item.anchor }}"><bdi>{{ item.name }}</bdi></a></div>
{% endif %}
<div class="word is-{{ item.verdict }}">{{ item.word }}.</div>
<div><p>{{ item.sentence }}</p><p class="soft">{{ item.accuracy }}</p></div>
</li>
{% endfor %}
</ul>
{% if failures %}
<div class="alert"><p><strong>Not everything could be measured.</strong></p><ul>
{% for item in failures %}
<li><strong><bdi>{{ item.pair }}</bdi> · {{ item.question }}</strong> {{ item.reason }}</li>
{% endfor %}
</ul></div>
{% endif %}
<dl class="facts">
{% for name, value in facts %}
<div><dt>{{ name }}</dt><dd><bdi>{{ value }}</bdi></dd></div>
{% endfor %}
</dl>
<nav class="contents" aria-label="Contents"><ul>
{% for anchor, name in contents %}
<li><a href="#{{ anchor }}">{{ name }}</a></li>
{% endfor %}
</ul></nav>
</header>
"""

VERDICTS = """
<section id="verdicts" aria-labelledby="verdicts-title">
<h2 id="verdicts-title">Verdicts</h2>
<p>{{ explained.verdicts }}</p>
{% if overview %}
{% call wide("Verdicts of all models") %}
<table class="overview{{ " many" if answers | length > 4 }}">
<thead><tr><th scope="col">against <bdi>{{ large }}</bdi></th>
{% for item in answers %}
<th scope="col"><a href="#{{ item.anchor }}"><bdi>{{ item.name }}</bdi></a></th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in overview %}
<tr><th scope="row"><a href="#{{ row.anchor }}">{{ row.question }}</a></th>
{% for cell in row.cells %}
<td>{% if cell %}{{ pill(cell.found) }}<small>{{ cell.value }}</small>{% else %}<small>not asked</small>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table>
{% endcall %}
{% endif %}
<ul class="legend">
<li><span class="key zone"></span>inside the margin</li>
<li><span class="key zero"></span>{{ explained.zero }}</li>
{% if has_twin %}
<li><span class="key floor"></span>how sure the twin's own figure is</li>
{% endif %}
</ul>
{% for card in cards %}
<article class="card" id="{{ card.anchor }}" aria-labelledby="{{ card.anchor }}-title">
<header><h3 id="{{ card.anchor }}-title"><bdi>{{ card.name }}</bdi></h3>
<p class="soft">against <bdi>{{ card.large }}</bdi></p></header>
<table class="summary" role="table">
<thead role="rowgroup"><tr role="row">
<th scope="col" role="columnheader">question</th>
<th scope="col" role="columnheader">verdict</th>
<th scope="col" role="columnheader" class="where"><div class="ticks">
{% for place, name, side in ticks %}
<span class="{{ side }}" style="left:{{ place }}%">{{ name }}</span>
{% endfor %}
</div></th>
<th scope="col" role="columnheader" class="num">figure, {{ interval_name }}</th>
{% if has_twin %}
<th scope="col" role="columnheader" class="num">twin's</th>
{% endif %}
</tr></thead>
<tbody role="rowgroup">
{% for row in card.rows %}
<tr role="row"><th scope="row" role="rowheader"><a href="#{{ row.anchor }}">{{ row.question }}</a>
<small>{{ row.name }}</small></th>
<td role="cell">{{ pill(row.found) }}</td>
{% if row.strip %}
<td class="where" role="cell">{{ strip(row) }}<small>{{ row.needed }}</small></td>
<td class="num figure" role="cell" data-label="figure">{{ row.value }}<small>{{ row.interval }}</small></td>
{% if has_twin %}
<td class="num twin" role="cell" data-label="twin's">{{ row.twin }}<small>{{ row.twin_interval }}</small></td>
{% endif %}
{% else %}
<td class="none" role="cell" colspan="{{ 3 if has_twin else 2 }}"><small>{{ row.reason }}</small></td>
{% endif %}
</tr>
{% endfor %}
</tbody></table>
</article>
{% endfor %}
<h3>The models</h3>
{% call wide("The models") %}
<table class="models">
{{ head(["model", "parameters", "megabytes", "accuracy", "source"]) }}
<tbody>
{% for item in models %}
<tr><th scope="row"><bdi>{{ item.name }}</bdi><small>{{ item.role }}</small></th>
<td class="num">{{ item.parameters }}</td><td class="num">{{ item.megabytes }}</td>
<td class="num">{{ item.accuracy }}<small>{{ item.interval }}</small></td><td><bdi>{{ item.source }}</bdi></td></tr>
{% endfor %}
</tbody></table>
{% endcall %}
<p class="soft">{{ explained.models }}</p>
</section>
"""

DIMENSIONS = """
{% for part in dimensions %}
<section id="{{ part.anchor }}" aria-labelledby="{{ part.anchor }}-title">
<p class="eyebrow">{{ loop.index }} of {{ dimensions | length }}</p>
<h2 id="{{ part.anchor }}-title">{{ part.question }}</h2>
<p>{{ part.asks }}</p>
<p class="soft">{{ part.reads }} Metric: <code>{{ part.anchor }}</code>.</p>
{% for cell in part.cells %}
{% if part.cells | length == 1 %}
<p>{{ pill(cell.found) }}</p>
{{ body(cell) }}
{% else %}
<details{{ " open" if cell.open }}>
<summary><span class="names"><bdi>{{ cell.compressed }}</bdi> against <bdi>{{ cell.large }}</bdi></span>
{{ pill(cell.found) }} <span class="soft">{{ cell.headline }}</span></summary>
<div class="inside">{{ body(cell) }}</div>
</details>
{% endif %}
{% endfor %}
</section>
{% endfor %}
"""

MATRICES = """
{% if matrices %}
<section id="matrices" aria-labelledby="matrices-title">
<h2 id="matrices-title">Every pair</h2>
<p>{{ explained.matrices }}</p>
<div class="matrices{{ " many" if matrices[0].columns | length > 5 }}">
{% for item in matrices %}
<div class="card"><h3>{{ item.question }}</h3>
<div class="soft">{{ item.name }}</div>
{% call wide(item.question) %}
<table class="heat">
<thead><tr><td class="empty"></td>
{% for name in item.columns %}
<th scope="col"><bdi>{{ name }}</bdi></th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in item.rows %}
<tr><th scope="row"><bdi>{{ row.name }}</bdi>
{% if row.more is defined %}
<small>{{ row.more }}</small>
{% endif %}
</th>
{% for cell in row.cells %}
{% if cell %}
<td class="{{ cell.kind }}" style="--level:{{ cell.level }}">{{ cell.value }}</td>
{% else %}
<td class="empty">·</td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
</tbody></table>
{% endcall %}
</div>
{% endfor %}
</div>
</section>
{% endif %}
"""

EXAMPLES = """
{% if explanations %}
<section id="explanations" aria-labelledby="explanations-title">
<h2 id="explanations-title">Where the reasons differ</h2>
<p>{{ explained.explanations }}</p>
<ul class="legend">
<li><mark class="both">words of both</mark> (double line)</li>
<li><mark class="compressed">of the compressed model alone</mark> (line)</li>
<li><mark class="large">of the large one alone</mark> (dashes)</li>
</ul>
{% for item in explanations %}
<article class="example">
<p class="soft">Example {{ item.index }} · labelled <bdi>{{ item.gold }}</bdi> · the two models have
{{ item.jaccard }} of these words in common</p>
{{ segments(item.parts) }}
<div class="two">
{% for side in item.sides %}
<div><div class="of of-{{ side.kind }}"><bdi>{{ side.name }}</bdi>{{ side.role }}</div>
<ul class="words of-{{ side.kind }}">
{% for word in side.words %}
<li{{ " class=against" if word.against }}><span class="word"><bdi>{{ word.word }}</bdi></span>
<span><span class="bar" style="width:{{ word.width }}%"></span></span><span class="value">{{ word.weight }}</span></li>
{% else %}
<li>no words</li>
{% endfor %}
</ul></div>
{% endfor %}
</div>
</article>
{% endfor %}
{% if more_explanations %}
<p class="soft">{{ more_explanations }} more in report.json.</p>
{% endif %}
</section>
{% endif %}

{% if attacks %}
<section id="attacks" aria-labelledby="attacks-title">
<h2 id="attacks-title">What breaks them</h2>
<p>{{ explained.attacks }}</p>
{% for item in attacks %}
<article class="example"><p class="soft">Example {{ item.index }} · labelled <bdi>{{ item.gold }}</bdi></p>
{% for side in item.sides %}
<div class="outcome">
<p><span class="of of-{{ side.kind }}"><bdi>{{ side.name }}</bdi>{{ side.role }}</span>
<span class="soft">{{ side.says }}</span></p>
{% if side.parts %}
{{ segments(side.parts) }}
{% endif %}
</div>
{% endfor %}
</article>
{% endfor %}
{% if more_attacks %}
<p class="soft">{{ more_attacks }} more in report.json.</p>
{% endif %}
</section>
{% endif %}
"""

SETTINGS = """
<section id="settings" aria-labelledby="settings-title">
<h2 id="settings-title">How it was done</h2>
<p>Two audits of the same models and data can be compared if this line is the same for both; which models and data they
were, report.json tells by fingerprints.</p>
<pre tabindex="0" aria-label="Signature">{{ signature }}</pre>
{% for rows in (settings, run) %}
{% if loop.index == 2 %}
<h3>The run</h3>
{% endif %}
<dl class="settings">
{% for name, value in rows %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
{% endfor %}
<p class="soft last">All figures, examples and settings are in report.json beside this page.</p>
</section>
"""

TEMPLATE = (
    MACROS
    + """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<link rel="icon" href="data:,">
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#verdicts">To the verdicts</a>
<div class="page">
"""
    + HEAD
    + "<main>"
    + VERDICTS
    + DIMENSIONS
    + MATRICES
    + EXAMPLES
    + SETTINGS
    + "</main></div></body></html>\n"
)
