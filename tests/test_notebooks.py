"The five notebooks as a reader meets them: order, outputs, size, links, and what exports from where"
import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import cells, code_cells, is_exported, lessons, markdown, outputs, root, source
from conftest import notebook_names as names

from mnist_stages.tools import testing

every_notebook = pytest.mark.parametrize('name', names)


def test_there_are_five():
    assert sorted(o.stem for o in (root/'nbs').glob('*.ipynb')) == names


@every_notebook
def test_small_and_with_outputs(name):
    assert (root/'nbs'/f'{name}.ipynb').stat().st_size < 1_500_000
    assert sum('image/png' in o.get('data', {}) for o in outputs(name)) >= 2


@every_notebook
def test_no_errors_warnings_or_progress_bars(name):
    for o in outputs(name):
        assert o['output_type'] != 'error'
        assert o.get('name') != 'stderr', o['text']
        assert '<progress' not in ''.join(o.get('data', {}).get('text/html', ''))


@every_notebook
def test_no_path_of_the_machine_that_ran_it(name):
    assert not re.search(r'/(root|home|Users|tmp)/', json.dumps(outputs(name)))


@every_notebook
def test_cells_are_short_and_explained(name):
    lengths = [sum(bool(o.strip()) for o in source(c).splitlines()) for c in code_cells(name)]
    assert max(lengths) <= 25
    assert sorted(lengths)[len(lengths)//2] <= 8


@every_notebook
def test_every_figure_drawn_by_matplotlib_has_alt_text(name):
    for c in code_cells(name):
        if any('image/png' in o.get('data', {}) for o in c['outputs']) and 'show_image' not in source(c):
            assert re.search(r'^#\| fig-alt: ".{20,}"$', source(c), flags=re.M), source(c)[:200]
    for c in cells(name): assert '![](' not in source(c)


@every_notebook
def test_links_lead_somewhere(name):
    for target in re.findall(r'\]\(([^)]+)\)', markdown(name)):
        path, _, anchor = target.partition('#')
        if path.startswith('http'): continue
        assert not path or (root/'nbs'/path).exists(), target
        if anchor:
            there = '\n'.join(source(c) for c in cells(Path(path).stem or name))
            headings = re.findall(r'^#+ (.+)$', there, flags=re.M)
            assert anchor.replace('-', ' ') in headings, target


def test_one_glossary_that_every_notebook_links_and_whose_words_stand_where_it_says():
    [glossary] = [source(c) for c in cells('00_data') if source(c).startswith('## Glossary')]
    rows = re.findall(r'^\| (.+) \| (.+) \| \[(\d\d)\]\((\w+)\.ipynb\) \|$', glossary, flags=re.M)
    assert len(rows) == glossary.count('\n|') - 2 > 40
    for term, meaning, number, name in rows:
        assert name.startswith(number) and len(meaning) > 10
        text = markdown(name).replace(glossary, '').lower()
        for word in term.lower().split(', '):
            assert re.search(rf'(?<!\w){re.escape(word)}', text), f'{word} is not in {name}'
    for name in names:
        links = '[glossary](#Glossary)', '[glossary](00_data.ipynb#Glossary)'
        assert any(o in markdown(name) for o in links), name


@every_notebook
def test_nothing_reads_outside_the_project(name):
    for c in cells(name): assert '../shared' not in source(c)


def test_the_names_that_the_field_knows():
    from mnist_stages import data, linear, manual_sgd, relu_net
    for module, exported in {
            data: 'load_mnist untar_mnist get_dls', linear: 'BasicOptim', relu_net: 'simple_net',
            manual_sgd: 'init_params mnist_loss batch_accuracy calc_grad train_epoch validate_epoch'}.items():
        assert set(exported.split()) <= set(module.__all__)


@pytest.mark.parametrize('module', lessons)
def test_every_public_function_is_documented(module):
    tree = ast.parse((root/'mnist_stages'/f'{module}.py').read_text(encoding='utf-8'))
    lines = (root/'mnist_stages'/f'{module}.py').read_text(encoding='utf-8').splitlines()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith('_'):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.FunctionDef) and not node.name.startswith('_') and node.name != 'no_progress':
            said = ast.get_docstring(node)
            for arg in node.args.args:
                assert '#' in lines[arg.lineno - 1] or f'`{arg.arg}`' in said, f'{node.name}: {arg.arg}'


@pytest.mark.parametrize('version, fresh', [((3, 10), {}), ((3, 11), {'max_tasks_per_child': 1})])
def test_nbdev_test_runs_one_notebook_at_a_time(version, fresh, monkeypatch):
    "each in a process of its own, where Python can do that"
    import nbdev.test
    from nbdev.config import get_config, import_obj
    calls = []
    monkeypatch.setattr(nbdev.test, 'parallel', lambda *args, **kwargs: calls.append((args, kwargs)))
    monkeypatch.setattr(testing, 'sys', SimpleNamespace(version_info=version))
    set_up = import_obj(get_config(root)['test_setup'])
    assert set_up is testing.nbdev_one_at_a_time
    set_up([])
    nbdev.test.parallel('f', 'files', n_workers=8, pause=.01)
    assert calls == [(('f', 'files'), {'n_workers': 1, 'pause': .01, **fresh})]


# No plumbing: a notebook holds what it teaches, and what it stands on is in tools

#: For each notebook at most so many non-blank lines of exported code, and of all code up to "What you have now"
most_lines = {'00': (100, 150), '01': (110, 190), '02': (60, 150), '03': (25, 150), '04': (230, 190)}
most_words = 3_000          # of text up to there
the_end = '## What you have now'


