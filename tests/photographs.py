"""How stage 4 reads photographs: imitations of what people send, each kind of trouble at three strengths.

    python tests/photographs.py > tests/photographs.md    # 200 validation digits of each kind; trains a reader first
    python tests/photographs.py --model FILE --n 50       # with a reader that `save_model` wrote

Each digit is written on a sheet (texture, warm white, a slight gradient of light), photographed (perspective, blur,
noise, JPEG) and prepared. Real paper and real light are not drawn here: these are imitations, made by this program.
"""
import argparse
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage as ndi
from skimage.morphology import skeletonize

sys.path.insert(0, str(Path(__file__).parent.parent))

side = 480      # of a photograph, in pixels
inks = {'blue': (.12, .17, .45), 'black': (.13, .13, .15), 'red': (.75, .12, .15), 'green': (.1, .5, .2),
        'orange': (.95, .55, .15), 'pink': (.95, .45, .65), 'cyan': (.3, .75, .85), 'yellow': (.95, .88, .3)}


def smooth(rng, scale, amount, shape=(side, side)):
    "Random hills of a width of `scale` pixels, with a standard deviation of `amount`"
    small = rng.normal(size=[max(2, round(o/scale) + 2) for o in shape]).astype('float32')
    a = np.asarray(Image.fromarray(small).resize(shape[::-1], Image.Resampling.BICUBIC))
    return amount*a/(a.std() + 1e-6)


def stroke_of(digit, size, pen=None):
    "Coverage by ink, 0 to 1, `[size, size]`; with a round pen of a width of `pen` of 280 points, if given"
    large = ndi.zoom(digit.astype('float32')/255, size/28, order=3)
    if pen is None: return ((large - .5)*4 + .5).clip(0, 1)
    distance = ndi.distance_transform_edt(~skeletonize(large > .5))
    return (pen*size/560 - distance + .5).clip(0, 1)


def place(coverage, rng, room=side, where=None):
    "`coverage` somewhere on an empty sheet, not closer to the edge than a tenth"
    h, w = coverage.shape
    out, edge = np.zeros((room, room), 'float32'), room//10
    y, x = where or [int(rng.integers(edge, max(edge + 1, room - o - edge))) for o in (h, w)]
    out[y:y + h, x:x + w] = coverage
    return out


def sheet(rng, tint=(.93, .92, .88)):
    "A sheet of paper with its texture, `[side, side, 3]`"
    texture = smooth(rng, 3, .006) + smooth(rng, 40, .008)
    return np.array(tint, 'float32')*(1 + texture[..., None])


def write(paper, coverage, ink=inks['blue'], strength=.95):
    a = strength*coverage[..., None]
    return paper*(1 - a) + np.array(ink, 'float32')*a


def half_plane(rng, through, blur):
    "0 on one side of a line through the point `through`, 1 on the other"
    y, x = np.mgrid[:side, :side]
    turn = rng.uniform(0, 2*np.pi)
    far = (x - through[1])*np.cos(turn) + (y - through[0])*np.sin(turn)
    return (far/blur + .5).clip(0, 1)


