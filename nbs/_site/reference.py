"""The library's reference: a page per module, made from signatures, docments and docstrings.

Each entry of a lesson leads to the cell of the notebook that explains it.
"""
import ast
import importlib
import inspect
import json
import re
from dataclasses import is_dataclass
from functools import lru_cache

from fastcore.docments import docments
from pages import notebooks, read_settings, root

rooms = {'lessons': ('The lessons', 'Exported from the notebooks: what these teach, nothing else.'),
         'tools': ('The tools', 'What the lessons stand on, one subject a module.'),
         'app': ('The application', 'What is built from the lessons.')}


def modules():
    "Each room with the names of its modules"
    package, lessons = root/'mnist_stages', [o.split('_', 1)[1] for o in notebooks]
    found = {'lessons': [f'mnist_stages.{o}' for o in lessons]}
    for room in 'tools', 'app':
        files = sorted(o.stem for o in (package/room).glob('*.py') if not o.stem.startswith('_'))
        found[room] = [f'mnist_stages.{room}.{o}' for o in files]
    return found


@lru_cache(None)
def _cells():
    "The code cells of all notebooks, in order: notebook, id and source"
    return [(name, c['id'], ''.join(c['source'])) for name in notebooks
            for c in json.loads((root/'nbs'/f'{name}.ipynb').read_text(encoding='utf-8'))['cells']
            if c['cell_type'] == 'code']


@lru_cache(None)
def _title(notebook):
    "What a notebook is called in its first line, such as '04 · ResNet18'"
    first = json.loads((root/'nbs'/f'{notebook}.ipynb').read_text(encoding='utf-8'))['cells'][0]
    return ''.join(first['source']).splitlines()[0].removeprefix('# ').partition(':')[0]


def _explained(name, module):
    "The notebook and the cell that define `name` of a lesson's module; nothing for other modules"
    defined = re.compile(rf'^(?:def|class) {name}\b|^{name}(?:, \w+)* = ', flags=re.M)
    for notebook, id, source in _cells():
        own = module == f'mnist_stages.{notebook.split("_", 1)[1]}'
        if own and '#| export' in source and defined.search(source): return notebook, id


def _described(node, source):
    "What `#:` above an assignment says"
    lines, i = source.splitlines(), node.lineno - 2
    said = []
    while i >= 0 and lines[i].startswith('#:'):
        said.insert(0, lines[i][2:].strip())
        i -= 1
    return ' '.join(said)


def _public(tree, source):
    "Functions, classes and described constants of a module: name, syntax tree and description"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith('_'):
            yield node.name, node, ast.get_docstring(node) or ''
        elif isinstance(node, ast.Assign) and (said := _described(node, source)):
            names = node.targets[0]
            names = names.elts if isinstance(names, ast.Tuple) else [names]
            yield ', '.join(o.id for o in names), node, said


def _arguments(node):
    "The arguments as they are written in a call, without types"
    a = node.args
    given = [None]*(len(a.posonlyargs + a.args) - len(a.defaults)) + a.defaults
    parts = [o.arg if d is None else f'{o.arg}={ast.unparse(d)}' for o, d in zip(a.posonlyargs + a.args, given)]
    if a.posonlyargs: parts.insert(len(a.posonlyargs), '/')
    if a.vararg: parts.append(f'*{a.vararg.arg}')
    elif a.kwonlyargs: parts.append('*')
    parts += [o.arg if d is None else f'{o.arg}={ast.unparse(d)}' for o, d in zip(a.kwonlyargs, a.kw_defaults)]
    if a.kwarg: parts.append(f'**{a.kwarg.arg}')
    return ', '.join(o for o in parts if o != 'self')


def _cell(text): return re.sub(r'\s+', ' ', text).replace('|', '\\|').strip()


def _type(anno):
    if anno is inspect.Parameter.empty: return ''
    return f'`{getattr(anno, "__name__", str(anno))}`'


