"The rooms of the package: what may import what, how a hand-written module begins, and where CHANGELOG says names went"
import ast
import importlib
import inspect
import re
import sys

import pytest
from conftest import exported, lessons, modules, package, root

tools, app = 'mnist_stages.tools', 'mnist_stages.app'
#: What each tool may import of this package; a tool that stands not here may import none
tools_may = {'': ['versions'], 'check': ['versions'], 'files': ['check'], 'pictures': ['check'], 'paper': ['check'],
             'results': ['check', 'files'], 'timing': ['check']}
#: Here an import inside a function has a reason: nothing heavy before the arguments are read, a developers' tool
may_import_late = ['mnist_stages.__main__', f'{app}.cli', f'{tools}.testing']
#: These never run before what they import was looked at: `cli` does that in a function, `grade` needs no torch
not_first_tools = [f'{app}.cli', f'{app}.grade']
by_hand = {k: v for k, v in modules.items() if v.name != '_modidx.py' and k.split('.')[-1] not in lessons}


def may(name):
    "The modules of this package that the module `name` may import"
    room, own = name.rpartition('.')[0], name.rpartition('.')[2]
    all_tools = [o for o in modules if o.startswith(tools)]
    all_lessons = [f'mnist_stages.{o}' for o in lessons]
    if name in (app, 'mnist_stages'): return []
    if name == 'mnist_stages.__main__': return [f'{app}.cli']
    if name == f'{app}.cli': return ['mnist_stages', *all_tools, *(o for o in modules if o.startswith(f'{app}.'))]
    if room == app: return all_tools + all_lessons
    if own in lessons: return all_tools + all_lessons[:lessons.index(own)]
    return [f'{tools}.{o}' for o in tools_may.get('' if name == tools else own, [])]


def targets(node, name):
    "The modules that one import statement of the module `name` imports, by their whole names"
    if isinstance(node, ast.Import): return [o.name for o in node.names]
    is_package = name in modules and modules[name].name == '__init__.py'
    parents = name.split('.') if is_package else name.split('.')[:-1]
    start = parents[:len(parents) - node.level + 1] if node.level else []
    module = '.'.join([*start, *filter(None, [node.module])])
    if module.split('.')[0] != 'mnist_stages': return [module]
    return [f'{module}.{o.name}' if f'{module}.{o.name}' in modules else module for o in node.names]


def imports(tree): return [o for o in ast.walk(tree) if isinstance(o, (ast.Import, ast.ImportFrom))]


