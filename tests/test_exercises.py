"""Every exercise of the notebooks: untouched it says so, its solution is right, and a wrong answer gets a hint.

The format, for every notebook: a section `## Exercises` with three to five exercises. Each is a markdown cell that
begins with `### Exercise 0.1: title` (number of the notebook, number of the exercise), a code cell with `...` to fill
in, and a code cell with the check. The last section is `## Solutions`; there stands, for each exercise,
`<details><summary>Exercise 0.1</summary>`, a block of Python that goes in place of the cell with `...`, a sentence that
says why, and `</details>`. Exercise and check need nothing of the notebook but its code cells before the first `##` and
what its own module exports.
"""
import io
import itertools
import re
from contextlib import redirect_stdout
from functools import cache, partial
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from conftest import cells, notebook_names, root, source

from mnist_stages.tools.exercises import check_function, check_value

matplotlib.use('agg')

# For each exercise, at least one answer that is wrong in a way that somebody may really be wrong.
wrong = {
    '0.1': [
        'halves_shape = [50, 28, 14]', 'halves_shape = [50, 14]', 'halves_shape = 19600', 'halves_shape = None',
        "halves_shape = 'lower half'"],
    '0.2': [
        'batches_and_last = [24, 396]', 'batches_and_last = 25', 'batches_and_last = [24.792, 500]',
        'batches_and_last = ()'],
    '0.3': [
        'def ink(images): return images.mean()', 'def ink(images): return images.sum((1, 2))',
        'def ink(images): return images.mean(0)', 'def ink(images): images.mean((1, 2))',
        'def ink(images): return images.means((1, 2))'],
    '0.4': [
        'def accuracy(preds, labels): return (preds == labels).float().mean()',
        'def accuracy(preds, labels): return (preds != labels).float().mean()',
        'def accuracy(preds, labels): return (preds == labels.squeeze(1)).float().mean()'],
    '0.5': [
        'def distances(images, means): return (images - means).abs().mean((-1, -2))',
        'def distances(images, means): return (images - means[:, None]).abs().mean((-1, -2))',
        'def distances(images, means): return ((images[:, None] - means)**2).mean((-1, -2)).sqrt()'],
    '1.1': ["loop_order = 'BEADCF'", "loop_order = 'EABDFC'", "loop_order = 'beadfc '", "loop_order = list('BEADFC')"],
    '1.2': ['slope_at_1 = 30', 'slope_at_1 = 10', "slope_at_1 = '34'"],
    '1.3': [
        'def steepness(f, x): return f(x + .001) - f(x)', 'def steepness(f, x): return (f(x + 1) - f(x))/1',
        'def steepness(f, x): return 2*x', 'def steepness(f, x, h=0): return (f(x + h) - f(x))/h'],
    '1.4': [
        'def squared_loss(predictions, targets): return ((predictions - targets)**2).mean()',
        'def squared_loss(predictions, targets): return (predictions.sigmoid() - targets).abs().mean()',
        'def squared_loss(predictions, targets): return ((predictions.sigmoid() - targets)**2).sum()',
        'def squared_loss(predictions, targets): return (predictions.sigmoid() - targets).mean()**2'],
    '1.5': [
        '''def minimise(f, start, lr, steps):
    x = start.clone().requires_grad_()
    for _ in range(steps):
        f(x).backward()
        x.data -= lr*x.grad
    return x.detach()''',
        '''def minimise(f, start, lr, steps):
    x = start.clone().requires_grad_()
    for _ in range(steps):
        f(x).backward()
        x.data += lr*x.grad
        x.grad.zero_()
    return x.detach()''',
        '''def minimise(f, start, lr, steps):
    x = start.clone().requires_grad_()
    for _ in range(steps):
        x.data -= lr*x.grad
    return x'''],
    '2.1': ['weights_shape = [784, 10]', 'weights_shape = 7840', 'weights_shape = [1, 784]'],
    '2.2': ['losses_and_steps = [194, 194]', 'losses_and_steps = [225, 193]', 'losses_and_steps = [194, 226]',
            'losses_and_steps = 226'],
    '2.3': ['sevens_first = 1010/2038', 'sevens_first = .97', 'sevens_first = .5'],
    '2.4': [
        'def same_parameters(a, b): return a is b',
        'def same_parameters(a, b): return a.parameters() == b.parameters()',
        'def same_parameters(a, b): return torch.equal(a.weight, b.weight)', 'def same_parameters(a, b): return True',
        'def same_parameters(a, b): return all(torch.allclose(p, q, atol=1e-5) for p, q in '
        'zip(a.parameters(), b.parameters()))'],
    '2.5': [
        '''def momentum_step(params, velocities, lr, mom):
    for p, v in zip(params, velocities):
        v = mom*v + p.grad
        p.data -= lr*v
    return params''',
        '''def momentum_step(params, velocities, lr, mom):
    for p, v in zip(params, velocities):
        v.mul_(mom).add_((1 - mom)*p.grad)
        p.data -= lr*v
    return params''',
        '''def momentum_step(params, velocities, lr, mom):
    for p, v in zip(params, velocities):
        p.data -= lr*v
        v.mul_(mom).add_(p.grad)
    return params''',
        '''def momentum_step(params, velocities, lr, mom):
    for p in params: p.data -= lr*p.grad
    return params''',
        '''def momentum_step(params, velocities, lr, mom):
    for p, v in zip(params, velocities):
        v.mul_(mom).add_(p.grad)
        p -= lr*v
    return params'''],
    '3.1': ['two_slopes = [.9, .9]', 'two_slopes = [.9, .09]', 'two_slopes = [-.09, -.9]', 'two_slopes = .09'],
    '3.2': ['n_parameters = 784*100 + 100*10', 'n_parameters = 25153', 'n_parameters = 784*100 + 100'],
    '3.3': [
        'def my_relu(x): return max(x, 0)', 'def my_relu(x): return x.abs()', 'def my_relu(x): return x[x > 0]',
        'def my_relu(x): return (x > 0).float()',
        '''def my_relu(x):
    x[x < 0] = 0'''],
    '3.4': [
        'def slope_of_w(x, w, b, v): return v*x', 'def slope_of_w(x, w, b, v): return v if w*x + b > 0 else 0.',
        'def slope_of_w(x, w, b, v): return w*v if w*x + b > 0 else 0.',
        'def slope_of_w(x, w, b, v): return v*max(w*x + b, 0.)'],
    '3.5': [
        'def xor_parameters(): return torch.ones(2, 2), torch.zeros(2), torch.ones(2, 1), torch.zeros(1)',
        'def xor_parameters(): return torch.eye(2), torch.zeros(2), torch.ones(2, 1), torch.zeros(1)',
        'def xor_parameters(): return torch.ones(2, 2), torch.zeros(2), torch.ones(2), torch.zeros(1)',
        'def xor_parameters(): return None', 'def xor_parameters(): return 1, 2, 3, 4'],
    '4.1': [
        'shape_after_conv1 = [128, 64, 22, 22]', 'shape_after_conv1 = [128, 64, 14, 14]',
        'shape_after_conv1 = [64, 14, 14]'],
    '4.2': [
        'def my_softmax(z): return z.exp()/z.exp().sum()', 'def my_softmax(z): return z.exp()/z.exp().sum(0)',
        'def my_softmax(z): return z.sigmoid()', 'def my_softmax(z): return z/z.sum(1, keepdim=True)'],
    '4.3': [
        'def my_cross_entropy(z, targets): return z.log_softmax(1)[torch.arange(len(z)), targets].mean()',
        'def my_cross_entropy(z, targets): return -z.log_softmax(1)[:, targets].mean()',
        'def my_cross_entropy(z, targets): return -z.softmax(1)[torch.arange(len(z)), targets].mean()',
        'def my_cross_entropy(z, targets): return -z.log_softmax(1)[torch.arange(len(z)), targets].sum()'],
    '4.4': ['n_used = 4', 'n_used = 25', 'n_used = 3'],
    '4.5': [
        'def residual_block(x, conv1, conv2): return conv2(F.relu(conv1(x))) + x',
        'def residual_block(x, conv1, conv2): return F.relu(conv2(F.relu(conv1(x)))) + x',
        'def residual_block(x, conv1, conv2): return F.relu(conv2(conv1(x)) + x)',
        'def residual_block(x, conv1, conv2): return F.relu(conv2(F.relu(conv1(x))))'],
}


