"What the notebooks' figures show, read from the figures"
import matplotlib
import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from mnist_stages.app.pad import plot_answers
from mnist_stages.app.stages import stage_pixel_similarity
from mnist_stages.tools.pictures import draw_strokes, example_strokes
from mnist_stages.tools.plots import (
    blue, draw_net, draw_steps, green, orange, plot_batch_sizes, plot_confusion, plot_curves, plot_cycle,
    plot_descents, plot_differences, plot_fits, plot_losses, plot_nearer, plot_panels, plot_regions, plot_runs,
    plot_shares, plot_starts, plot_steps, plot_verdicts, plot_walks, plot_weights, plot_windows, show_answers,
    show_numbers, use_style)


@pytest.fixture(autouse=True)
def as_it_was():
    "Style and figures are everybody's"
    with matplotlib.rc_context(): yield
    plt.close('all')


def test_ink_is_dark_and_axes_have_no_box():
    use_style()
    assert plt.rcParams['image.cmap'] == 'gray_r'
    ax = plt.subplots()[1]
    assert [k for k, o in ax.spines.items() if not o.get_visible()] == ['right', 'top']


def test_every_pixel_with_ink_has_its_number():
    grid = torch.tensor([[0, 7, 250], [0, 0, 121]], dtype=torch.uint8)
    ax = show_numbers(grid)
    assert {(*o.get_position(), o.get_text(), o.get_color()) for o in ax.texts} == {
        (1, 0, '7', 'black'), (2, 0, '250', 'white'), (2, 1, '121', 'white')}
    assert ax.images[0].get_array().tolist() == grid.tolist()
    other = plt.subplots()[1]
    assert show_numbers(grid, other) is other


def test_a_dot_for_every_start():
    runs = {'first': [.95, .97], 'second': [.98]}
    ax = plot_runs(runs, {'second': orange})
    assert [(o.get_xdata().tolist(), o.get_color(), o.get_marker()) for o in ax.lines] == [
        ([95, 97], blue, 'o'), ([98], orange, 's')]
    assert [o.get_text() for o in ax.get_yticklabels()] == ['first', 'second']
    assert plot_runs({'third': [1.]}, {'third': green}, ax) is ax and ax.lines[-1].get_marker() == '^'


@pytest.mark.parametrize('limit, drawn', [(None, [2, 8]), (4, [4, 4])])
def test_weights_go_from_red_to_blue_around_zero(limit, drawn):
    panels = {'a': torch.tensor([1., -2., 0, 0]), 'b': torch.tensor([[8.], [0], [0], [0]], requires_grad=True)}
    fig = plot_weights(panels, limit, shape=(2, 2))
    pictures = [ax.images[0] for ax in fig.axes]
    assert [o.get_clim() for o in pictures] == [(-o, o) for o in drawn]
    assert [ax.get_title() for ax in fig.axes] == ['a', 'b']
    red, blue = pictures[0].cmap(0.), pictures[0].cmap(1.)
    assert red[0] > red[2] and blue[2] > blue[0]
    assert [ax.axison for ax in plot_weights(dict(zip('abc', [torch.ones(4)]*3)), 1, (2, 2), nrows=2).axes] == [False]*4


def test_regions_of_a_plane():
    torch.manual_seed(1)
    points, targets = torch.rand(20, 2), torch.arange(20)[:, None] % 2
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    fig = plot_regions({'line': nn.Linear(2, 1), 'net': net}, points, targets, bends='net')
    line, bent = fig.axes
    assert [line.get_title(), bent.get_title()] == ['line', 'net']
    dots = [o for o in line.collections if hasattr(o, 'get_sizes') and len(o.get_offsets()) == 10]
    assert len(dots) == 2
    assert len(bent.collections) == len(line.collections) + 3       # one thin line for each hidden unit


def test_answers_beside_the_pictures_that_they_are_about():
    seven = draw_strokes(example_strokes[7])
    [drawn, prepared, bars] = plot_answers([seven], [stage_pixel_similarity()]).axes
    assert drawn.images[0].get_array().shape == (280, 280) and prepared.images[0].get_array().shape == (28, 28)
    assert [o.get_text() for o in bars.texts] == ['7'] and len(bars.patches) == 1       # stage 0 has no confidence
    assert [o.get_text() for o in bars.get_yticklabels()] == ['0 nearest mean']


def said(ax):
    "The words on some axes"
    return [o.get_text() for o in ax.texts]


def lines(ax):
    "For each curve its label and its points"
    return {o.get_label(): [(round(float(x), 6), round(float(y), 6)) for x, y in zip(*o.get_data())] for o in ax.lines}


