"""One of the two processes of test_metrics.py, in a file of its own so that it starts without that file's imports."""

from typing import Any

import evaluate


def one_of_two(folder: str, process_id: int, cache_dir: str, inputs: dict[str, Any], options: dict[str, Any]) -> Any:
    """This process's rows, in a batch and in a call; the result in process 0, None in process 1."""
    metric = evaluate.load(folder, process_id=process_id, num_process=2, experiment_id="two", cache_dir=cache_dir)
    metric.add_batch(**{name: values[:30] for name, values in inputs.items()})
    return metric.compute(**{name: values[30:] for name, values in inputs.items()}, **options)
