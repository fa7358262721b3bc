"Strokes drawn as a picture."
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from . import check


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