def test_differences_are_worked_out_pixel_by_pixel():
    fig = plot_differences(torch.tensor([[1., 0], [0, 0]]), {'other': torch.tensor([[.5, 0], [0, .5]])})
    assert [ax.get_title() for ax in fig.axes] == [
        'the picture', 'other', 'absolute difference\nL1 = 0.250', 'squared difference\nL2 = 0.354']
    assert fig.axes[2].images[0].get_array().tolist() == [[.5, 0], [0, .5]]
    assert fig.axes[3].images[0].get_array().tolist() == [[.25, 0], [0, .25]]


def test_above_the_diagonal_is_nearer_to_the_first():
    panels = {'L1': (torch.tensor([1., 2.]), torch.tensor([3., 1.]))}
    [ax] = plot_nearer(panels, torch.tensor([True, False]), ('three', 'seven')).axes
    assert [(o.get_label(), o.get_offsets().tolist()) for o in ax.collections] == [
        ('a three', [[1, 3]]), ('a seven', [[2, 1]])]
    assert lines(ax) == {'_child2': [(1, 1), (3, 3)]}
    assert ax.get_xlabel() == 'distance from the mean three'


def test_a_graph_says_data_gradient_and_slope():
    x = torch.tensor(3., requires_grad=True)
    w = torch.tensor(5., requires_grad=True)
    y = x*w
    ax = draw_steps([{'x': x, 'w': w}, {'y': y}])
    assert {'x\ndata 3\ngrad 5', 'w\ndata 5\ngrad 3', 'y\ndata 15\ngrad 1', '× 5', '× 3'} < set(said(ax))


def test_every_step_of_a_descent():
    fig = plot_descents(lambda x: x**2, {.1: [3., 2.4], 1.: [3., -3.]}, ['slow', 'there and back'])
    assert [ax.get_title() for ax in fig.axes] == ['lr 0.1: slow', 'lr 1.0: there and back']
    _, path, start = fig.axes[1].lines
    assert [*path.get_xdata()] == [3, -3] and [*path.get_ydata()] == [9, 9]
    assert [*map(float, start.get_xdata()), *map(float, start.get_ydata())] == [3, 9]


def test_fits_beside_their_loss():
    fig = plot_fits([0, 1], [1., 2.], {'first': [0., 0.], 'last': [1., 2.]}, [5., 1.])
    first, last, loss = fig.axes
    assert [ax.get_title() for ax in fig.axes] == ['first', 'last', 'loss']
    assert [*last.lines[0].get_ydata()] == [1, 2] and [*loss.lines[0].get_ydata()] == [5, 1]
    assert loss.get_yscale() == 'log' and first.collections[0].get_offsets().tolist() == [[0, 1], [1, 2]]


def test_wrong_answers_stand_out():
    probs, targets = torch.tensor([[.9], [.8], [.3]]), torch.tensor([[1], [0], [0]])
    axs = show_answers(torch.rand(3, 784), probs, targets).axes
    assert len(show_answers(torch.rand(1, 784), probs[:1], targets[:1]).axes) == 1
    assert [ax.get_title() for ax in axs] == ['three\n90.0%', 'is 7, says 3\n80.0%', 'seven\n70.0%']
    assert [ax.title.get_weight() for ax in axs] == ['normal', 'bold', 'normal']


def test_losses_begin_at_epoch_one():
    ax = plot_losses({'training': [.5, .25], 'held out': [.5, .375]})
    assert lines(ax) == {'training': [(1, .5), (2, .25)], 'held out': [(1, .5), (2, .375)]}
    assert plot_losses({'a': [1.]}, ax) is ax and ax.get_ylim()[0] == 0


def test_a_line_for_every_start():
    ax = plot_starts({'one': [[1, 2], [3, 4]], 'two': [[5, 6]]}, ylabel='accuracy')
    assert [(o.get_color(), [*o.get_xdata()], [*o.get_ydata()]) for o in ax.lines] == [
        (blue, [1, 2], [1, 2]), (blue, [1, 2], [3, 4]), (orange, [1, 2], [5, 6])]
    assert [o.get_text() for o in ax.get_legend().get_texts()] == ['one', 'two'] and ax.get_ylabel() == 'accuracy'
    assert plot_starts({'three': [[7]]}, {'three': [[.5]]}, ax) is ax and [*ax.lines[-1].get_xdata()] == [.5]


def test_batch_sizes_by_epochs_and_by_seconds():
    logs = [pd.DataFrame(dict(accuracy=a, seconds=s)) for a, s in (([.5, .75], [1, 2]), ([.25, .5], [3, 4]))]
    by_epochs, by_seconds = plot_batch_sizes({'all at once': logs}).axes
    assert [([*o.get_xdata()], [*o.get_ydata()]) for o in by_epochs.lines] == [([1, 2], [50, 75]), ([1, 2], [25, 50])]
    assert [([*o.get_xdata()], [*o.get_ydata()]) for o in by_seconds.lines] == [([1, 2], [50, 75]), ([3, 4], [25, 50])]
    assert by_seconds.get_xscale() == 'log'


