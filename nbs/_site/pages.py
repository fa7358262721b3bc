"""The pages that are read: notebooks with their committed outputs, README and the like, as Markdown for MyST.

Nothing is executed. Links between files of the repository become links between pages.
"""
import base64
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent/'tests'))
from checkout import notebook_names as notebooks
from checkout import read_settings, root

#: Files that become pages, by their paths in the repository
pages = {'README.md': 'readme', 'CHANGELOG.md': 'changelog', 'CONTRIBUTING.md': 'contributing',
         'tests/photographs.md': 'photographs', **{f'nbs/{o}.ipynb': o for o in notebooks}}


@dataclass
class Page:
    "A page in Markdown"
    text:str # Markdown, as MyST reads it
    files:dict # What goes beside it: paths and bytes
    words:int = 0 # To be read on the main path
    lines:int = 0 # Of code on the main path
    more_words:int = 0 # And after it
    more_lines:int = 0


def minutes(words, lines):
    "How long reading takes somebody fluent: two hundred words a minute, ten lines of code"
    return max(1, round(words/200 + lines/10))


# Markdown

def _target(link, folder):
    "Where a link of a file in `folder` leads on the site, or at the project's home"
    path, hash, anchor = link.partition('#')
    if re.match(r'[a-z]+:', link) or not path: return link
    parts = []
    for o in (PurePosixPath(folder)/path).parts:
        if o == '..' and parts: parts.pop()
        else: parts.append(o)
    inside = '/'.join(parts)
    if not (root/inside).exists(): raise ValueError(f'a link of a file in {folder or "the root"} leads nowhere: {link}')
    if inside in pages: return f'/{pages[inside]}.md{hash}{anchor}'
    if inside.endswith('.png'): return f'/images/{parts[-1]}'
    if inside == 'nbs': return '/index.md'
    kind = 'tree' if (root/inside).is_dir() else 'blob'
    return f'{read_settings()["repository"]}/{kind}/main/{inside}{hash}{anchor}'


def rewrite(
    text:str, # Markdown of a file of the repository
    folder:str='', # Where that file is
) -> str: # The same for a page
    "Lead links to pages, and leave out pictures from other hosts (badges)"
    text = re.sub(r'\[!\[(?:Open in )?([^]]*)\]\(https?:[^)]*\)\]', r'[\1]', text)
    # blocks of code and code in a line come first, so that nothing in them is taken for a link
    parts = r'^```.*?^```|`[^`\n]+`|(?P<words>\[(?:[^][]|\[[^]]*\])*\])\((?P<link>[^()\s]+)\)'

    def lead(m): return f'{m["words"]}(<{_target(m["link"], folder)}>)' if m['link'] else m[0]
    return re.sub(parts, lead, text, flags=re.M | re.S)


def pictures(
    text:str, # Markdown of a file of the repository
    folder:str='', # Where that file is
) -> dict: # Paths on the site and bytes
    "The pictures of the repository that `text` shows"
    found = re.findall(r'!\[[^]]*\]\(([^():\s]+\.png)\)', text)
    return {f'images/{Path(o).name}': (root/folder/o).read_bytes() for o in found}


def timed(text):
    "Markdown with the time that it takes to read below its title"
    spent = minutes(len(re.findall(r'\w+', text)), 0)
    said = f'{spent} minute{"s"*(spent > 1)} to read'
    bar = f'```{{raw}} html\n<p class="page-bar"><span class="time">{said}</span></p>\n```'
    return re.sub(r'^(# .*)$', lambda m: f'{m[1]}\n\n{bar}', text, count=1, flags=re.M)


def markdown_page(path):
    "The page of a file in Markdown"
    text, folder = (root/path).read_text(encoding='utf-8'), str(PurePosixPath(path).parent)
    return Page(timed(rewrite(text, folder)), pictures(text, folder))


# Notebooks

def directives(source):
    "The lines of a cell that speak to nbdev, as a dict, and the rest"
    lines = source.splitlines()
    said = dict(re.match(r'#\|\s*([\w-]+):?\s*(.*)', o).groups() for o in lines if o.startswith('#|'))
    return said, '\n'.join(o for o in lines if not o.startswith('#|')).strip('\n')


def _fence(text, *options, language='python'):
    "A block of code that may hold fences itself"
    ticks = '`'*max(3, 1 + max(map(len, re.findall(r'`+', text)), default=0))
    return '\n'.join([f'{ticks}{{code-block}} {language}', *options, '', text.rstrip('\n'), ticks])


def _html(text):
    "A table of an output, without its own style. `ValueError` if something in it would be run or fetched."
    text = re.sub(r'<(style|script)\b.*?</\1>', '', text, flags=re.S)
    text = re.sub(r' (?:border="1"|style="[^"]*")', '', text).strip()
    other = set(re.findall(r'<(\w+)', text)) - {*'table caption thead tbody tr th td div span p br b'.split()}
    if other or re.search(r'<[^>]*\s(?:on\w+|src|href)\s*=', text):
        raise ValueError(f'an output is more than a table, and may fetch or run something: {text[:200]}')
    text = re.sub(r'\n\s*\n', '\n', text)
    return text and f'```{{raw}} html\n<div class="output table" tabindex="0">{text}</div>\n```'