def wrong_imports(name, code):
    "What is wrong with the imports of the module `name`, in words"
    tree = ast.parse(code)
    for node in imports(tree):
        for o in targets(node, name):
            if o.split('.')[0] == 'mnist_stages' and o not in may(name): yield f'imports {o}'
            if o.split('.')[0] == 'fastbook': yield 'imports fastbook'
    functions = [o for o in ast.walk(tree) if isinstance(o, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if name not in may_import_late and any(imports(o) for o in functions): yield 'imports inside a function'
    at_top = [o for node in tree.body if node in imports(tree) for o in targets(node, name)]
    foreign = [o for o in at_top if o.split('.')[0] not in sys.stdlib_module_names]
    heavy = [o for o in foreign if o.split('.')[0] in ('torch', 'torchvision', 'fastai')]
    in_question = not name.startswith(tools) and name not in not_first_tools
    if in_question and heavy and not foreign[0].startswith(tools): yield f'imports {foreign[0]} before tools'


def wrong_looks(code):
    "What is wrong with the looks of a hand-written module, in words"
    said = ast.get_docstring(ast.parse(code), clean=False)
    if not said: yield 'no docstring'
    elif len(said.splitlines()) > 3: yield 'a long docstring'
    for i, line in enumerate(code.splitlines(), 1):
        if len(line) > 120: yield f'line {i} is long'
        if line.startswith('# %% '): yield f'line {i} looks like an exported cell'


def test_the_rooms_are_these():
    assert list(by_hand) == [o for o in modules if o.rpartition('.')[2] not in exported]
    assert {o.parent for o in modules.values()} == {package, package/'tools', package/'app'}
    assert set(tools_may) - {''} <= {o.rpartition('.')[2] for o in modules if o.startswith(f'{tools}.')}


@pytest.mark.parametrize('name', [o for o in modules if not o.endswith('_modidx')])
def test_a_module_imports_only_what_its_room_allows_and_at_the_top(name):
    assert list(wrong_imports(name, modules[name].read_text(encoding='utf-8'))) == []


@pytest.mark.parametrize('name, code', [
    (f'{tools}.versions', 'from . import check'), (f'{tools}.check', 'from .files import load_mnist'),
    (f'{tools}.files', 'from . import results'), (f'{tools}.pictures', 'from .files import load_mnist'),
    (f'{tools}.exercises', 'from . import check'), (f'{tools}.plots', 'from . import check'),
    (f'{tools}.testing', 'from . import versions'), (f'{tools}.results', 'from .forms import to_grey'),
    (f'{tools}.new', 'from . import check'), (f'{tools}.check', 'from ..data import get_dls'),
    (f'{tools}.files', 'import mnist_stages.data'), (f'{tools}.files', 'from .. import data'),
    (f'{tools}.files', 'def f(): from mnist_stages.app import pad'), (f'{tools}.check', 'def f(): import math'),
    ('mnist_stages.data', 'from .manual_sgd import linear'), ('mnist_stages.linear', 'from .relu_net import *'),
    ('mnist_stages.resnet18', 'from .app.pad import DigitPad'), ('mnist_stages.data', 'from . import app'),
    ('mnist_stages.data', 'from mnist_stages.app import stages'), ('mnist_stages.data', 'def f():\n  import json'),
    ('mnist_stages.data', 'class A:\n  def f(self): from .tools import check'),
    ('mnist_stages.data', 'import fastbook'), ('mnist_stages.data', 'from fastbook import *'),
    (f'{app}.models', 'from .stages import run_stage'), (f'{app}.pad', 'from . import cli'),
    (f'{app}.grade', 'def f(): from ..tools import exercises'), (app, 'from . import stages'),
    ('mnist_stages', 'from .data import *'), ('mnist_stages.__main__', 'from .tools import check'),
    ('mnist_stages.data', 'import torch\nfrom .tools import check'),
    ('mnist_stages.data', 'import json\nfrom fastai.learner import Learner'),
    ('mnist_stages.linear', 'from .data import get_dls\nimport torch'),
    (f'{app}.stages', 'import numpy\nfrom ..tools import check\nimport torch')])
def test_what_the_rooms_forbid_is_noticed(name, code): assert list(wrong_imports(name, code))


@pytest.mark.parametrize('name, code', [
    (f'{tools}.results', 'from . import check\nfrom .files import write_whole\nimport torch'),
    ('mnist_stages.linear', 'import json\nfrom .tools import check\nfrom .data import get_dls\nimport torch'),
    (f'{app}.cli', 'from .. import __version__\ndef f():\n  import torch\n  from .stages import run_stage'),
    (f'{app}.pad', 'from ..tools import check\nfrom mnist_stages.resnet18 import prepare_digit\nimport torch')])
def test_what_the_rooms_allow_is_not_complained_about(name, code): assert not list(wrong_imports(name, code))


# nbdev writes mnist_stages/__init__.py, which holds the version and nothing else.
@pytest.mark.parametrize('name', [o for o in by_hand if o != 'mnist_stages'])
def test_a_hand_written_module_says_in_three_lines_what_it_holds(name):
    assert list(wrong_looks(by_hand[name].read_text(encoding='utf-8'))) == []


@pytest.mark.parametrize('code', [
    'x = 1', '"""One\n\ntwo\nthree"""', f'"One"\nx = "{"x"*120}"', '"One"\n# %% ../nbs/00_data.ipynb #1'])
def test_bad_looks_are_noticed(code): assert len(list(wrong_looks(code))) == 1


@pytest.mark.parametrize('name', exported)
def test_an_exported_module_says_that_it_is(name):
    code = (package/f'{name}.py').read_text(encoding='utf-8')
    assert 'Autogenerated by nbdev' in code if name == '_modidx' else '# AUTOGENERATED! DO NOT EDIT!' in code


def test_gitattributes_names_exactly_the_exported_files():
    lines = (root/'.gitattributes').read_text(encoding='utf-8').splitlines()
    said = [o.split()[0] for o in lines if 'linguist-generated' in o.split()[1:]]
    assert sorted(said) == sorted(f'mnist_stages/{o}.py' for o in exported)


# Where names went

def moved():
    "The rows of CHANGELOG's table: a name, the module that has it, and the lesson that still shows it or ''"
    text = (root/'CHANGELOG.md').read_text(encoding='utf-8')
    for names, _, where in re.findall(r'^\| (`.+) \| (.+) \| (`.+) \|$', text, flags=re.M):
        module, *still = re.findall(r'`([\w.]+)`', where)
        yield from ((name, module, ''.join(still)) for name in re.findall(r'`(\w+)`', names))


def test_the_table_of_what_moved_is_read_whole():
    rows = list(moved())
    assert len(rows) == len({name for name, _, _ in rows}) > 35
    assert {o for _, _, o in rows} == {'', 'data', 'resnet18'}
    assert {o for _, o, _ in rows} <= set(modules)


@pytest.mark.parametrize('name, module', [(name, module) for name, module, _ in moved()])
def test_what_moved_is_where_changelog_says(name, module):
    there = getattr(importlib.import_module(module), name)
    if inspect.isfunction(there) or inspect.isclass(there): assert there.__module__ == module


@pytest.mark.parametrize('name, module, lesson', [o for o in moved() if o[2]])
def test_what_was_in_a_lesson_is_still_importable_there(name, module, lesson):
    old, new = importlib.import_module(f'mnist_stages.{lesson}'), importlib.import_module(module)
    assert getattr(old, name) is getattr(new, name)
    assert name in old.__all__


@pytest.mark.parametrize('name', ['URLs', 'DataLoaders', 'TensorDataset'])
def test_what_data_showed_of_other_libraries_it_still_shows(name):
    data = importlib.import_module('mnist_stages.data')
    assert hasattr(data, name) and name in data.__all__
