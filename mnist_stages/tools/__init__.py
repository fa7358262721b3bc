"What the lessons and the application stand on, and no lesson teaches: one subject a module."
import warnings

from .versions import check_versions

check_versions()      # before any tool imports torch

# fastai still calls torch.jit.script, which torch now deprecates: nothing that a reader could act on.
warnings.filterwarnings('ignore', message='`torch.jit.script` is', category=FutureWarning)
