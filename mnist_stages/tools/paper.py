"The ink of one digit on any paper: light, shadows, desk, lines, holes and specks taken away, strokes of a usual width."
from . import check

import numpy as np
from PIL import Image
from scipy import ndimage as ndi
from skimage.morphology import skeletonize

working_side = 320     # pixels of the longer side that a larger picture is reduced to
widest = 65            # no stroke is wider than this, in these pixels, and no sheet is narrower
small_side = 64        # up to this size a picture is taken as one of MNIST's kind: a digit, and nothing else
clean_side = 128       # and up to this size, if its border is of one colour

again = 'Give one digit, dark on light or light on dark, and nothing else near it.'


def resize(
    a:np.ndarray, # float32 `[h, w]`
    h:int, # Height of the result
    w:int, # Its width
    how:Image.Resampling=Image.Resampling.BICUBIC, # How new pixels come from old ones
) -> np.ndarray: # float32 `[h, w]`
    "Resize a grey picture"
    return np.asarray(Image.fromarray(a).resize((w, h), how))


def _reduced(picture, side):
    "A picture `[h, w, channels]` whose longer side has at most `side` pixels"
    h, w, n = picture.shape
    shrink = max(h, w)/side
    if shrink <= 1: return picture
    size = max(1, round(h/shrink)), max(1, round(w/shrink))
    return np.stack([resize(np.ascontiguousarray(picture[..., i]), *size, Image.Resampling.BOX) for i in range(n)], -1)


# What is narrow and darker than its surroundings

def _narrow(channel, dark, window=widest):
    """How much darker (or lighter) than what is around it each pixel of a narrow structure is, 0 to 1.

    As a share, the noise of that, and as a difference. Closing fills what is darker and narrower than the window;
    the edge of a shadow or of a sheet is not narrow.
    """
    if not dark: channel = 1 - channel
    padded = np.pad(channel, window, mode='edge')
    closed = ndi.grey_closing(padded, (window, window))[window:-window, window:-window]
    # what is light divides what is dark: light that is weaker by a half makes no difference
    low, high = (channel, closed) if dark else (1 - closed, 1 - channel)
    response = 1 - (low + .04)/(high + .04)
    usual = np.median(response)
    noise = 1.5*np.median(np.abs(response - usual))
    return ((response - usual)/(1 - usual)).clip(0, 1), noise, closed - channel


def _box(mask):
    "First and last row and column of a mask that is not empty, `(top, bottom, left, right)`, the ends excluded"
    rows, cols = [np.flatnonzero(mask.any(axis)) for axis in (1, 0)]
    return rows[0], rows[-1] + 1, cols[0], cols[-1] + 1


