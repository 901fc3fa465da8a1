"""How the two papers are cited."""

MINIATURE = """
@article{miniature2024,
  author = {Rai, Rohit Raj and Pal, Rishant and Awekar, Amit},
  title  = {Compressed models are NOT miniature versions of large models},
  journal= {arXiv preprint arXiv:2407.13174},
  year   = {2024}
}
"""
TRUST = """
@article{trustequivalent2025,
  author = {Rai, Rohit Raj and Kothari, Chirag and Shelke, Siddhesh and Awekar, Amit},
  title  = {Compressed Models are NOT Trust-equivalent to Their Large Counterparts},
  journal= {arXiv preprint arXiv:2508.13533},
  year   = {2025}
}
"""