def test_two_parameters_on_a_map():
    def loss(a, b): return a**2 + b**2
    [ax] = plot_walks(loss, {'a walk': torch.tensor([[2., 1.], [1., .5]])}, (0, 0), [1, 4]).axes
    assert lines(ax) == {'_child1': [(2, 1), (1, .5)], '_child2': [(0, 0)]} and ax.get_title() == 'a walk'


def test_curves_with_shade_and_note():
    ax = plot_curves({'a': [1, 2], 'b': [3, 4]}, shade=[(1, 1.5)], note='here', xlabel='epoch')
    assert lines(ax) == {'a': [(1, 1), (2, 2)], 'b': [(1, 3), (2, 4)]} and said(ax) == ['here']
    assert ax.get_xlabel() == 'epoch' and len(ax.patches) == 1
    assert plot_curves({'c': [5, 6]}, [0, 10], ax) is ax and lines(ax)['c'] == [(0, 5), (10, 6)]


def test_panels_with_places_of_their_own():
    one, two = plot_panels({'one': {'_': [1, 2]}, 'two': {'a': ([5, 6], [3, 4]), 'b': [7, 8]}}, [0, 1], 'steps')
    assert [(x, y) for x, y in zip(*one.lines[0].get_data())] == [(0, 1), (1, 2)] and one.get_legend() is None
    assert lines(two) == {'a': [(5, 3), (6, 4)], 'b': [(0, 7), (1, 8)]}
    assert [o.get_text() for o in two.get_legend().get_texts()] == ['a', 'b'] and two.get_xlabel() == 'steps'
    assert len(plot_panels({'many': dict.fromkeys('abcdef', [0, 1])}, [0, 1])[0].lines) == 6


def test_a_net_has_its_numbers_and_slopes():
    x, A, B = torch.tensor([[2., 1.]]), torch.tensor([[1., 1.], [-1., -3.]]), torch.tensor([[1.], [2.]])
    z, h, preds = torch.tensor([[1., -1.]]), torch.tensor([[1., 0.]]), torch.tensor([[.125]])
    none, d = torch.zeros_like, torch.tensor([[-.25]])
    words = said(draw_net((x, A, z, h, B, preds), (None, none(A) + .5, none(z), none(h), none(B), d)))
    assert {'prediction\n 0.125', 'slope -0.25', '× -3', 'slope 0.5', 'ReLU'} < set(words)
    assert words.count('slope 0.5') == 4 and words.count('ReLU') == 2


def test_mistakes_are_counted_and_right_answers_left_out():
    ax = plot_confusion(torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 0, 0]), 3)
    assert {(*o.get_position(), o.get_text()) for o in ax.texts} == {(1, 0, '1'), (0, 2, '2')}
    assert ax.images[0].get_array().tolist() == [[0, 1, 0], [0, 0, 0], [2, 0, 0]]
    assert ax.get_ylabel() == 'it is'


def test_a_cycle_and_what_it_did():
    left, right = plot_cycle([0, 128], [.1, .5], [.01, .1]).axes
    assert lines(left) == {'_child0': [(0, 10), (128, 50)]} and list(right.lines[0].get_ydata()) == [.01, .1]


def test_a_bar_for_each_share():
    ax = plot_shares({'MNIST': [1., .5], 'others': [.75, .25]})
    assert [round(o.get_height(), 6) for o in ax.patches] == [100, 50, 75, 25]
    assert [o.get_text() for o in ax.get_legend().get_texts()] == ['MNIST', 'others']


def test_windows_and_padding():
    two, one = plot_windows([2, 1]).axes
    assert [o for o in said(two)].count('pixel') == 4 and said(two).count('0') == 12
    assert said(one).count('pixel') == 1 and said(one).count('0') == 8
    assert round(two.patches[0].get_width()) == 3


def test_steps_and_a_mark():
    fig = plot_steps({'a': torch.zeros(3, 3), 'b': torch.ones(4, 4)}, (1, 2))
    assert [ax.get_title() for ax in fig.axes] == ['a', 'b']
    assert lines(fig.axes[1]) == {'_child1': [(1, 2)]} and not fig.axes[0].lines


def test_verdicts_are_coloured_by_what_is_right():
    probs = torch.zeros(2, 1, 10)
    probs[0, 0, 3], probs[1, 0, 7] = .75, 1
    picture, below = plot_verdicts(torch.rand(1, 28, 28), torch.tensor([3]), probs, ['net', 'other']).axes
    assert picture.get_title() == 'a 3' and said(below) == ['3  75%', '7  100%']
    assert below.images[0].get_array().tolist() == [[1], [0]]
    assert [o.get_text() for o in below.get_yticklabels()] == ['net', 'other']