def _responses(picture):
    "For dark on light and for light on dark: which, the channel of most contrast, and what `_narrow` says of it"
    grey = picture @ np.array([.299, .587, .114], 'float32') if picture.shape[2] == 3 else picture[..., 0]
    coloured = picture.shape[2] == 3 and np.ptp(picture, axis=2).max() > .1
    channels = [ndi.gaussian_filter(o, .8) for o in ([grey, *picture.transpose(2, 0, 1)] if coloured else [grey])]

    def clear(channel):
        response, noise, _ = _narrow(channel[::3, ::3], dark, widest//3)
        # colour is noisier than grey in most files
        return np.percentile(response, 99.7)/(noise + .02)*(1.25 if channel is channels[0] else 1)
    for dark in (True, False):
        best = max(channels, key=clear) if coloured else channels[0]
        yield dark, best, *_narrow(best, dark)


# Lines from edge to edge

def _sheared(a, tilt):
    "Each column moved up by `tilt` times its distance from the middle"
    h, w = a.shape
    by = np.round(tilt*(np.arange(w) - w/2)).astype(int)
    return a[(np.arange(h)[:, None] + by).clip(0, h - 1), np.arange(w)]


def _lines_across(response, noise):
    "Where lines run from the left edge to the right one, as a mask"
    h, w = response.shape
    small = np.pad(response, ((0, h % 2), (0, w % 2))).reshape(-(-h//2), 2, -(-w//2), 2).max((1, 3))
    small, end = ndi.maximum_filter1d(small, 3, axis=0), max(2, w//2//12)
    found = np.zeros(small.shape, bool)
    there = small > max(2.5*noise, .03, 1.5*np.median(small))
    for tilt in np.linspace(-.09, .09, 13):
        a = _sheared(there, tilt)
        rows = (a.mean(1) > .7) & (a[:, :end].mean(1) > .5) & (a[:, -end:].mean(1) > .5)
        if rows.any(): found |= _sheared(np.broadcast_to(rows[:, None], a.shape), -tilt)
    if found.mean() > .7: return np.zeros(response.shape, bool)
    return found.repeat(2, 0).repeat(2, 1)[:h, :w]


def _without_lines(response, noise):
    "The response without lines from edge to edge; strokes that cross one are bridged"
    for turned in (False, True):
        r = response.T if turned else response
        lines = _lines_across(r, noise)
        if lines.any():
            thick = 9
            bridged = ndi.grey_closing(np.where(lines, 0, r), (thick, 1))
            r = np.where(lines, np.minimum(r, bridged), r)
        response = r.T if turned else r
    return response


# The pieces that make up one digit

def _pieces(response, noise):
    "All connected pieces that may be ink: for each its mask, box, sum of response and full darkness"
    labels, _ = ndi.label(response > max(5*noise, .05), np.ones((3, 3)))
    pieces = []
    for i, box in enumerate(ndi.find_objects(labels), 1):
        mask = labels[box] == i
        values = response[box][mask]
        if len(values) < 10: continue
        full = np.percentile(values, 85)
        # the foot of a piece may hold more than the stroke
        mask &= response[box] > .35*full
        if mask.sum() < 6: continue
        top, bottom, left, right = _box(mask)
        y, x = box[0].start, box[1].start
        pieces.append(dict(box=(y + top, y + bottom, x + left, x + right), full=full, sum=values.sum(),
                           mask=mask[top:bottom, left:right]))
    return pieces


def _size(p): return max(p['box'][1] - p['box'][0], p['box'][3] - p['box'][2])


def _is_blot(p):
    "Is it as wide as it is long, like a hole or a speck? A digit is made of strokes."
    return 2*ndi.distance_transform_edt(np.pad(p['mask'], 1)).max() > .62*_size(p)


def _at_margin(p, shape):
    "Does it lie in the outer eighth of the picture?"
    h, w = shape
    top, bottom, left, right = p['box']
    return bottom < h/8 or top > h*7/8 or right < w/8 or left > w*7/8


def _touches(p, shape):
    top, bottom, left, right = p['box']
    return min(top, left) <= 1 or bottom >= shape[0] - 1 or right >= shape[1] - 1


def _gap(p, q):
    "Empty rows and columns between two boxes"
    (top, bottom, left, right), (top2, bottom2, left2, right2) = p['box'], q['box']
    return max(0, top2 - bottom, top - bottom2), max(0, left2 - right, left - right2)


def _share_columns(p, q):
    "Does one lie above the other, by nearly half of its width?"
    (left, right), (left2, right2) = p['box'][2:], q['box'][2:]
    return min(right, right2) - max(left, left2) > .4*min(right - left, right2 - left2)


def _strokes(pieces, shape):
    "The pieces that are strokes and lie within the picture, at its margin only if there are no others; main one first"
    found = [p for p in pieces if not _touches(p, shape) and not _is_blot(p)]
    found = [p for p in found if not _at_margin(p, shape)] or found
    return sorted(found, key=lambda p: -p['sum']*p['full'])


def _contrast(channel, piece, dark):
    "How much darker (or lighter) than what is usual around it a piece is, as a share"
    top, bottom, left, right = piece['box']
    room = max(8, _size(piece)//2)
    around = np.median(channel[max(0, top - room):bottom + room, max(0, left - room):right + room])
    level = channel[top:bottom, left:right][piece['mask']].mean()
    return 1 - (level + .04)/(around + .04) if dark else 1 - (around + .04)/(level + .04)


def _digit_of(pieces, shape):
    "The mask of the pieces of the one digit. `ValueError` if there is none, or more than one."
    central = _strokes(pieces, shape)
    if not central:
        inside = [p for p in pieces if not _touches(p, shape)]
        if not pieces: raise ValueError(f'There is nothing written in this picture, or it is too faint. {again}')
        if not inside: raise ValueError(f'What is written touches the edge of the picture. {again}')
        raise ValueError(f'There is a blot in this picture, and nothing written. {again}')
    main = central[0]
    size = _size(main)
    if size < max(shape)/24:
        raise ValueError(f'What is written is too small: {size/max(shape):.0%} of the picture. '
                         'Come closer, so that the digit fills a good part of it.')
    digit, rest = [main], [p for p in central if p is not main and p['full'] > .4*main['full'] and _size(p) > .12*size]
    grown = True
    while grown:
        grown = False
        for p in list(rest):
            dy, dx = min(_gap(p, q) for q in digit)
            over = any(_share_columns(p, q) for q in digit)
            if (dx < .1*size and dy < .1*size) or (over and dy < .2*size):
                digit.append(p)
                rest.remove(p)
                grown = True
    top, bottom = min(p['box'][0] for p in digit), max(p['box'][1] for p in digit)
    left, right = min(p['box'][2] for p in digit), max(p['box'][3] for p in digit)
    # one that is far wider still is a stroke that lies, such as the first of a seven
    if any(_size(p) > .45*size for p in rest) or 1.55 < (right - left)/(bottom - top) < 3:
        raise ValueError(f'There is more than one digit in this picture. {again}')
    mask = np.zeros(shape, bool)
    for p in digit:
        y, bottom, x, right = p['box']
        mask[y:bottom, x:right] |= p['mask']
    return mask


# Strokes of a usual width

def _width(mask):
    "The usual width of the strokes of a mask, where the longer side of what is written is 20"
    mask = np.pad(mask, 2)
    if not mask.any(): return 0
    top, bottom, left, right = _box(mask)
    width = 2*np.median(ndi.distance_transform_edt(mask)[skeletonize(mask)]) - .5
    return 20*width/max(bottom - top, right - left)


def _thinned(ink, highest):
    "Where strokes are thicker than `highest`, only what is darker, as far as there are shades to choose from"
    for least in np.arange(0, .5, .05):
        thin = ((ink - least)/(1 - least)).clip(0, 1).astype('float32')
        if _width(thin > .5) <= highest: break
    return thin


def even_strokes(
    ink:np.ndarray, # float32 `[h, w]`, 0 (paper) to 1 (ink), one digit
    usual:float=2.4, # Width of a stroke where the digit is 20 pixels large, as in MNIST
    lowest:float=1.5, # Below this width strokes are drawn anew: of MNIST's digits 97% lie between the two
    highest:float=3.9, # And above this
) -> np.ndarray: # The same, with strokes of the `usual` width if they were thinner or thicker
    "Draw strokes that are far thinner or thicker than MNIST's anew, around their skeleton"
    if lowest <= _width(ink > .5) <= highest: return ink
    thin = _thinned(ink, highest)
    if lowest <= _width(thin > .5) <= highest: return thin
    mask = np.pad(ink > .5, 2)
    if not mask.any(): return ink
    skeleton = skeletonize(mask)
    top, bottom, left, right = _box(skeleton)
    long = max(bottom - top, right - left, 1)
    width = usual*long/(20 - usual)
    room = int(np.ceil(width)) + 1
    away = ndi.distance_transform_edt(~np.pad(skeleton, room))
    return (width/2 - away + .5).clip(0, 1).astype('float32')


def _is_small(picture):
    "Is it a picture of MNIST's kind, a digit and nothing else?"
    longest = max(picture.shape[:2])
    if longest <= small_side: return True
    edges = picture[[0, -1]].reshape(-1), picture[:, [0, -1]].reshape(-1)
    return longest <= clean_side and all(np.ptp(o) < .02 for o in edges)


def _ink_of_small(grey):
    "The ink of a picture of MNIST's kind: what lies off its border"
    edge = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    paper = np.median(edge)
    noise = 1.5*np.median(np.abs(edge - paper))
    ink = grey - paper
    if (ink**3).sum() < 0: ink = -ink      # the side on which something sticks out is the ink's
    if ink.max() < max(.1, 6*noise):
        raise ValueError(f'There is nothing written in this picture, or it is too faint. {again}')
    full = np.percentile(ink[ink > ink.max()/2], 90)
    return ((ink - 3*noise)/(full - 3*noise)).clip(0, 1).astype('float32')


def find_ink(
    picture:np.ndarray, # Float32 `[h, w]` or in colour `[h, w, 3]`, 0 to 1
    return_steps:bool=False, # Also return pictures of what was done?
): # float32 `[h, w]`, 0 (paper) to 1 (ink), the longer side at most 320; with `return_steps` also a dict of pictures
    """Take away the paper and whatever else is on it, and bring strokes to a usual width.

    `ValueError` if nothing is written, more than one digit, or something too small; its `steps` are pictures, too.
    """
    check.picture(picture)
    picture = picture.astype('float32')
    if picture.ndim == 2: picture = picture[..., None]
    if _is_small(picture):
        grey = picture.mean(2)
        ink = _ink_of_small(grey)
        if max(ink.shape) > small_side: ink = _thinned(ink, 3.9)
        return (ink, {'the picture': grey, 'ink': ink}) if return_steps else ink
    picture = _reduced(picture, working_side)
    best = -1
    for dark, channel, found, noise, depth in _responses(picture):
        without = _without_lines(found, noise)
        candidates = _pieces(without, noise)
        strokes = _strokes(candidates, without.shape)
        # paper between strokes is narrow, too, but as light as the paper around
        contrast = _contrast(channel, strokes[0], dark) if strokes else 0
        if contrast > best:
            best, response, clean, pieces = contrast, found, without, candidates
            # on black a share of next to nothing says nothing about the shades at the edge of a stroke
            shades = clean if dark else depth*clean/np.maximum(found, 1e-6)
    steps = {'the picture': picture.squeeze(), 'what is narrow': response, 'without lines': clean}
    try: mask = _digit_of(pieces, clean.shape)
    except ValueError as e:
        e.steps = steps      # so that a reader can see what went wrong
        raise
    near = ndi.binary_dilation(mask, iterations=2)
    # a flash or a dry pen makes a part of a stroke pale: full is what is full near by
    full = np.maximum(ndi.gaussian_filter(ndi.maximum_filter(shades*near, 25), 6), .3*np.percentile(shades[mask], 75))
    ink = ((shades - .25*full)/(.6*full)).clip(0, 1)*near
    even = even_strokes(ink.astype('float32'))
    if not return_steps: return even
    return even, steps | {'one digit': ink, 'strokes evened': even}
