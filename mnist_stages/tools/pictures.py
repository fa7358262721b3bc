"Any picture to ink: files, arrays and modes in grey, the paper taken away; and strokes drawn as a picture."
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps

from . import check

_wanted = ('Give a PIL image, the path of a picture, or a tensor or array [h, w], [h, w, 3] or [3, h, w], '
           'of uint8 from 0 to 255 or of floats from 0 to 1')


# In grey

def _grey_array(a):
    "A tensor or array as float32 `[h, w]`, 0 to 1"
    if isinstance(a, torch.Tensor): a = (a.float() if a.is_floating_point() else a).detach().cpu().numpy()
    try: a = np.asarray(a)
    except (ValueError, TypeError): a = np.array(None)
    if a.dtype not in (np.uint8, bool) and a.dtype.kind != 'f': raise ValueError(f'{_wanted}, not {a.dtype}.')
    if a.ndim == 3 and a.shape[0] in (1, 3) and a.shape[2] not in (1, 3): a = np.moveaxis(a, 0, -1)
    if a.ndim == 3 and a.shape[2] == 3: a = a @ np.array([.299, .587, .114])/(255 if a.dtype == np.uint8 else 1)
    elif a.ndim == 3 and a.shape[2] == 1: a = a[..., 0]
    if a.ndim != 2 or not a.size: raise ValueError(f'{_wanted}, not shape {list(a.shape)}.')
    grey = (a/255 if a.dtype == np.uint8 else a).astype('float32')
    if not (grey.min() >= -1e-6 and grey.max() <= 1 + 1e-6):
        raise ValueError(f'{_wanted}; these go from {grey.min():g} to {grey.max():g}.')
    return grey.clip(0, 1)


def _grey_picture(im):
    "A PIL image of any mode as float32 `[h, w]`, 0 to 1. What is transparent becomes paper."
    im = ImageOps.exif_transpose(im)      # a camera only notes which way it was held
    if im.mode[0] in 'IF': return _grey_array(np.asarray(im)/(65535. if im.mode[0] == 'I' else 1.))
    if im.has_transparency_data:
        im = im.convert('RGBA')
        drawn = np.asarray(im.convert('RGB').convert('L'))[np.asarray(im)[..., 3] > 127]
        paper = 'black' if drawn.size and drawn.mean() > 127 else 'white'
        im = Image.alpha_composite(Image.new('RGBA', im.size, paper), im)
    return _grey_array(np.asarray(im.convert('L')))


def to_grey(
    image, # A PIL image, the path of a picture, or a tensor or array `[h, w]`, `[h, w, 3]` or `[3, h, w]`
) -> np.ndarray: # float32 `[h, w]`, 0 (black) to 1 (white)
    "Any picture in grey. Raises `FileNotFoundError` if there is no such file, and `ValueError` if it is not a picture."
    if isinstance(image, (str, Path)):
        if not Path(image).exists(): raise FileNotFoundError(f'There is no file {image}. {_wanted}.')
        try:
            with Image.open(image) as im: return _grey_picture(im)
        except (OSError, SyntaxError, Image.DecompressionBombError) as e:
            raise ValueError(f'{image} cannot be read as a picture ({e}). {_wanted}.') from None
    try: return _grey_picture(image) if isinstance(image, Image.Image) else _grey_array(image)
    except OSError as e: raise ValueError(f'This picture cannot be read ({e}). {_wanted}.') from None


# Without the paper

def resize(
    a:np.ndarray, # float32 `[h, w]`
    h:int, # Height of the result
    w:int, # Its width
    how:Image.Resampling=Image.Resampling.BICUBIC, # How new pixels come from old ones
) -> np.ndarray: # float32 `[h, w]`
    "Resize a grey picture"
    return np.asarray(Image.fromarray(a).resize((w, h), how))


