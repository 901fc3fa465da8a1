"""The sixth tab: who found this out, what is measured here, where it ends, and how to cite it."""

from html import escape

from limits import CHARACTERS, MEGABYTES, ROWS
from look import show
from measures import audit, words


def about_page() -> str:
    questions = "".join(
        f"<li><b>{escape(one.question)}</b> {escape(one.asks)}</li>" for one in words.dimensions.values()
    )
    return show(
        f"""
<h2>What was found</h2>
<p>Two papers looked past accuracy, and found that compressed models are not small copies of the large one.</p>
<h3>Compressed models are NOT miniature versions of large models</h3>
<p>BERT-large against BERT-base, DistilBERT and smaller ones (<a href="https://arxiv.org/abs/2407.13174">arXiv
2407.13174</a>):</p>
<ul>
<li><b>They err on other questions.</b> Of the questions of SQuAD 2.0 that BERT-large or a compressed model gets wrong,
between 22 % and 53 % are wrong for both.</li>
<li><b>They see other neighbours.</b> Of all that is near a text in either model, 3 % to 5 % is near in both.</li>
<li><b>They break differently.</b> Under attack Tiny-BERT loses 87 % of its accuracy on film reviews, BERT-large
40 %.</li>
<li><b>What is strange to one is not to the other:</b> which texts are taken to be out of distribution varies
substantially.</li>
</ul>
<h3>Compressed Models are NOT Trust-equivalent to Their Large Counterparts</h3>
<p>BERT-base against DistilBERT, BERT-Medium, -Mini and -Tiny, on two tasks (<a
href="https://arxiv.org/abs/2508.13533">arXiv 2508.13533</a>). Accuracy hardly tells them apart: 90.1 % against 88.0 %
for DistilBERT on inference between sentences, 90.9 % against 89.9 % on paraphrases. Yet the words that they decide by
differ, and so does how far their confidence can be believed.</p>
<h2>What is measured here</h2>
<ul>{questions}</ul>
<p>Beyond the papers: every figure has an interval, overlaps are shown beside what chance alone gives, and the yardstick
is a <i>twin</i>, a second large model that differs by its seed alone. A verdict is <b>equivalent</b> when the whole
interval lies within the margin, <b>different</b> when it lies outside, and <b>inconclusive</b> when it crosses it.</p>
<p>The bundled models are small sentiment classifiers, and the 400 film reviews were written for this project.
<i>large</i> and <i>twin</i> are alike but for their seed; <i>distilled</i> and <i>tiny</i> are smaller and learned from
the large one; <i>quantized</i> is the large one with its weights rounded to 8 bits. Everything on this page is computed
by metrics for <a href="https://github.com/huggingface/evaluate">🤗 evaluate</a>, which give the same figures in
Python.</p>
<h2>Where it ends</h2>
<ul>
<li>This page looks at models that classify text. The metrics themselves also read pairs of texts, images and language
models with a prompt.</li>
<li>A few dozen texts tell apart only what differs much. <b>Inconclusive</b> is an honest answer; more texts
settle it.</li>
<li>Explanations are noisy, and no explainer is the truth about a model; attacks show that a model can be fooled, never
that it cannot.</li>
<li>Equivalence on these texts says nothing of texts of another kind.</li>
<li>For everybody's sake: sentences of up to {CHARACTERS} characters, tables of up to {ROWS} texts, models from the
Hub of up to {MEGABYTES} MB, with weights in safetensors and no code of their own. What you type is written nowhere;
answers are remembered for a while, for whoever asks the same.</li>
</ul>
<h2>How to cite</h2>
<p>Cite the papers, and with the figures the signature line that the report ends with: version, options and seed.</p>
<pre tabindex="0">{escape(audit.citation.strip())}</pre>
"""
    )
