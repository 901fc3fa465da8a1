"""How the two papers are cited."""

MINIATURE = """
@article{miniature2024,
  title  = {Compressed models are NOT miniature versions of large models},
  journal= {arXiv preprint arXiv:2407.13174},
  year   = {2024}
}
"""
TRUST = """
@article{trustequivalent2025,
  title  = {Compressed Models are NOT Trust-equivalent to Their Large Counterparts},
  journal= {arXiv preprint arXiv:2508.13533},
  year   = {2025}
}
"""