def paper_of(
    grey:np.ndarray, # A picture, float32 `[h, w]`
) -> tuple: # The paper, `[h, w]`, and its noise: the standard deviation along the edge
    """The paper behind what is written.

    A quadratic surface through the edge of the picture, by least squares, leaving out what lies far off it.
    """
    check.grey(grey)
    h, w = grey.shape
    y, x = np.mgrid[-1:1:h*1j, -1:1:w*1j]
    terms = np.stack([x**0, x, y, x*y, x*x, y*y], -1)
    edge, b = np.ones((h, w), bool), max(1, min(h, w)//16)
    edge[b:-b, b:-b] = False
    keep = np.ones(edge.sum(), bool)
    for _ in range(3):
        coef = np.linalg.lstsq(terms[edge][keep], grey[edge][keep], rcond=None)[0]
        off = np.abs(grey[edge] - terms[edge] @ coef)
        keep = off <= 3*np.median(off) + 1e-6
    # the median distance is about two thirds of a standard deviation
    return (terms @ coef).astype('float32'), 1.5*np.median(off)


def find_ink(
    grey:np.ndarray, # A picture of one digit on plain paper, float32 `[h, w]`, 0 to 1
) -> np.ndarray: # float32, 0 (paper) to 1 (ink), the longer side at most 256
    "Take away the paper and its noise, dark on light or light on dark. `ValueError` if nothing is written on it."
    check.grey(grey)
    h, w = grey.shape
    shrink = max(h, w)/256
    if shrink > 1: grey = resize(grey, max(1, round(h/shrink)), max(1, round(w/shrink)), Image.Resampling.BOX)
    paper, noise = paper_of(grey)
    ink = grey - paper
    if (ink**3).sum() < 0: ink = -ink      # the side on which something sticks out is the ink's
    if ink.max() < max(.1, 6*noise):
        raise ValueError('There is nothing written in this picture, or it is too faint. '
                         'Give one digit, dark on light paper or light on dark.')
    full = np.percentile(ink[ink > ink.max()/2], 90)
    return ((ink - 3*noise)/(full - 3*noise)).clip(0, 1)


# Strokes

#: Strokes of three digits, each a list of points `(x, y)` from 0 to 280, the origin at the top left
example_strokes = {
    3: [[(88, 82), (102, 62), (121, 51), (143, 48), (163, 55), (178, 77), (179, 97), (159, 114), (137, 126), (138, 132),
         (162, 137), (186, 150), (195, 169), (191, 194), (179, 212), (158, 225), (136, 227), (115, 222), (96, 210),
         (82, 192)]],
    5: [[(186, 60), (169, 63), (156, 62), (142, 65), (127, 63), (112, 62)],
        [(112, 62), (110, 75), (108, 89), (105, 103), (102, 114), (100, 128), (111, 119), (124, 113), (138, 110),
         (152, 115), (163, 120), (175, 130), (182, 140), (188, 154), (187, 167), (187, 181), (182, 193), (172, 205),
         (162, 214), (148, 218), (136, 223), (121, 222), (108, 217), (95, 209), (86, 200)]],
    7: [[(76, 76), (103, 71), (127, 69), (153, 69), (177, 66), (204, 64), (200, 74), (196, 82), (191, 91), (187, 101),
         (182, 109), (178, 118), (174, 128), (170, 136), (163, 144), (159, 153), (153, 163), (152, 170), (146, 179),
         (143, 189), (141, 198), (137, 207), (134, 217), (131, 225), (128, 236)]]}


def draw_strokes(
    strokes, # Strokes, each a list of points `(x, y)` from 0 to 280
    pen:int=20, # Width of the pen
) -> Image.Image: # Black on white, mode 'L', 280 × 280 pixels
    "Draw with a round pen. Raises `ValueError` if a point is not a pair of finite numbers."
    check.whole(pen=pen)
    try: wrong = not np.isfinite([(x, y) for stroke in strokes for x, y in stroke]).all()
    except (TypeError, ValueError): wrong = True
    if wrong:
        raise ValueError(f'strokes must be lists of points (x, y), finite numbers from 0 to 280, not {strokes!r:.80}')
    im = Image.new('L', (840, 840), 255)      # three times as large, so that edges come out smooth
    draw = ImageDraw.Draw(im)
    for stroke in strokes:
        stroke = [(3*x, 3*y) for x, y in stroke]
        draw.line(stroke, fill=0, width=3*pen)
        for x, y in stroke: draw.ellipse((x - 1.5*pen, y - 1.5*pen, x + 1.5*pen, y + 1.5*pen), fill=0)
    return im.reduce(3)


def draw_rings_and_crosses(
    folder, # Where to put the folders 'train' and 'valid', each with 'ring' and 'cross'
    train:int=10, # Pictures of each kind in 'train'
    valid:int=20, # And in 'valid'
    seed:int=1, # Random seed, for their sizes and places
): # `folder`, as it was given
    "Draw two kinds of pictures into a folder, as PNG files"
    rng, turn = np.random.default_rng(seed), np.linspace(0, 2*np.pi, 33)
    for part, n in (('train', train), ('valid', valid)):
        for kind in ('ring', 'cross'):
            out = Path(folder)/part/kind
            out.mkdir(parents=True, exist_ok=True)
            for i in range(n):
                x, y, r = rng.uniform((100, 100, 40), (180, 180, 90))
                ring = [list(zip(x + r*np.cos(turn), y + r*np.sin(turn)))]
                cross = [[(x - r, y - r), (x + r, y + r)], [(x - r, y + r), (x + r, y - r)]]
                draw_strokes(ring if kind == 'ring' else cross).save(out/f'{i}.png')
    return folder
