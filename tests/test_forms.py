"Every form in which a picture may arrive gives the same digit, and what is no picture a sentence"
import base64
import subprocess
import sys
import warnings
from io import BytesIO
from urllib.parse import quote

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from mnist_stages.resnet18 import prepare_digit
from mnist_stages.tools.forms import largest_side, read_picture, to_grey
from mnist_stages.tools.pictures import draw_strokes, example_strokes

seven = np.asarray(draw_strokes(example_strokes[7]))      # 280 × 280, black on white
expected = prepare_digit(seven)


def far(picture): return float((prepare_digit(picture) - expected).abs().mean())


def in_file(form='png', im=None, **kwargs):
    out = BytesIO()
    (im or Image.fromarray(seven)).save(out, form, **kwargs)
    return out.getvalue()


modes = '1 L LA La P PA RGB RGBA RGBa RGBX CMYK YCbCr HSV LAB I F I;16'.split()


def in_mode(mode, a):
    if mode == 'F': return Image.fromarray(a.astype('float32')/255)
    if mode == 'I': return Image.fromarray(a.astype('int32')*257)
    if mode == 'I;16': return Image.fromarray(a.astype('uint16')*257)
    if mode == 'LAB': return Image.merge('LAB', [Image.fromarray(a), *[Image.new('L', a.shape[::-1], 128)]*2])
    im = Image.fromarray(a)
    by_way_of = {'RGBa': 'RGBA', 'PA': 'LA', 'La': 'LA'}
    return im.convert(by_way_of.get(mode, im.mode)).convert(mode)


@pytest.mark.parametrize('mode', modes)
def test_every_mode_of_pil(mode):
    assert in_mode(mode, seven).mode == mode
    assert far(in_mode(mode, seven)) < .01


