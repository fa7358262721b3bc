"Every form in which a picture arrives, as numbers: files, bytes, data URLs, Pillow's modes, arrays and tensors."
import base64
import binascii
import warnings
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

wanted = ('Give a PIL image, the path or the bytes of a picture, or a tensor or array [h, w], [h, w, c] or [c, h, w] '
          'of one to four channels')
largest_side = 1600                              # a picture with more pixels is read reduced
full_scales = 1, 255, 1023, 4095, 16383, 65535   # of shares, and of 8, 10, 12, 14 and 16 bits

# How a file that is no picture, or none that can be read, begins
_no_pictures = {b'%PDF': 'a PDF document. Take a screenshot of the page, and give that',
                b'<svg': 'a drawing in SVG. Save it as PNG first',
                b'<?xml': 'text in XML, such as SVG. Save it as PNG first',
                b'<!doctype html': 'a web page. Save the picture itself, not the page that shows it',
                b'<html': 'a web page. Save the picture itself, not the page that shows it'}
_heic = b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1'


# Arrays

def _scaled(a):
    "Any numbers as float32, 0 to 1: by the smallest full scale that holds them all, or else from least to largest"
    a = a.astype('float32')
    if not np.isfinite(a).all(): raise ValueError(f'{wanted}; these numbers are not all finite (NaN or infinite).')
    least, most = float(a.min()), float(a.max())
    if least < -1e-6 or most > full_scales[-1]: return (a - least)/max(most - least, 1e-12)
    return (a/next(o for o in full_scales if most <= o*(1 + 1e-6))).clip(0, 1)


def _of_array(a):
    "An array or tensor as float32 `[h, w]` or `[h, w, 3]`"
    if isinstance(a, torch.Tensor): a = (a.float() if a.is_floating_point() else a).detach().cpu().numpy()
    try: a = np.asarray(a)
    except (ValueError, TypeError): a = np.array(None)
    if a.dtype.kind not in 'biuf': raise ValueError(f'{wanted}, not {a.dtype}.')
    if a.ndim == 3 and a.shape[2] > 4 and a.shape[0] in (1, 2, 3, 4): a = np.moveaxis(a, 0, -1)
    if a.ndim not in (2, 3) or not a.size or a.ndim == 3 and a.shape[2] > 4:
        raise ValueError(f'{wanted}, not shape {list(a.shape)}.')
    if a.dtype == np.uint8: a = a/np.float32(255)
    if a.ndim == 2: return _scaled(a)
    if a.shape[2] in (2, 4): return _on_paper(_scaled(a[..., :-1]), _scaled(a[..., -1]))
    return _scaled(a).squeeze(2) if a.shape[2] == 1 else _scaled(a)


def _on_paper(colour, alpha):
    "What is transparent becomes paper; the transparent margin of a window is cut off"
    colour = colour.squeeze(2) if colour.shape[2] == 1 else colour
    drawn = alpha > .5
    if not drawn.any(): return np.ones_like(colour)
    rows, cols = [np.flatnonzero(drawn.any(axis)) for axis in (1, 0)]
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    if drawn[box].mean() > .9:            # a window with round corners or a shadow, and no drawing
        colour, alpha, drawn = colour[box], alpha[box], drawn[box]
        paper = np.median(colour[drawn], axis=0)
    else: paper = 0. if colour[drawn].mean() > .5 else 1.
    alpha = alpha[..., None] if colour.ndim == 3 else alpha
    return (colour*alpha + paper*(1 - alpha)).astype('float32')


# Pictures of Pillow's

