"""What the site adds to Sphinx: maths without a script, links to the glossary, a search that leads to headings."""
import json
import re
from html import unescape

from docutils import nodes
from latex2mathml.converter import convert
from pages import glossary, notebooks, term_id
from sphinx.util.docutils import SphinxTranslator


# Maths, as MathML: every current browser shows it, and a screen reader can read it

def mathml(tex, display='inline'):
    return convert(tex.replace('{,}', r'\text{,}'), display=display)


def _inline(self:SphinxTranslator, node):
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self:SphinxTranslator, node):
    self.body.append(f'<div class="math" tabindex="0">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


# The first time that a page uses a term of the glossary, it leads there

_closed = nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math, nodes.raw, nodes.table


def _terms():
    "A pattern for all terms, the longest first, and from each form to the term"
    forms = {}
    for term in glossary():
        for end in ('', 's', 'es'): forms.setdefault(f'{term}{end}'.lower(), term)
    pattern = '|'.join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return re.compile(rf'(?<![\w-])(?:{pattern})(?![\w-])', flags=re.I), forms


def _is_closed(node):
    "Is it in something where no word leads to the glossary?"
    while node is not None:
        if isinstance(node, _closed): return True
        title = node.next_node(nodes.title) if isinstance(node, nodes.section) else None
        if title is not None and title.astext() in ('Glossary', 'Solutions'): return True
        node = node.parent
    return False


def link_terms(app, doctree, docname):
    "Lead words of a notebook to the glossary"
    if docname not in notebooks: return
    (pattern, forms), meanings, seen = _terms(), glossary(), set()
    where = app.builder.get_relative_uri(docname, '00_data') if docname != '00_data' else ''
    for text in list(doctree.findall(nodes.Text)):
        if _is_closed(text) or not isinstance(text.parent, (nodes.paragraph, nodes.strong, nodes.emphasis)): continue
        parts, end = [], 0
        for m in pattern.finditer(text):
            term = forms[m[0].lower()]
            if term in seen: continue
            seen.add(term)
            parts += [nodes.Text(text[end:m.start()]),
                      nodes.reference('', m[0], refuri=f'{where}#{term_id(term)}', classes=['term'], internal=True,
                                      reftitle=meanings[term])]
            end = m.end()
        if parts: text.parent.replace(text, [*parts, nodes.Text(text[end:])])


# Search: an entry for each heading

def _own_text(section):
    "The text of a section without that of its subsections"
    parts = []
    for child in section.children:
        if isinstance(child, (nodes.section, nodes.title)): continue
        for o in child.findall(lambda n: isinstance(n, (nodes.Text, nodes.raw))):
            if isinstance(o, nodes.Text) and isinstance(o.parent, nodes.raw): continue
            parts.append(unescape(re.sub(r'<[^>]+>', ' ', o.astext())) if isinstance(o, nodes.raw) else o.astext())
    return re.sub(r'\s+', ' ', ' '.join(parts)).strip()


def note_sections(app, doctree, docname):
    "Keep what search is to find in a page"
    if not hasattr(app, 'found'): app.found = []
    for section in doctree.findall(nodes.section):
        title = section.next_node(nodes.title)
        if title is None: continue
        page = next((o.next_node(nodes.title).astext() for o in doctree.findall(nodes.section)), '')
        app.found.append([app.builder.get_target_uri(docname), section['ids'][0], page, title.astext(),
                          _own_text(section)])


def write_search(app, exception):
    "One file with all sections, as a script, so that it works from a file, too"
    if exception: return
    entries = json.dumps(sorted(app.found), ensure_ascii=False, separators=(',', ':'))
    path = app.outdir/'_static'/'sections.js'
    path.write_text(f'window.sections = {entries};\n'.replace('</', '<\\/'), encoding='utf-8')


def heading_anchor(title): return title.strip().replace(' ', '-')


def setup(app):
    app.add_html_math_renderer('mathml', inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.connect('doctree-resolved', note_sections, priority=400)
    app.connect('doctree-resolved', link_terms, priority=600)
    app.connect('build-finished', write_search)
    return dict(parallel_read_safe=True, parallel_write_safe=False)
