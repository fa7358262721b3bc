"""Every percentage in the text of a notebook is one that its own section shows

That is: a cell of the same section prints or holds it, or README's tables do. What a section takes from another one is
listed below. A wrong number may be the right one of something else, so this cannot see all of them: the last test says
how many it does.
"""
import html
import re
from functools import cache

import pytest
from conftest import cells, notebook_names, root, source
from scoreboard import begin, end

#: Percentages that a section takes from another one: notebook and heading, and those of where a cell shows them
elsewhere = {
    ('00_data', '## What you have now'): ('00_data', '## 5. A baseline: the nearest mean'),
    ('01_manual_sgd', '## 4. What we may choose'): ('00_data', '## 5. A baseline: the nearest mean'),
    ('03_relu_net', '## What you have now'): ('03_relu_net', '## 5. An honest comparison')}

percentage = re.compile(r'(?<![\w.])(\d+(?:\.\d+)?)\s*%')
number = re.compile(r'(?<![\w.])-?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:e-?\d+)?')


def shown(cell):
    "What a code cell holds and prints, as text; what it says of its figure does not count"
    yield re.sub(r'^#\|.*$', '', source(cell), flags=re.M)
    for o in cell.get('outputs', []):
        yield ''.join(o.get('text', ''))
        yield ''.join(o.get('data', {}).get('text/plain', ''))
        page = re.sub(r'<style.*?</style>', ' ', ''.join(o.get('data', {}).get('text/html', '')), flags=re.S)
        yield html.unescape(re.sub(r'<[^>]+>', ' ', page))


def numbers(text): return {float(o.replace(',', '')) for o in number.findall(text)}


def said(text): return [o for o in percentage.findall(re.sub(r'```.*?```', '', text, flags=re.S))]


def gives(n, percent):
    "Does the number `n`, a share or a percentage, round to `percent`?"
    digits = len(percent.partition('.')[2])
    half = .5*10**-digits + 1e-9
    return abs(n - float(percent)) <= half or abs(100*n - float(percent)) <= half


@cache
def sections(name):
    "For each section of a notebook its heading, its text and the numbers that its cells show"
    found = [['', [], set()]]
    for c in cells(name):
        text = source(c)
        if c['cell_type'] == 'markdown':
            if text.startswith('## '): found.append([text.splitlines()[0], [], set()])
            found[-1][1].append(text)
        elif c['cell_type'] == 'code':
            for o in shown(c): found[-1][2].update(numbers(o))
    return [(heading, '\n'.join(text), there) for heading, text, there in found]


@cache
def tables():
    "The numbers in README's tables"
    return numbers((root/'README.md').read_text(encoding='utf-8').split(begin)[1].split(end)[0])


def known(name, heading):
    "The numbers that a section may speak of"
    own = {h: there for h, _, there in sections(name)}[heading]
    other, where = elsewhere.get((name, heading), (name, heading))
    return own | tables() | {n for h, _, there in sections(other) if h == where for n in there}


def unshown(name, heading, percentages):
    "Those of `percentages` that nothing shows"
    there = known(name, heading)
    return [o for o in percentages if not any(gives(n, o) for n in there)]


@pytest.mark.parametrize('name', notebook_names)
def test_every_percentage_is_shown_where_it_stands(name):
    found = {heading: o for heading, text, _ in sections(name) if (o := unshown(name, heading, said(text)))}
    assert found == {}


def test_about_half_of_all_wrong_percentages_are_noticed():
    "Each one with a decimal is made wrong by 0.3"
    wrong = [(name, heading, f'{float(o) + .3:.{len(o.partition(".")[2])}f}') for name in notebook_names
             for heading, text, _ in sections(name) for o in said(text) if '.' in o]
    noticed = [o for name, heading, o in wrong if unshown(name, heading, [o])]
    assert len(wrong) > 40 and len(noticed) > .45*len(wrong), f'{len(noticed)} of {len(wrong)}'
