"What is on a photograph besides the digit is left out, and what is no digit is refused: see photographs.py"
import numpy as np
import pytest
import torch

from mnist_stages.resnet18 import prepare_digit
from mnist_stages.tools.files import load_mnist
from mnist_stages.tools.paper import even_strokes, find_ink
from mnist_stages.tools.pictures import draw_strokes, example_strokes
from photographs import kinds, photograph, to_refuse

mnist = load_mnist()
seven = np.asarray(draw_strokes(example_strokes[7]))


def far(x, i):
    "How far from MNIST's own picture, one pixel to a side at most"
    return min(float((x.roll(o, (0, 1)) - mnist.valid_images[i]/255).abs().mean())
               for o in ((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)))


@pytest.mark.parametrize('kind', [o for o in kinds if o not in to_refuse])
def test_a_photograph(kind):
    random, off = np.random.default_rng(1), []
    for i in range(6):
        try: off.append(far(prepare_digit(photograph(mnist.valid_images[i].numpy(), kind, 1, random)), i))
        except ValueError: pass
    assert len(off) >= 5 and np.mean(off) < .07, off


@pytest.mark.parametrize('kind, said', [('two digits', 'more than one digit'), ('blank', 'nothing written')])
def test_what_is_not_one_digit_is_refused(kind, said):
    random = np.random.default_rng(1)
    for i in range(4):
        picture = photograph(mnist.valid_images[i].numpy(), kind, 1, random)
        with pytest.raises(ValueError, match=said) as e: prepare_digit(picture)
        assert set(e.value.steps) == {'the picture', 'what is narrow', 'without lines'}


def on_sheet(a, side=600, at=(200, 200)):
    sheet = np.full((side, side), 255, 'uint8')
    sheet[at[0]:at[0] + len(a), at[1]:at[1] + a.shape[1]] = a
    return sheet


@pytest.mark.parametrize('picture, said', [
    (on_sheet(seven[::14, ::14]), 'too small'), (seven[:, 100:], 'touches the edge'),
    (np.asarray(draw_strokes([[(140, 140)]], 60)), 'a blot'),
    (np.full((300, 300), 255, 'uint8'), 'nothing written')])
def test_a_sentence_for_each(picture, said):
    with pytest.raises(ValueError, match=said): prepare_digit(picture)


@pytest.mark.parametrize('pen', [1, 2, 4, 8, 20, 30, 40])
def test_the_pen_makes_no_difference(pen):
    "From 1 to 40 of 280 points the strokes come out about as wide, and where they were"
    x = prepare_digit(draw_strokes(example_strokes[3], pen))
    assert .5 < float(x.sum()/prepare_digit(draw_strokes(example_strokes[3], 20)).sum()) < 1.8
    assert float((x - prepare_digit(draw_strokes(example_strokes[3], 20))).abs().mean()) < .1


def test_usual_strokes_are_left_alone():
    ink = 1 - seven.astype('float32')/255
    assert even_strokes(ink) is ink
    empty = np.zeros((50, 50), 'float32')
    assert not even_strokes(empty).any()


def test_a_lying_stroke_is_no_second_digit():
    "The first stroke of a seven, before the second is drawn"
    assert prepare_digit(draw_strokes([[(75, 75), (205, 70)]])).any()


def test_the_steps_are_pictures():
    prepared, steps = prepare_digit(np.stack([seven]*3, -1), return_steps=True)
    assert torch.equal(prepared, prepare_digit(np.stack([seven]*3, -1)))
    assert [*steps] == ['the picture', 'what is narrow', 'without lines', 'one digit', 'strokes evened', 'scaled to 20',
                        'centred in 28 × 28']
    assert all(np.isfinite(o).all() and o.min() >= 0 and o.max() <= 1 for o in steps.values())


def test_ink_of_one_colour_on_paper_of_the_same_grey():
    red, green = np.array([.8, .3, .3]), np.array([.3, .555, .3])
    weights = np.array([.299, .587, .114])
    assert abs(red @ weights - green @ weights) < .01
    ink = (255 - seven.astype('float32'))[..., None]/255
    picture = (green*(1 - ink) + red*ink).astype('float32')
    assert float((prepare_digit(picture) - prepare_digit(seven)).abs().mean()) < .03


def test_mnists_own_pictures_hardly_change():
    x = torch.stack([prepare_digit(o) for o in mnist.valid_images[:1000]])
    assert float((x - mnist.valid_images[:1000]/255).abs().mean()) < .006


def test_find_ink_takes_a_step_at_the_edge_of_a_shadow_for_nothing():
    "A hard shadow without any writing"
    light = np.where(np.arange(400) < 170, .9, .5).astype('float32')
    with pytest.raises(ValueError, match='nothing written'): find_ink(np.tile(light, (300, 1)))