def _output(out, alt, name):
    "One output of a cell in Markdown, and its picture by its path"
    if out['output_type'] == 'stream':
        said = ''.join(out['text'])
        return (_fence(said, ':class: output', language='none') if out['name'] == 'stdout' else ''), {}
    if out['output_type'] == 'error': raise ValueError(f'{name}: an error is committed as output: {out["evalue"]}')
    data = {k: ''.join(v) if isinstance(v, list) else v for k, v in out['data'].items()}
    if 'image/png' in data:
        if not alt: raise ValueError(f'{name}: a picture without `#| fig-alt`')
        path = f'images/{name}.png'
        alt = re.sub(r'([][\\`*_<>$])', r'\\\1', alt)
        return f'![{alt}](/{path})', {path: base64.b64decode(data['image/png'])}
    if 'text/html' in data: return _html(data['text/html']), {}
    if 'text/plain' in data: return _fence(data['text/plain'], ':class: output', language='none'), {}
    raise ValueError(f'{name}: an output of a kind that the site does not show, {list(data)}')


def _glossary(source):
    "A place to link to at each term of the glossary"
    def row(m): return f'| <span id="{term_id(m[1])}" class="anchor"></span>{m[1]} |'
    return re.sub(r'^\| (?!term\b|-)([^|]+?) \|', row, source, flags=re.M)


def term_id(term): return 'term-' + re.sub(r'\W+', '-', term.lower()).strip('-')


def glossary():
    "The glossary's terms and what they mean, as plain text"
    cells = json.loads((root/'nbs'/'00_data.ipynb').read_text(encoding='utf-8'))['cells']
    [text] = [o for o in (''.join(c['source']) for c in cells) if o.startswith('## Glossary')]
    rows = re.findall(r'^\| (.+?) \| (.+?) \| \[\d\d\]', text, flags=re.M)
    return {term: re.sub(r'[`*]', '', meaning) for term, meaning in rows}


def _code_cell(cell, name):
    "A code cell in Markdown, its pictures by their paths, and its lines of code"
    said, code = directives(''.join(cell['source']))
    if 'hide' in said: return '', {}, 0
    parts, files, alt = [], {}, said.get('fig-alt', '').strip('"')
    if code:
        exported = [':class: export'] if {'export', 'exporti'} & said.keys() else []
        parts += [f'(cell-{cell["id"]})=', _fence(code, *exported)]
    for i, out in enumerate(cell['outputs']):
        text, more = _output(out, alt, f'{name}-{cell["id"]}-{i}')
        parts.append(text)
        files |= more
    return '\n\n'.join(filter(None, parts)), files, len([o for o in code.splitlines() if o.strip()])


def notebook_page(
    path, # A notebook
) -> Page: # Its page
    """A notebook as a page, with the outputs that are in it. `ValueError` if it holds what cannot be shown.

    Cells with `#| hide` and lines that speak to nbdev are left out. The line with links to Colab and Kaggle becomes
    a bar under the title.
    """
    name, text, page = path.stem, [], Page('', {})
    main = True
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'code':
            shown, files, lines = _code_cell(cell, name)
            page.files |= files
            words = 0
        else:
            words, lines = len(re.findall(r'\w+', source)), 0
            page.files |= pictures(source, 'nbs')
            if source.startswith('## Glossary'): source = _glossary(source)
            shown = rewrite(source, 'nbs')
            shown = re.sub(r'^Open in \[Colab\]\(<(.*?)>\) or \[Kaggle\]\(<(.*?)>\)\.$',
                           lambda m: f'%bar% {m[1]} {m[2]}', shown, flags=re.M)
        text.append(shown)
        if main: page.words, page.lines = page.words + words, page.lines + lines
        else: page.more_words, page.more_lines = page.more_words + words, page.more_lines + lines
        main = main and not source.startswith('## What you have now')
    page.text = re.sub(r'^%bar% (.*?) (.*)$', lambda m: _bar(name, page, *m.groups()), '\n\n'.join(text), flags=re.M)
    page.files[f'notebooks/{path.name}'] = path.read_bytes()
    return page


def _bar(name, page, colab, kaggle):
    "Where to open a notebook, and how long it takes to read"
    more = minutes(page.more_words, page.more_lines)
    return (f'```{{raw}} html\n<p class="page-bar">Open this notebook: <a href="{colab}">Colab</a> '
            f'<a href="{kaggle}">Kaggle</a> <a href="notebooks/{name}.ipynb" download>download</a> '
            f'<span class="time">{minutes(page.words, page.lines)} minutes to read, '
            f'and {more} for what comes after “What you have now”</span></p>\n```')
