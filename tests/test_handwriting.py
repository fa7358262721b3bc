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
from mnist_stages.tools.pictures import draw_strokes, example_strokes
from mnist_stages.tools.results import StageResult

mnist = load_mnist()
seven = np.asarray(draw_strokes(example_strokes[7]))      # 280 × 280, black on white


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


def over_digits(compare):
    """What `compare(i, random)` gives for 200 of the 10,000, the largest last.

    A few of MNIST's digits are in two pieces and are refused as two digits; a few lie where strokes are just thick
    enough to be thinned, and are not in a copy. So properties are about shares.
    """
    found = []
    for i in range(0, 10000, 50):
        try: found.append(compare(i, np.random.default_rng(i)))
        except ValueError as e: assert 'more than one digit' in str(e)
    assert len(found) >= 197
    return np.sort(np.array(found), axis=0)


def in_a_corner(random): return tuple(random.integers(10, 150, 4))


def test_twenty_pixels_and_centred():
    def compare(i, random):
        x = prepare_digit(on_paper(digit(i), in_a_corner(random)))
        check_prepared(x)
        assert 18 <= max(extent(x, 0), extent(x, 1)) <= 20
        for o in mass(x): assert abs(o - 14) <= 1
        return far_but_for_a_pixel(x, mnist.valid_images[i]/255)
    found = over_digits(compare)
    assert found[100] < .02 and found[188] < .06 and found[-1] < .25


def test_dark_on_light_or_light_on_dark():
    def compare(i, random):
        picture = on_paper(digit(i), in_a_corner(random))
        return far_but_for_a_pixel(prepare_digit(picture), prepare_digit(255 - picture))
    found = over_digits(compare)
    assert found[100] < .0001 and found[194] < .03


def test_wherever_on_the_paper():
    def compare(i, random):
        small = digit(i)[::2, ::2]      # 98 × 98, on 248 × 248
        def place(o): return prepare_digit(on_paper(small, (o[0], 150 - o[0], o[2], 150 - o[2])))
        return far(place(in_a_corner(random)), place(in_a_corner(random)))
    assert over_digits(compare)[-1] < .0001


def test_large_or_small():
    def compare(i, random):
        side = round(196*random.uniform(.3, 3))     # digits that reach to the edge of their 28 × 28 need paper around
        how = Image.Resampling.BOX if side < 196 else Image.Resampling.BICUBIC
        other = on_paper(np.asarray(Image.fromarray(digit(i)).resize((side, side), how)), (20,)*4)
        return far_but_for_a_pixel(prepare_digit(on_paper(digit(i), (20,)*4)), prepare_digit(other))
    found = over_digits(compare)
    assert found[100] < .01 and found[188] < .03


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
    for wrong, said in (empty, 'nothing written'), ('data:,', 'is empty'), (picture, 'division by zero'):
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
