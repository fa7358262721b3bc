"Trained models kept in files: numbers only, no code."
from ..tools import check
from ..tools.files import write_whole
from ..resnet18 import DigitReader, crop_kernels, mnist_resnet18

from pathlib import Path

import safetensors.torch


#: In each file: the shapes of the weights do not tell which pixels they were trained on
_made_for = {'pixels': 'middle 24 x 24'}


def _model_of(weights):
    "Stage 4's network with these weights. `RuntimeError` if they do not fit, `ValueError` if they are not numbers."
    model = crop_kernels(mnist_resnet18())
    model.load_state_dict(weights)
    if not all(o.isfinite().all() for o in weights.values()):
        raise ValueError('some weights are NaN or infinite: did its training diverge?')
    return model


def save_model(
    reader:DigitReader, # With a ResNet18 from `mnist_learner`, such as the `predict` of stage 4's result
    path, # File to write; what is there is replaced
):
    """Save the weights of `reader` as safetensors.

    Raises `TypeError` or `ValueError` if `load_model` could not make the model from them.
    """
    if not isinstance(reader, DigitReader):
        raise TypeError(f'reader must be a DigitReader, such as run_stage(4).predict, not {reader!r:.80}')
    weights = {name: o.detach().cpu().contiguous() for name, o in reader.model.state_dict().items()}
    try: fits = _model_of(weights) and hasattr(reader.model, 'middle')
    except RuntimeError: fits = False
    if not fits:
        raise ValueError('only a ResNet18 as mnist_learner makes it can be saved: this model has other layers')
    write_whole(Path(path), safetensors.torch.save(weights, _made_for))


def load_model(
    path, # A file that `save_model` wrote
    device=None, # Where the model shall live; the CPU if `None`
) -> DigitReader: # Ready to be asked
    "Load what `save_model` saved. `FileNotFoundError` if there is no such file, `ValueError` if it is something else."
    path, device = Path(path), check.device(device)
    if not path.is_file(): raise FileNotFoundError(f'There is no file {path}. save_model writes one.')
    try:
        with safetensors.safe_open(path, 'pt') as file:
            made_for, model = file.metadata(), _model_of({name: file.get_tensor(name) for name in file.keys()})
    except (safetensors.SafetensorError, RuntimeError, ValueError) as e:
        raise ValueError(f'{path} is not a model that save_model wrote: {str(e).splitlines()[0]}') from None
    if made_for != _made_for:
        raise ValueError(f'{path} was written by an earlier version, whose network looked at other pixels: train again')
    return DigitReader(model.to(device)).eval()
