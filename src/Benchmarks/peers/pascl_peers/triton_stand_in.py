"""As much of Triton as the kernels here use, in torch on a CPU: programs run one after another, blocks are tensors.

It checks the arithmetic, the masks and the addresses of a kernel where Triton is not installed. It proves nothing about
what Triton compiles, about races, or about speed.
"""

from itertools import product
from types import SimpleNamespace

import torch

_program = (0, 0, 0)
_grid = (1, 1, 1)


class Pointer:
    """Elements of a tensor: offsets from its first one."""

    def __init__(self, memory: torch.Tensor, offset=0):
        self.memory, self.offset = memory, offset

    def __add__(self, offset):
        return Pointer(self.memory, self.offset + offset)


class Kernel:
    """A function that is launched as kernel[grid](...), or called by another kernel."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments, **named):
        return self.function(*arguments, **named)

    def __getitem__(self, grid):
        def launch(*arguments, num_warps=4, num_stages=1, **constants):
            global _program, _grid
            del num_warps, num_stages  # how a GPU would run it
            pointers = [Pointer(value.detach().view(-1)) if isinstance(value, torch.Tensor) else value for value in arguments]
            _grid = tuple(grid) + (1,) * (3 - len(grid))
            for _program in product(*(range(size) for size in _grid)):
                self.function(*pointers, **constants)

        return launch


def jit(function):
    return Kernel(function)


def cdiv(value, divisor):
    return -(-value // divisor)


def _block(offset, mask):
    offset = torch.as_tensor(offset)
    chosen = torch.ones((), dtype=torch.bool) if mask is None else torch.as_tensor(mask)
    return torch.broadcast_tensors(offset, chosen)


def _load(pointer, mask=None, other=0):
    offset, chosen = _block(pointer.offset, mask)
    inside = pointer.memory[torch.where(chosen, offset, torch.zeros_like(offset)).long()]
    return torch.where(chosen, inside, torch.full_like(inside, other))


def _store(pointer, value, mask=None):
    offset, chosen = _block(pointer.offset, mask)
    value = torch.as_tensor(value).to(pointer.memory.dtype).expand(offset.shape)
    pointer.memory[offset[chosen].long()] = value[chosen]


def _atomic_add(pointer, value):
    old = _load(pointer).clone()
    _store(pointer, old + value)
    return old


def _where(condition, chosen, other):
    return torch.where(torch.as_tensor(condition), torch.as_tensor(chosen), torch.as_tensor(other))


language = SimpleNamespace(
    constexpr=object,
    int32=torch.int32,
    float32=torch.float32,
    bfloat16=torch.bfloat16,
    program_id=lambda axis: _program[axis],
    num_programs=lambda axis: _grid[axis],
    arange=lambda first, end: torch.arange(first, end, dtype=torch.int32),
    zeros=lambda shape, dtype: torch.zeros(shape, dtype=dtype),
    cdiv=cdiv,
    load=_load,
    store=_store,
    atomic_add=_atomic_add,
    debug_barrier=lambda: None,
    where=_where,
    maximum=lambda left, right: torch.maximum(torch.as_tensor(left), torch.as_tensor(right)),
    cumsum=lambda values, axis: values.cumsum(axis).to(values.dtype),
    sum=lambda values, axis: values.sum(axis, dtype=values.dtype),
    max=lambda values, axis: values.max(axis).values,
    exp2=torch.exp2,
    log2=torch.log2,
    trans=lambda block: block.t(),
    dot=lambda left, right, input_precision=None: left.float() @ right.float(),
)