def heading(cell):
    "The first line of a markdown cell if it is a heading, or ''"
    first = source(cell).split('\n')[0]
    return first if cell['cell_type'] == 'markdown' and first.startswith('#') else ''


@cache
def sections(name):
    "The cells of each section of the notebook `name`, by the section's title; those before the first are under ''"
    found, title = {'': []}, ''
    for c in cells(name):
        if heading(c).startswith('## '): title = heading(c)[3:].strip()
        found.setdefault(title, []).append(c)
    return found


@cache
def exercises(name):
    "The exercises of the notebook `name`: number, then the cells up to the next exercise"
    found = {}
    for c in sections(name).get('Exercises', []):
        number = re.match(r'### Exercise (\d\.\d): \S', heading(c))
        if number:
            assert number[1] not in found
            found[number[1]] = [c]
        elif found: [*found.values()][-1].append(c)
    return found


@cache
def solutions(name):
    "The code and the explanation of each solution, by the number of its exercise"
    text = '\n\n'.join(source(c) for c in sections(name).get('Solutions', []))
    form = r'^<details><summary>Exercise (\d\.\d)</summary>\n\n```python\n(.+?)\n```\n\n(.+?)\n\n</details>$'
    found = re.findall(form, text, flags=re.M | re.S)
    assert len(found) == text.count('<details>') == len({number for number, _, _ in found})
    return {number: (code, why) for number, code, why in found}


