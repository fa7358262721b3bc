"What every stage says to a picture, and the pad to draw one on."
from ..tools import check
from ..tools.forms import to_grey
from ..tools.pictures import example_strokes
from ..tools.plots import blue
from ..tools.results import StageResult
from ..resnet18 import prepare_digit

import base64
import sys
from io import BytesIO
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from IPython import get_ipython
from matplotlib import pyplot as plt
from PIL import Image


def _ask(result, prepared):
    "What one stage says to one prepared picture: ten probabilities"
    if not isinstance(result, StageResult): raise TypeError(f'result must be a StageResult, not {result!r:.80}')
    if result.predict is None:
        raise ValueError(f'The result of stage {result.stage} has no `predict`: run the stage first.')
    return result.predict(prepared[None])[0].float()


def predict(
    image, # A PIL image, the path of a picture, or a tensor or array, as for `prepare_digit`
    result:StageResult, # The stage to ask, trained
) -> tuple: # The digit, and a probability for each of the ten, float32 [10]
    """Read a picture of one digit. A stage that tells 3 from 7 has nothing else to say.

    Raises `ValueError` if the picture cannot be read.
    """
    p = _ask(result, prepare_digit(image))
    return int(p.argmax()), p


def _thumbnails(steps):
    "Pictures of what was done as pairs of a name and a PNG in a data URL, ready for JSON"
    def url(a):
        im = Image.fromarray((255*np.clip(a, 0, 1)).astype('uint8'))
        im.thumbnail((96, 96))
        out = BytesIO()
        im.save(out, 'png')
        return f'data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}'
    # ink is dark on the pad, and so it is here
    return [[name, url(a if name == 'the picture' else 1 - a)] for name, a in steps.items()]


def read_digit(
    image, # A picture of one digit, as for `prepare_digit`
    results, # `StageResult`s of trained stages
) -> dict: # 'prepared': 784 integers, 0 (paper) to 255 (ink); 'steps': names and pictures; 'stages': a dict for each
    """What every stage says to a picture, ready for JSON.

    Each has its 'stage', 'approach', 'only', 'digit' and 'confidence'; stage 0 has no confidence to give.
    Raises `ValueError` if the picture cannot be read.
    """
    prepared, steps = prepare_digit(image, return_steps=True)

    def answer(r):
        p = _ask(r, prepared)
        digit = int(p.argmax())
        only, sure = '' if r.digits == '0 to 9' else r.digits, None if r.stage == 0 else float(p[digit])
        return dict(stage=r.stage, approach=r.approach, only=only, digit=digit, confidence=sure)
    pixels = (prepared.flatten()*255).round().int().tolist()
    return dict(prepared=pixels, steps=_thumbnails(steps), stages=[answer(r) for r in check.results(results)])


def plot_answers(
    pictures, # At least one picture of a digit, as for `prepare_digit`
    results, # `StageResult`s of trained stages
): # The figure
    "Each picture, the same picture as the models are given it, and a bar for the answer of each stage"
    said = [read_digit(o, results) for o in pictures]
    fig, axes = plt.subplots(len(pictures), 3, figsize=(10, 2*len(pictures)), width_ratios=[1, 1, 2.2],
                             layout='constrained', squeeze=False)
    for (drawn, prepared, bars), picture, answers in zip(axes, pictures, said):
        drawn.imshow(to_grey(picture), cmap='gray', vmin=0, vmax=1)
        prepared.imshow(torch.tensor(answers['prepared']).view(28, 28), cmap='gray_r')
        for ax in (drawn, prepared):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
        for i, o in enumerate(answers['stages']):
            sure = o['confidence']
            bars.barh(i, 1 if sure is None else sure, color='none' if sure is None else blue, edgecolor=blue)
            bars.text(1.03, i, f"{o['digit']}" + ('' if sure is None else f'  {sure:.1%}'), va='center')
        names = [f'{o["stage"]} {o["approach"]}' for o in answers['stages']]
        bars.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1), xticks=[0, .5, 1])
        bars.invert_yaxis()
    titles = 'drawn', 'as the models are given it', 'what the stages say, and how sure they are'
    for ax, title in zip(axes[0], titles): ax.set_title(title)
    return fig


# The pad

def _can_show_widgets():
    "Is a front end there that somebody can draw into? `jupyter execute`, for one, tells the kernel that it is not."
    kernel = getattr(get_ipython(), 'kernel', None)
    if kernel is None: return False
    return kernel.get_parent().get('content', {}).get('allow_stdin', True) or 'google.colab' in sys.modules


class DigitPad(anywidget.AnyWidget):
    "A pad to draw a digit on, with the answers of all `results` (trained `StageResult`s); `read` needs no browser"
    _esm = (Path(__file__).parent/'pad.js').read_text(encoding='utf-8')
    drawing = traitlets.Unicode().tag(sync=True)      # a PNG as a data URL, from the browser
    answers = traitlets.Dict().tag(sync=True)         # from Python
    examples = traitlets.List().tag(sync=True)
    layout = None                                     # its looks are pad.js's business

    def __init__(self, results, **kwargs):
        self.results, self.reads = check.results(results), 0
        super().__init__(examples=list(example_strokes.values()), **kwargs)

    def read(self, image) -> dict:
        "The answers of all stages as `read_digit` gives them, or a 'problem' in words. Also shown in the pad."
        self.reads += 1      # so that the browser notices an answer that is the same as the last
        try: self.answers = dict(number=self.reads, **read_digit(image, self.results))
        except Exception as e:
            steps = _thumbnails(getattr(e, 'steps', {}))
            self.answers = dict(number=self.reads, problem=f'{e}' or type(e).__name__, steps=steps)
        return self.answers

    @traitlets.observe('drawing')
    def _drawn(self, change):
        self.answers = self.read(change['new']) if change['new'] else {}

    def open(self):
        # or else a notebook that is run to be read would keep the pad's state
        if _can_show_widgets(): super().open()
    _ipython_display_ = None                          # ipywidgets 7 would ask this before `_repr_mimebundle_`

    def __repr__(self):
        return (f'DigitPad with {len(self.results)} stages. '
                'To draw on it, run this notebook in JupyterLab, Notebook or Colab.')

    def _repr_mimebundle_(self, **kwargs):
        return super()._repr_mimebundle_(**kwargs) if _can_show_widgets() else {'text/plain': repr(self)}
