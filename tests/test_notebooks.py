"The five notebooks as a reader meets them: order, outputs, size, links, and what exports from where"
import ast
import json
import re
from pathlib import Path

import pytest
from conftest import cells, code_cells, markdown, outputs, root, source
from conftest import notebook_names as names

modules = [o.split('_', 1)[1] for o in names]


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
            headings = re.findall(r'^#+ (.+)$', '\n'.join(source(c) for c in cells(Path(path).stem or name)), flags=re.M)
            assert anchor.replace('-', ' ') in headings, target


def test_one_glossary_that_every_notebook_links_and_whose_words_stand_where_it_says():
    [glossary] = [source(c) for c in cells('00_data') if source(c).startswith('## Glossary')]
    rows = re.findall(r'^\| (.+) \| (.+) \| \[(\d\d)\]\((\w+)\.ipynb\) \|$', glossary, flags=re.M)
    assert len(rows) == glossary.count('\n|') - 2 > 40
    for term, meaning, number, name in rows:
        assert name.startswith(number) and len(meaning) > 10
        text = markdown(name).replace(glossary, '').lower()
        for word in term.lower().split(', '): assert re.search(rf'(?<!\w){re.escape(word)}', text), f'{word} is not in {name}'
    for name in names: assert '[glossary](#Glossary)' in markdown(name) or '[glossary](00_data.ipynb#Glossary)' in markdown(name), name


@every_notebook
def test_nothing_reads_outside_the_project(name):
    for c in cells(name): assert '../shared' not in source(c)


@pytest.mark.parametrize('i, module', list(enumerate(modules)))
def test_a_module_imports_only_earlier_ones_and_not_fastbook(i, module):
    tree = ast.parse((root/'mnist_stages'/f'{module}.py').read_text(encoding='utf-8'))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level: assert node.module in modules[:i], node.module
            else: assert node.module.split('.')[0] not in ('fastbook', 'mnist_stages')
        elif isinstance(node, ast.Import): assert not [o for o in node.names if o.name == 'fastbook']


def test_the_names_that_the_field_knows():
    from mnist_stages import data, linear, manual_sgd, relu_net
    for module, exported in {
            data: 'load_mnist untar_mnist get_dls', linear: 'BasicOptim', relu_net: 'simple_net',
            manual_sgd: 'init_params mnist_loss batch_accuracy calc_grad train_epoch validate_epoch'}.items():
        assert set(exported.split()) <= set(module.__all__)


@pytest.mark.parametrize('module', modules)
def test_every_public_function_is_documented(module):
    tree = ast.parse((root/'mnist_stages'/f'{module}.py').read_text(encoding='utf-8'))
    lines = (root/'mnist_stages'/f'{module}.py').read_text(encoding='utf-8').splitlines()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith('_'):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.FunctionDef) and not node.name.startswith('_') and node.name != 'no_progress':
            for arg in node.args.args: assert '#' in lines[arg.lineno - 1], f'{node.name}: {arg.arg}'


def test_nbdev_test_runs_one_notebook_at_a_time(monkeypatch):
    import nbdev.test
    from nbdev.config import get_config, import_obj
    calls = []
    monkeypatch.setattr(nbdev.test, 'parallel', lambda *args, **kwargs: calls.append((args, kwargs)))
    import_obj(get_config(root)['test_setup'])([])
    nbdev.test.parallel('f', 'files', n_workers=8, pause=.01)
    assert calls == [(('f', 'files'), {'n_workers': 1, 'max_tasks_per_child': 1, 'pause': .01})]