@cache
def names_to_start_with(name):
    "What exercises may use: the code before the first section and the first exercise, and what the module exports"
    names = {'__name__': name}
    lead_in = itertools.takewhile(lambda c: not heading(c).startswith('### Exercise'), sections(name)['Exercises'])
    for c in [*sections(name)[''], *lead_in]:
        if c['cell_type'] == 'code': exec(source(c), names)
    exec(f"from mnist_stages.{name.split('_', 1)[1]} import *", names)
    return names


def told(name, answer, check):
    "What the check prints for an answer"
    names = dict(names_to_start_with(name))
    with redirect_stdout(io.StringIO()) as out:
        exec(answer, names)
        exec(check, names)
    matplotlib.pyplot.close('all')
    return out.getvalue()


every_notebook = pytest.mark.parametrize('name', notebook_names)
every_exercise = pytest.mark.parametrize('name, number', [
    pytest.param(name, number, id=f'{name} {number}') for name in notebook_names for number in exercises(name)])


@pytest.fixture(autouse=True)
def in_the_notebooks_folder(monkeypatch): monkeypatch.chdir(root/'nbs')


@every_notebook
def test_sections_come_in_the_same_order_everywhere(name):
    titles = [*sections(name)]
    glossary = ['Glossary'] if name == '00_data' else []
    ending = ['What you have now', 'Exercises', 'Going further', *glossary, 'Solutions']
    assert [o for o in titles if o in ending] == ending
    assert titles[-1] == 'Solutions' and all(c['cell_type'] == 'markdown' for c in sections(name)['Solutions'])


