"""Imported for what it does, before transformers: where torchao is installed, transformers loads it with every model.

It then tells of each part that it cannot use on this machine, which is no news to whoever runs a script of ours.
"""

import logging

for name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(name).setLevel(logging.ERROR)
