"""How well a low probability tells that something is no digit: measured, and written to doubt.json for the first page.

    python nbs/_site/doubt.py

Below the threshold lies one in a hundred of MNIST's first 5,000 validation digits. What is reported is measured on the
other 5,000, on letters in the fonts that Matplotlib brings, and on scribbles, none of which had a say in the threshold.
"""
import json
import string
import sys
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

# The checkout's own package comes before one that is installed.
sys.path[:0] = [str(Path(__file__).resolve().parent.parent.parent)]
try:
    import models
    from pages import root

    from mnist_stages.resnet18 import DigitReader, normalise, prepare_digit
    from mnist_stages.tools.files import load_mnist
    from mnist_stages.tools.pictures import draw_strokes
except ModuleNotFoundError as e: sys.exit(f'{e.name} is not installed: pip install -e ".[docs]"')

share = .01      # of digits that may be doubted wrongly
#: Letters that somebody may take for a digit, such as O, l, S and Z
like_digits = 'OoDQIilLjJSsZzBbgqGTtyY'
fonts = ['DejaVuSans', 'DejaVuSans-Bold', 'DejaVuSans-Oblique', 'DejaVuSerif', 'DejaVuSerif-Italic', 'DejaVuSansMono',
         'STIXGeneral', 'STIXGeneralItalic', 'cmb10', 'cmss10']


def letter(font, which):
    "A letter in black on white, 280 × 280"
    path = Path(matplotlib.get_data_path())/'fonts'/'ttf'/f'{font}.ttf'
    im = Image.new('L', (280, 280), 255)
    ImageDraw.Draw(im).text((140, 140), which, font=ImageFont.truetype(str(path), 200), fill=0, anchor='mm')
    return im


def scribble(rng):
    "A line that turns at random, of the pad's pen"
    n = int(rng.integers(25, 60))
    turn = np.cumsum(rng.normal(0, .7, n)) + rng.uniform(0, 2*np.pi)
    path = np.cumsum(rng.uniform(8, 22, n)[:, None]*np.stack([np.cos(turn), np.sin(turn)], 1), 0)
    low, high = path.min(0), path.max(0)
    path = (path - (low + high)/2)*min(1, 200/max(high - low)) + 140
    return draw_strokes([[tuple(o) for o in path]])


def prepared(pictures):
    "What can be prepared, `[n, 28, 28]`"
    out = []
    for o in pictures:
        try: out.append(prepare_digit(o))
        except ValueError: pass      # the preparation has refused it already
    return torch.stack(out)


def certainty(model, recipe, images):
    "The probability of the answer to each picture"
    if recipe.shifts: return DigitReader(model)(images).amax(1)
    x = normalise(images) if recipe.normalised else images.unsqueeze(1)
    with torch.no_grad(): return torch.cat([model(o).softmax(1).amax(1) for o in x.split(500)])


def measure():
    "For each model with probabilities for ten digits the threshold, and which shares lie below it"
    m, rng = load_mnist(), np.random.default_rng(1)
    all_letters = {o: prepared(letter(f, o) for f in fonts) for o in string.ascii_letters}
    unlike = torch.cat([v for k, v in all_letters.items() if k not in like_digits])
    like = torch.cat([v for k, v in all_letters.items() if k in like_digits])
    scribbles, digits, found = prepared(scribble(rng) for _ in range(500)), m.valid_images/255, {}
    for name, (model, recipe) in models.trained(root/'_proc'/'site').items():
        if len(recipe.digits) < 10 or name == 'means': continue
        sure = partial(certainty, model, recipe)
        below = float(sure(digits[:5000]).quantile(share))
        found[name] = dict(below=round(below, 3), shown=name in ('small', 'resnet18')) | {
            k: round(100*float((sure(v) < below).float().mean()), 1)
            for k, v in dict(digits=digits[5000:], letters=unlike, alike=like, scribbles=scribbles).items()}
        print(name, found[name], flush=True)
    counted = dict(letters=len(unlike), alike=len(like), scribbles=len(scribbles), digits=5000)
    return dict(counted=counted, models=found)


if __name__ == '__main__':
    (Path(__file__).parent/'doubt.json').write_text(json.dumps(measure(), indent=1) + '\n', encoding='utf-8')
