"Any picture of a digit, prepared as MNIST's were, and read; the drawing pad without a browser"
import base64
import json
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from mnist_stages.app import pad as pad_module
from mnist_stages.app.pad import DigitPad, predict, read_digit
from mnist_stages.resnet18 import prepare_digit
from mnist_stages.tools.files import load_mnist
from mnist_stages.tools.pictures import draw_strokes, example_strokes, find_ink, paper_of, to_grey
from mnist_stages.tools.results import StageResult

mnist = load_mnist()
seven = np.asarray(draw_strokes(example_strokes[7]))      # 280 × 280, black on white
in_a_corner = st.tuples(st.integers(0, 150), st.integers(0, 150), st.integers(0, 150), st.integers(0, 150))
quick = settings(max_examples=100, deadline=None)


def digit(i):
    large = Image.fromarray(mnist.valid_images[i].numpy()).resize((196, 196), Image.Resampling.BICUBIC)
    return 255 - np.asarray(large)


def on_paper(picture, around): return np.pad(picture, (around[:2], around[2:]), constant_values=255)
def extent(x, axis): return int((x > .1).any(axis).sum())
def mass(x): return [float((x.sum(axis)*torch.arange(28)).sum()/x.sum()) for axis in (1, 0)]
def far(a, b): return float((a - b).abs().mean())
def far_but_for_a_pixel(a, b):
    "The same, where rounding may have tipped a digit into the next row or column"
    return min(far(a.roll((i, j), (0, 1)), b) for i in (-1, 0, 1) for j in (-1, 0, 1))


def check_prepared(x):
    assert (x.shape, x.dtype) == ((28, 28), torch.float32)
    assert x.isfinite().all() and x.min() >= 0 and x.max() <= 1 and x.max() > 0


@quick
@given(st.integers(0, 9999), in_a_corner)
def test_twenty_pixels_and_centred(i, around):
    x = prepare_digit(on_paper(digit(i), around))
    check_prepared(x)
    assert 18 <= max(extent(x, 0), extent(x, 1)) <= 20
    for o in mass(x): assert abs(o - 14) <= 1
    assert far_but_for_a_pixel(x, mnist.valid_images[i]/255) < .06


@quick
@given(st.integers(0, 9999), in_a_corner)
def test_dark_on_light_or_light_on_dark(i, around):
    picture = on_paper(digit(i), around)
    assert far_but_for_a_pixel(prepare_digit(picture), prepare_digit(255 - picture)) < .03


@quick
@given(st.integers(0, 9999), in_a_corner, in_a_corner)
def test_wherever_on_the_paper(i, around, elsewhere):
    small = digit(i)[::2, ::2]      # 98 × 98, on 248 × 248
    def place(o): return on_paper(small, (o[0], 150 - o[0], o[2], 150 - o[2]))
    assert far(prepare_digit(place(around)), prepare_digit(place(elsewhere))) < 1e-4


@quick
@given(st.integers(0, 9999), st.floats(.3, 3))
def test_large_or_small(i, scale):
    side = round(196*scale)
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    other = np.asarray(Image.fromarray(digit(i)).resize((side, side), how))
    assert far_but_for_a_pixel(prepare_digit(digit(i)), prepare_digit(other)) < .05


@settings(max_examples=200, deadline=None)
@given(st.one_of(
    arrays(np.uint8, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40)),
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(0, 1, width=32)),
    arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=8), elements=st.floats(width=32)),
    arrays(np.int64, array_shapes(max_side=5)), arrays(bool, array_shapes(max_side=9)), arrays('<U2', 3)))
def test_any_array_is_prepared_or_refused(a):
    try: check_prepared(prepare_digit(a))
    except ValueError as e: assert len(str(e)) > 30


def test_mnists_own_pictures_stay_as_they_are():
    x = torch.stack([prepare_digit(o) for o in mnist.valid_images[:300]])
    assert far(x, mnist.valid_images[:300]/255) < .006


@pytest.mark.parametrize('noise', [0, .02, .04])
def test_a_photograph(noise):
    "A shadow that falls off towards the corners, pale ink, noise"
    y, x = np.mgrid[-1:1:496j, -1:1:496j]
    light = .8 - .15*x + .1*y - .15*(x*x + y*y)
    random = np.random.default_rng(1)
    for i in range(20):
        ink = 1 - on_paper(digit(i), (60, 240, 200, 100))/255
        photo = (light*(1 - .5*ink) + random.normal(0, noise, ink.shape)).clip(0, 1)
        assert far(prepare_digit(photo), mnist.valid_images[i]/255) < .1


