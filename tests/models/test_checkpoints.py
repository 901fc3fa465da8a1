"""What is no checkpoint that we load is said in a sentence with what to do; what is one is loaded in silence."""

import re
import subprocess
import sys

import pytest
import torch
from tiny_models import checkpoint, classifier, tokenizer
from transformers import BertForPreTraining

from trusteq.models.checkpoints import why_not
from trusteq.models.open import as_predictor


@pytest.fixture
def pickled(tmp_path):
    folder = checkpoint(tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save(classifier().state_dict(), folder / "pytorch_model.bin")
    return folder


def test_pickled_weights_are_refused_with_the_command_that_converts_them(pickled):
    with pytest.raises(
        ValueError, match=r"large: .*its weights are pickles \(pytorch_model\.bin\), which may run"
    ) as error:
        as_predictor(pickled, "large")
    command = re.search(r'convert them: (cd \S+ && python -c ".*")$', str(error.value)).group(1)
    done = subprocess.run(command.replace("python", sys.executable, 1), shell=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert as_predictor(pickled, "large")(["a good film"]).shape == (1, 2)


def test_weights_that_are_pickled_on_the_hub_are_said_to_be(tmp_path):
    reason = "owner/name does not appear to have a file named model.safetensors or do not set `use_safetensors=True`."
    said = why_not("owner/name", OSError(reason))
    assert said.startswith("it has no weights in safetensors but pickles, which may run code")
    assert why_not("owner/name", OSError("no network\nat all")) == "no network"


def test_a_checkpoint_with_more_than_is_asked_for_is_loaded_in_silence(tmp_path):
    """transformers prints a table of the weights that it does not use."""
    BertForPreTraining(classifier().config).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    code = f"from trusteq.models.open import as_predictor; print(as_predictor({str(tmp_path)!r}, 'large').name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "large\n", done.stderr
    assert not re.search("LOAD REPORT|Loading weights|UNEXPECTED", done.stderr), done.stderr