@pytest.mark.parametrize('most', [1, 100, 255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize('kind', ['I', 'I;16', 'uint16', 'int64', 'float64', 'float16'])
def test_every_range(most, kind):
    a = np.round(seven/255*most)
    if kind == 'I': picture = Image.fromarray(a.astype('int32'))
    elif kind == 'I;16': picture = Image.fromarray(a.astype('uint16'))
    else: picture = a.astype(kind)
    if kind == 'float16' and most == 65535: picture = (a*.9).astype(kind)
    assert far(picture) < .02


def test_negative_numbers_go_from_the_least_to_the_largest():
    assert far(seven/127.5 - 1) < .01
    assert far(seven.astype(int) - 128) < .01


@pytest.mark.parametrize('form', [
    torch.tensor, lambda a: torch.tensor(a)[None], lambda a: torch.tensor(a).repeat(3, 1, 1),
    lambda a: np.stack([a]*3, -1), lambda a: a[..., None], lambda a: torch.tensor(a)/255,
    lambda a: torch.tensor(a/255), lambda a: (torch.tensor(a)/255).requires_grad_(),
    lambda a: (torch.tensor(a)/255).bfloat16(), lambda a: (torch.tensor(a)/255).half(), lambda a: a > 127,
    lambda a: a.tolist(),
    lambda a: np.stack([a/255]*3, -1).astype('float32'), lambda a: np.stack([a, a*0 + 255], -1),
    lambda a: np.stack([a, a, a, a*0 + 255], -1), lambda a: np.stack([a, a, a, a*0 + 255]),
    lambda a: np.stack([a*0]*3 + [255 - a], -1)])
def test_every_form_of_an_array(form): assert far(form(seven)) < .02


def test_every_way_of_a_file(tmp_path):
    buf, path = in_file(), tmp_path/'seven.png'
    path.write_bytes(buf)
    url = f'data:image/png;base64,{base64.b64encode(buf).decode()}'
    with path.open('rb') as f:
        by_percent = 'data:image/png,' + quote(buf)
        ways = path, str(path), buf, bytearray(buf), memoryview(buf), BytesIO(buf), f, url, by_percent
        for way in ways: assert far(way) < 1e-6


@pytest.mark.parametrize('form', ['png', 'jpeg', 'gif', 'bmp', 'tiff', 'webp', 'ppm'])
def test_every_format(form): assert far(in_file(form)) < .02


def test_the_first_of_several_frames():
    frames = [Image.fromarray(255 - 0*seven)]*2
    assert far(in_file('gif', save_all=True, append_images=frames, duration=100)) < .02


def test_grey_is_light_from_0_to_1():
    grey = to_grey(seven)
    assert grey.shape == (280, 280) and grey.dtype == np.float32 and np.abs(grey - seven/255).max() < 1e-6
    assert to_grey(np.stack([seven]*3, -1)).shape == (280, 280)
    assert read_picture(np.stack([seven]*3, -1)).shape == (280, 280, 3)


@pytest.mark.parametrize('ink', [0, 255])
@pytest.mark.parametrize('palette', [False, True])
def test_ink_on_nothing(ink, palette):
    "Transparent where there is no ink, as drawing programs save it, black or white"
    picture = Image.new('RGBA', (280, 280), (ink, ink, ink, 0))
    picture.putalpha(Image.fromarray(255 - seven))
    if palette: picture = Image.open(BytesIO(in_file('png', picture.quantize(16))))
    assert not palette or picture.mode == 'P' and picture.has_transparency_data
    assert far(picture) < .02


def test_a_window_with_a_transparent_margin():
    "A screenshot of a window, dark mode or light, with round corners and the margin for its shadow"
    for a in seven, 255 - seven:
        window = Image.fromarray(a).convert('RGBA')
        alpha = Image.new('L', (280, 280), 255)
        alpha.paste(0, (0, 0, 6, 6))
        window.putalpha(alpha)
        whole = Image.new('RGBA', (400, 420), (0, 0, 0, 0))
        whole.paste(window, (60, 50))
        assert far(whole) < .02


def test_a_camera_held_sideways():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert far(in_file('jpeg', Image.fromarray(seven).rotate(90, expand=True), exif=exif, quality=95)) < .02


large = '''
import resource, sys, warnings
warnings.simplefilter('error')
from io import BytesIO
from PIL import Image
from mnist_stages.tools.forms import read_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = read_picture(sys.argv[1])
assert max(picture.shape) <= 1600, picture.shape
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)/1024)
'''


@pytest.mark.parametrize('form', ['jpeg', 'png'])
def test_108_megapixels_take_less_than_500_megabytes(tmp_path, form):
    Image.new('RGB', (12_000, 9_000), 'white').save(tmp_path/f'large.{form}')
    run = subprocess.run([sys.executable, '-c', large, str(tmp_path/f'large.{form}')], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 500 and not run.stderr


def test_a_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    with pytest.raises(ValueError, match='more than 0 million pixels. Send it in a smaller'): read_picture(in_file())


def test_a_large_picture_is_read_reduced():
    a = np.asarray(Image.fromarray(seven).resize((largest_side*2, largest_side*2)))
    for picture in Image.fromarray(a), in_file('jpeg', Image.fromarray(a)): assert far(picture) < .03


@pytest.mark.parametrize('bad, said', [
    (Image.new('L', (50, 50), 200), 'nothing written'), (Image.new('L', (0, 0)), '0 × 0 pixels'),
    (np.zeros((28, 28)), 'nothing written'), (torch.zeros(1, 1, 28, 28), r'shape \[1, 1, 28, 28\]'),
    (np.zeros(784), r'shape \[784\]'), (np.zeros((28, 28, 5)), r'shape \[28, 28, 5\]'),
    (np.full((28, 28), np.nan), 'NaN'), (np.full((28, 28), np.inf), 'infinite'),
    (None, 'object'), ([[1, 2], [3]], 'object'), (['a'], '<U1'), (seven.astype(complex), 'complex'),
    (b'', 'is empty'), (b'%PDF-1.7 ...', 'PDF'), (b'\n<svg xmlns=""/>', 'SVG'), (b'<!DOCTYPE html><p>', 'web page'),
    (b'<html>', 'web page'), (b'\0\0\0\x18ftypheic\0\0\0\0', 'HEIC.*JPEG'), (b'\0\0\0\x18ftypmif1', 'HEIC'),
    (b'what', 'cannot be read'), (BytesIO(b'what'), 'cannot be read'), ('data:image/png;base64', 'no comma'),
    ('data:image/png;base64,!', 'cannot be decoded'), ('data:,', 'is empty'), (in_file()[:400], 'cannot be read'),
    (in_file('jpeg')[:300], 'cannot be read')])
def test_bad_input_is_told_what_is_expected(bad, said):
    with pytest.raises(ValueError, match=said) as e: prepare_digit(bad)
    assert '\n' not in str(e.value) and len(str(e.value)) > 30


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='There is no file'): prepare_digit(tmp_path/'no.png')
    (tmp_path/'text.png').write_text('a seven')
    (tmp_path/'half.png').write_bytes(in_file()[:400])
    with Image.open(tmp_path/'half.png') as im:
        with pytest.raises(ValueError, match='This picture cannot be read'): prepare_digit(im)
    for o in ('text.png', 'half.png', '.', 'nul\0'):
        with pytest.raises(ValueError, match='cannot be read as a picture'): prepare_digit(str(tmp_path/o))
    with (tmp_path/'text.png').open() as f, pytest.raises(ValueError, match="open\\(path, 'rb'\\)"): prepare_digit(f)


@settings(max_examples=300, deadline=None)
@given(st.one_of(
    arrays(np.uint8, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40)),
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=65, max_side=90)),
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=140), elements=st.floats(0, 1, width=32)),
    arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=8), elements=st.floats(width=32)),
    arrays(np.int64, array_shapes(max_side=5)), arrays(bool, array_shapes(max_side=9)), arrays('<U2', 3),
    st.binary(max_size=200), st.text(max_size=50).map('data:'.__add__),
    st.builds(lambda h, w, mode: Image.new(mode, (w, h)), st.integers(1, 700), st.integers(1, 3),
              st.sampled_from(modes[:-1])),
    st.builds(lambda h, w, i: Image.effect_noise((w, h), i), st.integers(1, 300), st.integers(1, 300),
              st.floats(0, 200))))
def test_anything_is_prepared_or_refused_in_a_sentence(a):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        try: x = prepare_digit(a)
        except ValueError as e: assert len(str(e)) > 30 and '\n' not in str(e)
        else: assert x.shape == (28, 28) and x.isfinite().all() and 0 <= x.min() and x.max() <= 1