def test_the_paper_is_found_by_least_squares():
    y, x = np.mgrid[-1:1:90j, -1:1:70j]
    surface = (.6 + .1*x - .05*y + .04*x*y - .1*x*x + .02*y*y).astype('float32')
    written = surface.copy()
    written[20:60, 30:36] -= .4
    written[:8, :6] = 0      # a thumb at the edge
    paper, noise = paper_of(written)
    assert np.abs(paper - surface).max() < 1e-3
    assert noise < 1e-3
    assert set(np.flatnonzero((find_ink(written) > .5)[20:60].any(0))) == set(range(30, 36))


modes = ['1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBa', 'CMYK', 'YCbCr', 'HSV', 'I', 'F', 'I;16']


def in_mode(mode, a):
    if mode == 'F': return Image.fromarray(a.astype('float32')/255)
    if mode == 'I': return Image.fromarray(a.astype('int32')*257)
    if mode == 'I;16': return Image.fromarray(a.astype('uint16')*257)
    im = Image.fromarray(a)
    by_way_of = {'RGBa': 'RGBA', 'PA': 'LA'}
    return im.convert(by_way_of.get(mode, im.mode)).convert(mode)


@pytest.mark.parametrize('mode', modes)
def test_every_mode_of_pil(mode):
    assert in_mode(mode, seven).mode == mode
    assert far(prepare_digit(in_mode(mode, seven)), prepare_digit(seven)) < .01


def test_grey_is_light_from_0_to_1():
    grey = to_grey(seven)
    assert grey.shape == (280, 280) and grey.dtype.kind == 'f'
    assert np.abs(grey - seven/255).max() < 1e-6


@pytest.mark.parametrize('ink', [0, 255])
def test_ink_on_nothing(ink):
    "Transparent where there is no ink, as drawing programs save it, black or white"
    picture = Image.new('RGBA', (280, 280), (ink, ink, ink, 0))
    picture.putalpha(Image.fromarray(255 - seven))
    assert far(prepare_digit(picture), prepare_digit(seven)) < .01


def test_a_camera_held_sideways(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(seven).rotate(90, expand=True).save(tmp_path/'photo.jpg', exif=exif, quality=95)
    for path in (tmp_path/'photo.jpg', str(tmp_path/'photo.jpg')):
        assert far(prepare_digit(path), prepare_digit(seven)) < .02


@pytest.mark.parametrize('form', [
    torch.tensor, lambda a: torch.tensor(a)[None], lambda a: torch.tensor(a).repeat(3, 1, 1),
    lambda a: np.stack([a]*3, -1), lambda a: a[..., None], lambda a: torch.tensor(a)/255,
    lambda a: torch.tensor(a/255), lambda a: (torch.tensor(a)/255).requires_grad_(),
    lambda a: np.stack([a/255]*3, -1).astype('float32')])
def test_every_form_of_an_array(form): assert far(prepare_digit(form(seven)), prepare_digit(seven)) < 1e-3


@pytest.mark.parametrize('bad, said', [
    (Image.new('L', (50, 50), 200), 'nothing written'), (Image.new('L', (0, 0)), 'shape'),
    (np.zeros((28, 28)), 'nothing written'), (torch.zeros(1, 1, 28, 28), r'shape \[1, 1, 28, 28\]'),
    (np.zeros(784), r'shape \[784\]'), (np.zeros((28, 28, 2)), r'shape \[28, 28, 2\]'),
    (np.full((28, 28), np.nan), 'nan'), (seven.astype(float), 'from 0 to 255'), (seven.astype(int), 'int64'),
    (-(seven/255.), 'from -1 to'),
    (None, 'object'), ([[1, 2], [3]], 'object'), (['a'], '<U1'), (seven.astype(complex), 'complex')])
def test_bad_input_is_told_what_is_expected(bad, said):
    with pytest.raises(ValueError, match=said) as e: prepare_digit(bad)
    assert 'Give' in str(e.value)


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='There is no file'): prepare_digit(tmp_path/'no.png')
    (tmp_path/'text.png').write_text('a seven')
    Image.fromarray(seven).save(tmp_path/'whole.png')
    (tmp_path/'half.png').write_bytes((tmp_path/'whole.png').read_bytes()[:400])
    with Image.open(tmp_path/'half.png') as im:
        with pytest.raises(ValueError, match='This picture cannot be read'): prepare_digit(im)
    for o in ('text.png', 'half.png', '.'):
        with pytest.raises(ValueError, match='cannot be read as a picture'): prepare_digit(tmp_path/o)