def lines_of_code(cell):
    "The lines of a code cell that hold code or a comment, and no directive"
    return [o for o in source(cell).splitlines() if o.strip() and not o.startswith('#|')]


def calls_of_check(function):
    "How often the body of a function calls `check.something`"
    calls = [o.func for line in function.body for o in ast.walk(line) if isinstance(o, ast.Call)]
    return sum(isinstance(o, ast.Attribute) and ast.unparse(o.value) == 'check' for o in calls)


def plumbing(cell):
    "What a code cell has that no notebook should, in words"
    code = source(cell)
    if sum(bool(o.strip()) for o in code.splitlines()) > 25: yield 'a cell of more than 25 lines'
    for o in lines_of_code(cell):
        if len(o) > 100: yield f'a line of {len(o)} characters: {o}'
    for node in ast.walk(ast.parse(code)):
        defined = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if defined and re.fullmatch(r'_(?!_.*__$).*', node.name): yield f'a private helper: {node.name}'
        if isinstance(node, ast.Raise): yield f'raise: {ast.unparse(node)}'
        if isinstance(node, ast.Name) and node.id == 'isinstance': yield 'isinstance'
        if isinstance(node, ast.FunctionDef) and is_exported(cell) and calls_of_check(node) > 1:
            yield f'more than one call of check in {node.name}'


def size(all_cells):
    "Lines of exported code, and lines of code and words of text up to the end of the main path"
    end = [i for i, c in enumerate(all_cells) if c['cell_type'] == 'markdown' and source(c).startswith(the_end)]
    main_path = all_cells[:end[0]]
    code = [c for c in all_cells if c['cell_type'] == 'code']
    return (sum(len(lines_of_code(c)) for c in code if is_exported(c)),
            sum(len(lines_of_code(c)) for c in main_path if c['cell_type'] == 'code'),
            sum(len(source(c).split()) for c in main_path if c['cell_type'] == 'markdown'))


def too_much(name, all_cells):
    "By what a notebook has grown too large, in words"
    limits = {'exported lines': most_lines[name[:2]][0], 'lines on the main path': most_lines[name[:2]][1],
              'words on the main path': most_words}
    return [f'{n} {what}, and not {most}' for n, (what, most) in zip(size(all_cells), limits.items()) if n > most]


@every_notebook
def test_no_plumbing(name):
    found = [f'{o}  in  {source(c)[:80]!r}' for c in code_cells(name) for o in plumbing(c)]
    assert not found, '\n'.join(found)


@every_notebook
def test_no_larger_than_can_be_read(name): assert too_much(name, cells(name)) == []


@every_notebook
def test_the_set_up_cell_is_the_same_everywhere(name):
    assert source(code_cells(name)[0]) == source(code_cells('00_data')[0])


def cell(text, kind='code'): return {'cell_type': kind, 'source': [text]}


@pytest.mark.parametrize('text, said', [
    ('def _f(): pass', 'private helper: _f'), ('class _A: pass', 'private helper: _A'),
    ('class A:\n    def _f(self): pass', 'private helper: _f'), ('def f():\n    def _g(): pass', 'private helper: _g'),
    ('def __f(): pass', 'private helper: __f'), ('def _(): pass', 'private helper: _'),
    ("raise ValueError('x')", 'raise'), ('def f():\n    if x: raise', 'raise'),
    ('assert isinstance(x, int)', 'isinstance'), ('f = map(partial(isinstance, x), y)', 'isinstance'),
    (f"x = '{'x'*100}'", 'characters'), (f'x = 1  # {"x"*100}', 'characters'), (f'# {"x"*100}', 'characters'),
    ('x = 1\n'*26, 'more than 25 lines'),
    ('#| export\ndef f(a, b):\n    check.images(a)\n    check.images(b)', 'one call of check in f'),
    ('#| export\n@check.explain\ndef f(a):\n    check.lr(check.whole(a=a))', 'one call of check in f'),
    ('#| export\nclass A:\n    def f(self):\n        check.lr(1)\n        for _ in check.batches(dl): pass', 'in f')])
def test_plumbing_is_noticed(text, said): assert any(said in o for o in plumbing(cell(text)))


@pytest.mark.parametrize('text', [
    'class A:\n    def __init__(self): pass', f'#| fig-alt: "{"x"*200}"\nx = 1', f"x = '{'x'*94}'", 'x = 1\n'*25,
    'for _ in range(3): pass', '#| export\n@check.explain\ndef f(a):\n    check.lr(a)\n    return a',
    '#| export\nclass A:\n    def f(self): check.lr(1)\n    def g(self): check.lr(1)', "'raise isinstance'  # raise"])
def test_what_is_no_plumbing_is_not_complained_about(text): assert not list(plumbing(cell(text)))


@pytest.mark.parametrize('name', names)
@pytest.mark.parametrize('exported, main, words', [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_a_notebook_that_is_too_large_is_noticed(name, exported, main, words):
    most_exported, most_main = most_lines[name[:2]]
    nb = [cell('#| hide\n\n' + 'x\n'*(most_main + main)), cell('word '*(most_words + words), 'markdown'),
          cell(the_end, 'markdown'), cell('a word', 'markdown'), cell('y\n'*1000),
          cell('#| export\n\n' + 'x\n'*(most_exported + exported))]
    assert len(too_much(name, nb)) == exported + main + words