@every_notebook
def test_a_quiz_of_four_to_seven_questions(name):
    [quiz] = [source(c) for o in sections(name).values() for c in o if heading(c) == '### Quiz']
    folded = re.findall(r'^<details><summary>(.+?)</summary>\n\n(.+?)\n\n</details>$', quiz, flags=re.M | re.S)
    assert 4 <= len(folded) <= 7 and len(folded) == quiz.count('<details>')


@every_notebook
def test_three_to_five_exercises_each_with_cell_check_and_solution(name):
    found = exercises(name)
    assert [*found] == [f'{int(name[:2])}.{i}' for i in range(1, len(found) + 1)] and 3 <= len(found) <= 5
    for number, own in found.items():
        assert [c['cell_type'] for c in own] == ['markdown', 'code', 'code'], number
        lead_in, to_fill_in, check = map(source, own)
        assert len(lead_in.split('\n', 1)[1].strip()) > 20, number
        assert '...' in to_fill_in and 'check_' not in to_fill_in, number
        assert len(re.findall(r'^check_(?:value|function)\(', check, flags=re.M)) == 1, number
    assert [*solutions(name)] == [*found]
    for code, why in solutions(name).values(): assert len(why) > 20


@every_exercise
def test_untouched_it_says_so(name, number):
    _, to_fill_in, check = exercises(name)[number]
    printed = told(name, source(to_fill_in), source(check))
    assert printed.startswith('Not filled in yet: ') and printed.count('\n') == 1
    assert ''.join(''.join(o.get('text', '')) for o in check['outputs']) == printed
    assert to_fill_in['outputs'] == []


@every_exercise
def test_its_solution_is_right(name, number):
    _, to_fill_in, check = exercises(name)[number]
    assert told(name, solutions(name)[number][0], source(check)) == 'Right!\n'


@every_exercise
def test_a_wrong_answer_gets_a_hint(name, number):
    assert wrong.get(number), f'list wrong answers to exercise {number} at the top of {Path(__file__).name}'
    for answer in wrong[number]:
        printed = told(name, answer, source(exercises(name)[number][2]))
        assert re.fullmatch(r'Not yet: .+ Hint: \S.{9,}\n', printed), (answer, printed)


def test_no_wrong_answer_is_left_over():
    assert set(wrong) <= {number for name in notebook_names for number in exercises(name)}


class Awkward:
    def __repr__(self): raise RuntimeError('no words')
    def __eq__(self, other): raise RuntimeError('no comparison')


@pytest.mark.parametrize('expected', [3, 2.5, [50, 784], 'seven', True])
def test_the_checks_never_raise_and_never_call_nonsense_right(expected):
    odd = [None, '', 'three', b'3', {}, {3}, {'a': 3}, [[1], [2, 3]], [None], [], (), object(), Awkward(), [Awkward()],
           print, int, float('nan'), 1j, 10**400, torch.tensor(7), torch.zeros(0),
           torch.zeros(3, 3, requires_grad=True), torch.zeros(2, 2, dtype=torch.complex64), np.array(['a']),
           np.array([None]), NotImplemented, range(3), slice(3)]
    hint, tensor = 'Read it again.', torch.tensor(expected) if isinstance(expected, list) else expected
    for answer in odd:
        checks = [partial(check_value, answer, tensor, hint),
                  partial(check_function, lambda x, answer=answer: answer, ((1,), expected, hint))]
        for check in checks:
            with redirect_stdout(io.StringIO()) as out: check()
            said = 'Awkward' if isinstance(answer, Awkward) else answer
            assert re.fullmatch(r'Not yet: .+ Hint: Read it again\.\n', out.getvalue()), (said, out.getvalue())


def test_a_function_that_changes_what_it_is_given_does_not_spoil_the_next_case(capsys):
    x = torch.ones(2)
    def double(x): return x.mul_(2)
    check_function(double, ((x,), torch.full((2,), 2.), 'Double.'), ((x,), torch.full((2,), 2.), 'Double.'))
    assert capsys.readouterr().out == 'Right!\n' and x.tolist() == [1, 1]
