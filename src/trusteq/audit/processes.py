"""Who does which part? One process alone, or several under `accelerate launch`, each with a device of its own."""

import atexit
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE = timedelta(days=2)  # one process may have much longer texts to attack than another


class Processes:
    """This process among all of them.

    >>> Processes().deal(["a", "b", "c"]), Processes().together(lambda: 1)
    (['a', 'b', 'c'], [1])
    """

    def __init__(self) -> None:
        self.rank, self.count, self.device = 0, 1, None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            import torch
            from accelerate import PartialState
            from accelerate.utils import parse_flag_from_env

            machine = getattr(torch, "accelerator", torch.cuda)  # torch.accelerator came with 2.6
            cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not machine.is_available()
            state = PartialState(cpu, timeout=PATIENCE)
            atexit.register(part_company)
            self.rank, self.count, self.device = state.process_index, state.num_processes, state.device

    def deal(self, items: Sequence[T]) -> list[T]:
        """This process's share of the items."""
        return list(items[self.rank :: self.count])

    def agreed(self, value: T) -> T:
        """The first process's value, in all of them: what is dealt out has to be the same list everywhere."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def together(self, work: Callable[[], T]) -> list[T]:
        """Every process does its work, and each gets the results of all; an error of one is an error of all."""
        if self.count == 1:
            return [work()]
        from accelerate.utils import gather_object

        done: tuple[T | None, Exception | None]
        try:
            done = work(), None
        except Exception as error:
            known = isinstance(error, ValueError)
            done = None, error if known else ValueError(f"{type(error).__name__}: {error}")
        results: list[Any] = gather_object([done])
        for _, failure in results:
            if failure is not None:
                raise failure
        return [result for result, _ in results]


def part_company() -> None:
    """A process that merely ends, while others go on, may crash in the threads that connect them, and end them all."""
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
