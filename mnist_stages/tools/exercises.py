"The checks below the exercises: they say whether an answer is right, and if it is not, what is off and a hint."
import textwrap
from copy import deepcopy
from math import prod

import numpy as np
import torch


def _same(a, b, eps):
    "Have `a` and `b` the same shape and, up to `eps`, the same values?"
    try: a, b = torch.as_tensor(a).detach().cpu(), torch.as_tensor(b).detach().cpu()
    except (TypeError, ValueError, RuntimeError): return type(a) is type(b) and a == b       # words, and the like
    if a.shape != b.shape or a.is_complex(): return False
    return torch.allclose(a.double(), b.double(), rtol=0, atol=eps, equal_nan=True)


def _short(o):
    "`o` in at most a line"
    if isinstance(o, (torch.Tensor, np.ndarray)) and prod(o.shape) > 12: return f'a tensor {list(o.shape)}'
    return getattr(o, '__name__', None) or textwrap.shorten(repr(o), 100, placeholder=' ...')


def _error(e): return textwrap.shorten(f'{type(e).__name__}: {e}', 200, placeholder=' ...')


def _off(a, b):
    "What is off with `a`, which should be `b`, in a few words that do not give `b` away"
    if a is None: return 'it is None. Is there a `return` missing?'
    if isinstance(a, (list, tuple)):
        wanted = prod(np.shape(b))
        return f'{_short(a)} is not right' if len(a) == wanted else f'{len(a)} numbers, and there should be {wanted}'
    try: shape, expected = list(np.shape(a)), list(np.shape(b))
    except ValueError: shape = expected = None
    if shape != expected: return f'the shape is {shape}, and should be {expected}'
    return f'{_short(a)} is not right'


def _told(answer, expected, hint, eps, given=''):
    "`None` if `answer` is right, or what to tell the reader"
    if answer is ... or isinstance(answer, (list, tuple)) and any(o is ... for o in answer):
        return 'Not filled in yet: put your answer in place of the ... above, run that cell and then this one.'
    if not _same(answer, expected, eps): return f'Not yet: {given}{_off(answer, expected)}. Hint: {hint}'


def check_value(
    answer, # What the reader filled in: a number, a shape, a text, a tensor; `...` if nothing yet
    expected, # What it should be, computed if possible
    hint:str, # Shown if the answer is wrong
    eps:float=1e-5, # How far numbers may be off
):
    "Print whether `answer` is right, or what is off and a hint. Raises nothing, so that an open exercise stops nobody."
    try: told = _told(answer, expected, hint, eps)
    except Exception as e: told = f'Not yet: this cannot be compared ({_error(e)}). Hint: {hint}'
    print(told or 'Right!')


def check_function(
    f, # The function that the reader filled in; it returns `...` if nothing is there yet
    *cases, # What to try: each a tuple of arguments, what `f` should then return, and a hint if it does not
    eps:float=1e-5, # How far numbers may be off
):
    "Try `f` on each of `cases` and print whether all are right, or what is off with the first that is not"
    for args, expected, hint in cases:
        given = f'for {", ".join(map(_short, args))}: '
        mine = deepcopy(args)       # `f` may change what it is given
        try: told = _told(f(*mine), expected, hint, eps, given)
        except Exception as e: told = f'Not yet: {given}{_error(e)}. Hint: {hint}'
        if told: return print(told)
    print('Right!')