def _parameters(f):
    "A table of a function's parameters with their comments, and what it returns"
    try: said = docments(f, full=True)
    except (TypeError, ValueError, OSError): return ''      # made by another library, such as a named tuple
    rows, returns = [], ''
    for name, o in said.items():
        if name == 'self': continue
        if name == 'return':
            if o['docment']: returns = f'Returns {_cell(o["docment"])}.'
            continue
        if not o['docment'] and _type(o['anno']) == '': continue
        rows.append(f'| `{name}` | {_cell(_type(o["anno"]))} | {_cell(o["docment"] or "")} |')
    head = ['| parameter | type | what it is |', '|---|---|---|']
    if not any(o['docment'] for k, o in said.items() if k != 'return'):      # nothing is said of any
        head, rows = ['| parameter | type |', '|---|---|'], [o.removesuffix('  |') + '|' for o in rows]
    table = '\n'.join([*head, *rows]) if rows else ''
    return '\n\n'.join(filter(None, [table, returns]))


def _code(text): return f'```{{code-block}} python\n{text}\n```'


def _signature(name, node):
    if isinstance(node, ast.FunctionDef): return f'{name}({_arguments(node)})'
    if isinstance(node, ast.Assign): return ast.unparse(node) if len(ast.unparse(node)) < 300 else name
    init = [o for o in node.body if isinstance(o, ast.FunctionDef) and o.name == '__init__']
    if init: return f'class {name}({_arguments(init[0])})'
    fields = [o.target.id for o in node.body if isinstance(o, ast.AnnAssign)]
    return f'class {name}({", ".join(fields)})'


def _entry(name, node, said, module, path):
    "The Markdown of one entry"
    parts = [f'({module.__name__}.{name})=\n## {", ".join(f"`{o}`" for o in name.split(", "))}',
             _code(_signature(name, node)), said]
    found = getattr(module, name, None)
    if isinstance(node, ast.FunctionDef): parts.append(_parameters(inspect.unwrap(found)))
    if isinstance(node, ast.ClassDef):
        if is_dataclass(found): parts.append(_parameters(found))
        elif '__init__' in vars(found): parts.append(_parameters(found.__init__))
        for o in node.body:
            if isinstance(o, ast.FunctionDef) and not o.name.startswith('_') and ast.get_docstring(o):
                parts += [_code(f'{name}.{o.name}({_arguments(o)})'), ast.get_docstring(o),
                          _parameters(getattr(found, o.name))]
    links = []
    if where := _explained(name.split(', ')[0], module.__name__):
        notebook, id = where
        links.append(f'[Explained in {_title(notebook)}](#cell-{id})')
    home = read_settings()['repository']
    links.append(f'[source]({home}/blob/main/{path}#L{node.lineno})')
    return '\n\n'.join(filter(None, [*parts, ' · '.join(links)]))


def module_page(
    name, # Of a module, such as 'mnist_stages.data'
): # Its page in Markdown
    "The reference of one module. Its entries are what it defines in public, in its own order."
    path = f'{name.replace(".", "/")}.py'
    source = (root/path).read_text(encoding='utf-8')
    tree, module = ast.parse(source), importlib.import_module(name)
    head = f'# `{name}`\n\n{ast.get_docstring(tree)}'
    lesson = name.rpartition('.')[2]
    own = next((o for o in notebooks if o.split('_', 1)[1] == lesson), None)
    if own and name.count('.') == 1: head += f'\n\nExported from notebook [{_title(own)}](/{own}.md).'
    return '\n\n'.join([head, *(_entry(*o, module, path) for o in _public(tree, source))])


def index_page():
    "The page above those of the modules"
    begin = 'Every public function with its parameters, and for the lessons the cell of a notebook that explains it.'
    parts = ['# The library', begin]
    for room, names in modules().items():
        title, said = rooms[room]
        rows = []
        for o in names:
            docstring = ast.get_docstring(ast.parse((root/f'{o.replace(".", "/")}.py').read_text(encoding='utf-8')))
            rows.append(f'| [`{o}`](/reference/{o}.md) | {_cell(docstring)} |')
        parts.append(f'## {title}\n\n{said}\n\n| module | what it holds |\n|---|---|\n' + '\n'.join(rows))
    listed = '\n'.join(f'{o} <{o}>' for names in modules().values() for o in names)
    parts.append(f'```{{toctree}}\n:hidden:\n\n{listed}\n```')
    return '\n\n'.join(parts)