def desk(rng):
    "A desk of wood, of a dark or a light colour"
    colour = np.array([(.45, .3, .18), (.2, .2, .22), (.62, .47, .33), (.35, .4, .36)][rng.integers(4)], 'float32')
    grain = np.asarray(Image.fromarray(rng.normal(size=(side//4, 6)).astype('float32')).resize((side, side),
                                                                                              Image.Resampling.BICUBIC))
    return colour*(1 + .06*grain[..., None])


def shoot(image, rng, noise=.012, light=.08, blur=.8, warp=.03, quality=80):
    "Photograph it: light that falls off, perspective, blur, noise, JPEG; uint8 `[side, side, 3]`"
    y, x = np.mgrid[-1:1:side*1j, -1:1:side*1j]
    turn = rng.uniform(0, 2*np.pi)
    image = image*(1 - light*(1 + x*np.cos(turn) + y*np.sin(turn))/2)[..., None]
    corners = [(0, 0), (0, side), (side, side), (side, 0)]
    quad = [c + rng.uniform(-warp, warp)*side for corner in corners for c in corner]
    im = Image.fromarray((255*image.clip(0, 1)).round().astype('uint8'))
    # what lies outside continues as the edge does
    pad = side//8
    im = Image.fromarray(np.pad(np.asarray(im), ((pad, pad), (pad, pad), (0, 0)), mode='edge'))
    im = im.transform((side, side), Image.Transform.QUAD, [o + pad for o in quad], Image.Resampling.BICUBIC)
    a = ndi.gaussian_filter(np.asarray(im).astype('float32')/255, (blur, blur, 0))
    a = a + rng.normal(0, noise, a.shape)
    out = BytesIO()
    Image.fromarray((255*a.clip(0, 1)).round().astype('uint8')).save(out, 'jpeg', quality=quality)
    return np.asarray(Image.open(out))


def middle(coverage): return ndi.center_of_mass(coverage)
def size_of(rng): return int(rng.integers(side*3//10, side*6//10))


def photograph(
    digit, # uint8 [28, 28], as MNIST has it
    kind:str, # One of `kinds`
    strength:int, # 0, 1 or 2
    rng, # NumPy's random generator
): # uint8 `[side, side, 3]`
    "An imitation of a photograph of `digit`"
    def by(*options): return options[strength]
    pen, ink, contrast, paper, shot = None, inks['blue' if rng.random() < .5 else 'black'], .95, sheet(rng), {}
    if kind == 'thin pen': pen = by(4, 2.5, 1.2)
    if kind == 'thick pen': pen = by(26, 32, 40)
    if kind == 'pale ink': contrast = by(.35, .25, .16)
    if kind == 'coloured ink':
        ink = inks[[('red', 'green'), ('orange', 'pink', 'cyan'), ('yellow',)][strength][rng.integers(by(2, 3, 1))]]
    if kind == 'coloured paper':      # red on green of nearly the same grey
        paper, ink = sheet(rng, (.55, .75, .5)), by((.55, .15, .15), (.85, .35, .35), (1., .55, .5))
    if kind == 'light on dark':
        paper, ink = sheet(rng, by((.1, .12, .14), (.15, .25, .2), (.3, .33, .32))), (.93, .93, .9)
    if kind == 'noise': shot = dict(noise=by(.05, .09, .14))
    if kind == 'soft shadow': shot = dict(light=by(.35, .55, .75))
    if kind == 'blur': shot = dict(blur=by(2., 3.5, 5.))
    coverage = stroke_of(digit, size_of(rng), pen)
    if kind == 'two digits':
        coverage = stroke_of(digit, side*35//100)
        other = ndi.shift(coverage, (by(0, 12, -18), 0))
        gap = by(side//10, side//25, 0)
        coverage = np.concatenate([coverage, np.zeros((len(coverage), gap), 'float32'), other], 1)
    if kind == 'light on dark' and strength: coverage = coverage*(1 - .5*(smooth(rng, 3, 1., coverage.shape) > 1))
    if kind in ('desk around', 'spiral', 'punched holes'):
        inner = place(stroke_of(digit, int(rng.integers(side*2//10, side*4//10)), pen), rng, side*6//10)
        coverage = np.zeros((side, side), 'float32')
        coverage[side*2//10:side*2//10 + len(inner), side*2//10:side*2//10 + len(inner)] = inner
    else: coverage = place(coverage, rng)
    if kind == 'blank': coverage = 0*coverage
    y, x = np.mgrid[:side, :side]

    if kind in ('ruled', 'squared', 'margin line'):
        dark = by(.15, .3, .5)
        every, tilt, lines = rng.uniform(28, 56), rng.uniform(-.03, .03), np.zeros((side, side))
        if kind != 'margin line':
            lines = np.maximum(lines, (1.3 - np.abs((y + tilt*x) % every - every/2)).clip(0, 1))
        if kind == 'squared': lines = np.maximum(lines, (1.3 - np.abs((x - tilt*y) % every - every/2)).clip(0, 1))
        colour = (.45, .55, .8)
        if kind == 'margin line':
            colour, dark = (.85, .3, .35), by(.4, .7, 1.)
            lines = (1.6 - np.abs(x - tilt*y - side*.12)).clip(0, 1)
        paper = write(paper, lines, colour, dark)
    if kind in ('spiral', 'punched holes'):
        n, r = (by(8, 12, 16), 6) if kind == 'spiral' else (by(2, 2, 4), by(10, 13, 16))
        for i in range(n):
            place_y, place_x = side*(i + .5)/n, side*.07
            hole = (r + .5 - np.hypot(y - place_y, x - place_x)).clip(0, 1)
            paper = write(paper, hole, (.15, .13, .12))
            if kind == 'spiral':
                wire = ((2.5 - np.abs(y - place_y - 2)).clip(0, 1)*(x < place_x)).astype('float32')
                paper = write(paper, wire, (.35, .35, .37))
    if kind == 'specks':
        for _ in range(by(4, 10, 20)):
            cy, cx, r = rng.uniform(10, side - 10), rng.uniform(10, side - 10), rng.uniform(1, by(2.5, 3.5, 4.5))
            paper = write(paper, (r + .5 - np.hypot(y - cy, x - cx)).clip(0, 1), (.2, .18, .15))
    if kind == 'staple':
        staple = ((2 - np.abs(y - 25 - .3*x)).clip(0, 1)*((x > 20) & (x < by(50, 65, 80)))).astype('float32')
        paper = write(paper, staple, (.4, .4, .42))

    image = write(paper, coverage, ink, contrast)
    if kind == 'hard shadow':
        image = image*(1 - by(.25, .4, .55)*half_plane(rng, middle(coverage + 1e-9), 4))[..., None]
    if kind == 'flash spot':
        cy, cx = np.array(middle(coverage + 1e-9)) + rng.uniform(-60, 60, 2)
        spot = np.exp(-((y - cy)**2 + (x - cx)**2)/(2*by(35, 50, 70)**2))
        image = image + by(.3, .45, .6)*spot[..., None]
    if kind == 'desk around':
        turn, margin = rng.uniform(-.12, .12), side*by(.05, .09, .13)
        u = (x - side/2)*np.cos(turn) + (y - side/2)*np.sin(turn)
        v = (y - side/2)*np.cos(turn) - (x - side/2)*np.sin(turn)
        on = ((side/2 - margin - np.maximum(np.abs(u), np.abs(v)))/1.5).clip(0, 1)[..., None]
        shade = ndi.gaussian_filter(on[..., 0], 6)[..., None]
        image = image*on + desk(rng)*(1 - on)*(1 - .3*shade)
    if kind == 'desk along one side':
        edge = side*by(.06, .1, .16) + rng.uniform(-.05, .05)*y
        on = ((x - edge)/1.5).clip(0, 1)[..., None]
        if rng.random() < .5: on = on.transpose(1, 0, 2)
        image = image*on + desk(rng)*(1 - on)
        inside = coverage*on[..., 0]
        if inside.sum() < .999*coverage.sum(): return photograph(digit, kind, strength, rng)
    return shoot(image, rng, **shot)


kinds = ['plain sheet', 'desk around', 'desk along one side', 'soft shadow', 'hard shadow', 'flash spot', 'ruled',
         'squared', 'margin line', 'spiral', 'punched holes', 'staple', 'specks', 'thin pen', 'thick pen', 'pale ink',
         'coloured ink', 'coloured paper', 'light on dark', 'noise', 'blur', 'two digits', 'blank']
to_refuse = 'two digits', 'blank'


heading = '''# Imitated photographs, read by ResNet18

Made by `python tests/photographs.py`: MNIST's first validation digits, written on sheets of paper and photographed by a
program (480 × 480 pixels, JPEG), prepared by `prepare_digit`, read by stage 4 (one epoch, seed 1). In per cent. Real
paper, light and cameras are more various than these imitations. Of two digits and of a blank sheet, "refused" is right.

| trouble | strength | digits | right | refused | wrong | wrong and over 90% sure |
|---|---|---|---|---|---|---|'''


def ask(reader, prepare, images, labels, kind, strength, seed=1):
    "Shares of right, refused, wrong, and wrong at more than 90%, and the numbers of the wrong ones"
    import torch

    rng, kept, refused = np.random.default_rng(seed), [], 0
    for i, digit in enumerate(images):
        try: kept.append((i, prepare(photograph(digit, kind, strength, rng))))
        except ValueError: refused += 1
    right = wrong = sure = 0
    bad = []
    if kept:
        p = reader(torch.stack([o for _, o in kept]))
        for (i, _), q in zip(kept, p):
            if int(q.argmax()) == int(labels[i]) and kind not in to_refuse: right += 1
            else:
                wrong, sure = wrong + 1, sure + int(q.max() > .9)
                bad.append((i, int(labels[i]), int(q.argmax()), round(float(q.max()), 2)))
    n = len(images)
    return [round(100*o/n, 1) for o in (right, refused, wrong, sure)], bad


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--model', help='a file that save_model wrote; without it a ResNet18 is trained for an epoch')
    p.add_argument('--n', type=int, default=200, help='validation digits of each kind and strength')
    p.add_argument('--first', type=int, default=0, help='the first of them')
    p.add_argument('--kinds', nargs='*', default=kinds)
    p.add_argument('--strengths', nargs='*', type=int, default=[0, 1, 2])
    args = p.parse_args()

    from mnist_stages.app.models import load_model
    from mnist_stages.app.stages import run_stage
    from mnist_stages.resnet18 import prepare_digit
    from mnist_stages.tools.files import load_mnist

    reader, m = load_model(args.model) if args.model else run_stage(4).predict, load_mnist()
    some = slice(args.first, args.first + args.n)
    images, labels = m.valid_images[some].numpy(), m.valid_labels[some]
    print(heading)
    for kind in args.kinds:
        for strength in args.strengths:
            shares, bad = ask(reader, prepare_digit, images, labels, kind, strength)
            print('|', kind, '|', ('slight', 'middle', 'strong')[strength], '|',
                  ' | '.join(f'{o:g}' for o in [len(images), *shares]), '|', flush=True)


if __name__ == '__main__': main()