def stage(n, answer, digits='0 to 9', sure=.9):
    "A stage that always says `answer`"
    def says(images):
        assert images.shape[1:] == (28, 28)
        p = torch.full((len(images), 10), (1 - sure)/9)
        p[:, answer] = sure
        return p
    return StageResult(stage=n, approach=f'stage {n}', digits=digits, parameters=0, epochs=0, accuracy=0, seconds=0,
                       predict=says)


results = [stage(0, 3, '3 or 7', 1.), stage(1, 7, '3 or 7'), stage(4, 5)]


def test_predict():
    said, p = predict(seven, results[2])
    assert said == 5 and p.shape == (10,) and abs(float(p.sum()) - 1) < 1e-5
    untrained = StageResult(stage=4, approach='', digits='', parameters=0, epochs=0, accuracy=0, seconds=0)
    with pytest.raises(ValueError, match='run the stage first'): predict(seven, untrained)


def test_read_digit_is_ready_for_json():
    answers = json.loads(json.dumps(read_digit(seven, results)))
    assert [(o['digit'], o['only']) for o in answers['stages']] == [(3, '3 or 7'), (7, '3 or 7'), (5, '')]
    assert answers['stages'][0]['confidence'] is None and abs(answers['stages'][1]['confidence'] - .9) < 1e-6
    assert np.abs(np.array(answers['prepared']).reshape(28, 28)/255 - prepare_digit(seven).numpy()).max() < .003


def data_url(picture):
    out = BytesIO()
    picture.save(out, 'png')
    return 'data:image/png;base64,' + base64.b64encode(out.getvalue()).decode()


def test_the_pad_answers_a_drawing():
    pad = DigitPad(results)
    assert pad.answers == {}
    pad.drawing = data_url(Image.fromarray(seven).convert('RGBA'))
    assert [o['digit'] for o in pad.answers['stages']] == [3, 7, 5]
    assert {k: v for k, v in pad.read(seven).items() if k != 'number'} == read_digit(seven, results)
    pad.drawing = ''
    assert pad.answers == {}


def test_the_pad_says_what_is_wrong_and_goes_on():
    broken = stage(1, 7)
    broken.predict = lambda images: 1/0
    empty, picture = data_url(Image.new('RGBA', (280, 280), 'white')), data_url(Image.fromarray(seven))
    for wrong, said in (empty, 'nothing written'), ('data:,', 'cannot identify'), (picture, 'division by zero'):
        pad = DigitPad([broken])
        pad.drawing = wrong
        assert said in pad.answers['problem'] and 'stages' not in pad.answers
    pad.results = results
    assert len(pad.read(seven)['stages']) == 3


def test_without_a_front_end_it_is_one_line_of_text():
    data = DigitPad(results)._repr_mimebundle_()
    assert list(data) == ['text/plain'] and 'JupyterLab' in data['text/plain'] and '\n' not in data['text/plain']


@pytest.mark.parametrize('allowed', [True, False])
def test_a_front_end_is_one_that_can_be_typed_into(allowed, monkeypatch):
    from types import SimpleNamespace as NS

    kernel = NS(get_parent=lambda: dict(content=dict(allow_stdin=allowed)))
    monkeypatch.setattr(pad_module, 'get_ipython', lambda: NS(kernel=kernel))
    data = DigitPad(results)._repr_mimebundle_()
    assert ('application/vnd.jupyter.widget-view+json' in str(data)) == allowed


def test_the_examples_are_drawn_within_the_picture():
    for strokes in example_strokes.values():
        assert all(0 <= o <= 280 for stroke in strokes for point in stroke for o in point)
        assert draw_strokes(strokes).size == (280, 280)
        check_prepared(prepare_digit(draw_strokes(strokes)))