def _of_image(im):
    "A PIL image of any mode as float32 `[h, w]` or `[h, w, 3]`"
    if not all(im.size): raise ValueError(f'{wanted}, not a picture of {im.width} × {im.height} pixels.')
    if max(im.size) > largest_side and hasattr(im, 'draft'): im.draft(im.mode, (largest_side//2,)*2)
    im = ImageOps.exif_transpose(im)      # a camera only notes which way it was held
    transparent = im.has_transparency_data
    if im.mode == 'LAB': im = im.getchannel('L')
    if im.mode == 'La': im = im.convert('LA')
    if im.mode in ('1', 'L') and not transparent: im = im.convert('L')
    elif im.mode[0] not in 'IF': im = im.convert('RGBA' if transparent else 'RGB')
    if max(im.size) > largest_side and im.mode[:2] != 'I;': im = im.reduce(-(-max(im.size)//largest_side))
    return _of_array(np.asarray(im))


def _of_bytes(buf, name):
    "The picture in the bytes of a file; `name` is what to call it"
    start = bytes(buf[:64]).lstrip().lower()
    if not len(buf): raise ValueError(f'{name} is empty. {wanted}.')
    if buf[4:8] == b'ftyp' and buf[8:12] in _heic:
        raise ValueError(f'{name} is a HEIC picture, which only few programs read. Save or send it as JPEG; an iPhone '
                         'takes JPEG with Settings → Camera → Formats → Most Compatible.')
    for begins, what in _no_pictures.items():
        if start.startswith(begins.lower()): raise ValueError(f'{name} is {what}.')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(BytesIO(buf)) as im: return _of_image(im)
    except Image.DecompressionBombError:
        raise ValueError(f'{name} has more than {2*Image.MAX_IMAGE_PIXELS/1e6:.0f} million pixels. '
                         'Send it in a smaller size.') from None
    except UnidentifiedImageError: raise ValueError(f'{name} cannot be read as a picture. {wanted}.') from None
    except (OSError, SyntaxError, EOFError) as e:
        raise ValueError(f'{name} cannot be read as a picture ({e}). {wanted}.') from None


def _of_url(url):
    "The bytes in a data URL, as a browser gives it"
    head, comma, data = url.partition(',')
    if not comma: raise ValueError('This data URL holds no data: there is no comma in it.')
    try: return base64.b64decode(data, validate=True) if head.endswith(';base64') else unquote_to_bytes(data)
    except binascii.Error as e: raise ValueError(f'This data URL cannot be decoded ({e}).') from None


def read_picture(
    image, # A path, bytes, a binary file, a data URL, a PIL image, a tensor or an array: see README
) -> np.ndarray: # float32 `[h, w]`, or `[h, w, 3]` in colour, 0 (black) to 1 (white)
    """Read a picture in any form, turned as the camera was held, the first frame of several.

    Raises `FileNotFoundError` if there is no such file, and `ValueError`, in one sentence, if it is no picture.
    """
    if isinstance(image, str) and image.startswith('data:'): return _of_bytes(_of_url(image), 'This data URL')
    if isinstance(image, (str, Path)):
        path = Path(image)
        try: buf = path.read_bytes()
        except FileNotFoundError: raise FileNotFoundError(f'There is no file {image}. {wanted}.') from None
        except (OSError, ValueError) as e:
            raise ValueError(f'{image} cannot be read as a picture ({e}). {wanted}.') from None
        return _of_bytes(buf, str(image))
    if isinstance(image, (bytes, bytearray, memoryview)): return _of_bytes(bytes(image), 'This picture')
    if hasattr(image, 'read') and not isinstance(image, Image.Image):
        buf = image.read()
        if isinstance(buf, str): raise ValueError("This file was opened as text. Open it with open(path, 'rb').")
        return _of_bytes(buf, 'This file')
    try: return _of_image(image) if isinstance(image, Image.Image) else _of_array(image)
    except OSError as e: raise ValueError(f'This picture cannot be read ({e}). {wanted}.') from None


def to_grey(
    image, # A picture in any form that `read_picture` takes
) -> np.ndarray: # float32 `[h, w]`, 0 (black) to 1 (white)
    "Any picture in grey. Raises what `read_picture` raises."
    picture = read_picture(image)
    return picture if picture.ndim == 2 else picture @ np.array([.299, .587, .114], 'float32')
