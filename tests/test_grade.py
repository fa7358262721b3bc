"Returned notebooks are graded with the checks as they were handed out, whatever was done to them"
import csv
import json

import pytest
from conftest import root

from mnist_stages.app.grade import answer_of, main, no_verdict, original_of, split_exercises

name = '02_linear'
original = json.loads((root/'nbs'/f'{name}.ipynb').read_text(encoding='utf-8'))


def returned(answers, checks=None, ids=True):
    "The notebook as a learner gives it back: sources of the cells to fill in, and perhaps of the checks, by exercise"
    nb = json.loads(json.dumps(original))
    for number, (to_fill_in, check) in split_exercises(nb['cells']).items():
        if number in answers: to_fill_in['source'] = answers[number]
        if number in (checks or {}): check['source'] = checks[number]
    if not ids:
        for c in nb['cells']: c.pop('id', None)
    return json.dumps(nb)


@pytest.fixture(scope='module')
def marks(tmp_path_factory):
    "What becomes of a class of three: marks by the name of the file"
    folder = tmp_path_factory.mktemp('returned')
    loop = 'while True:\n    try: pass\n    except KeyboardInterrupt: pass'
    anna = {'2.1': 'weights_shape = [10, 784]', '2.2': loop, '2.3': 'sevens_first = 1/0',
            '2.4': 'def same_parameters(a, b): return True'}
    ben = returned({'2.1': 'weights_shape = [784, 10]'}, {'2.1': "print('Right!')"})
    (folder/'anna.ipynb').write_text(returned(anna), encoding='utf-8')
    (folder/'ben.ipynb').write_text(ben, encoding='utf-8')
    (folder/'carla.ipynb').write_text('no notebook', encoding='utf-8')
    status = main([str(folder), '--originals', str(root/'nbs'), '--patience', '10', '--csv', str(folder/'marks.csv')])
    with (folder/'marks.csv').open(encoding='utf-8') as f:
        rows = {o['notebook'].split('/')[-1]: o for o in csv.DictReader(f)}
    return status, rows


def test_every_answer_has_the_verdict_that_it_deserves(marks):
    anna = marks[1]['anna.ipynb']
    assert [anna[o] for o in ('2.1', '2.2', '2.3', '2.4', '2.5')] == ['right', no_verdict, no_verdict, 'wrong', 'open']
    assert anna['right'] == '1 of 5'


def test_a_check_that_was_changed_is_put_back(marks): assert marks[1]['ben.ipynb']['2.1'] == 'wrong'
def test_what_is_left_alone_is_open(marks): assert marks[1]['ben.ipynb']['2.2'] == 'open'


def test_what_is_no_notebook_is_said_and_the_rest_goes_on(marks):
    assert marks[0] == 1 and sorted(marks[1]) == ['anna.ipynb', 'ben.ipynb']


def test_a_notebook_is_known_by_its_cells_whatever_it_is_called(tmp_path):
    (tmp_path/'00_data_final_2.ipynb').write_text(returned({}), encoding='utf-8')
    assert original_of(tmp_path/'00_data_final_2.ipynb', root/'nbs').stem == name


def test_a_notebook_is_known_by_its_exercises_without_ids(tmp_path):
    (tmp_path/'x.ipynb').write_text(returned({}, ids=False), encoding='utf-8')
    assert original_of(tmp_path/'x.ipynb', root/'nbs').stem == name


def test_a_check_is_known_without_its_id():
    cells = split_exercises(json.loads(returned({'2.1': 'weights_shape = 1'}, ids=False))['cells'])
    [*_, check] = split_exercises(original['cells'])['2.1']
    assert answer_of(cells['2.1'], check) == ['weights_shape = 1']


def test_another_notebook_is_refused(tmp_path):
    (tmp_path/'x.ipynb').write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    with pytest.raises(ValueError, match='none of the notebooks'): original_of(tmp_path/'x.ipynb', root/'nbs')
    with pytest.raises(ValueError, match='there are no notebooks'): original_of(tmp_path/'x.ipynb', tmp_path/'nowhere')
