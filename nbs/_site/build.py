"""Build the site into `_docs/`: the notebooks as they are committed, the library's reference, and a first page to try.

    pip install -e ".[docs]" && python nbs/_site/build.py

Nothing of the notebooks is executed. A build that fails leaves `_docs/` as it was.
"""
import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

here = Path(__file__).resolve().parent
root = here.parent.parent
sys.path[:0] = [str(here), str(root)]


def missing(e):
    "What to do where something is not installed"
    return (f'{e.name} is not installed, and the site needs it. '
            'Run  pip install -e ".[docs]"  in the checkout and try again.')


try:
    import models
    import packing
    import pages
    import reference
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
except ModuleNotFoundError as e: sys.exit(missing(e))


without_drawing = ('This copy of the site was built where npm is not installed, so there is nothing to draw on: '
                   'install Node.js, which brings npm, and build it again.')


#: A file that says that this command made a folder, and may replace it
marker = '.made-by-mnist_stages'


def looks(settings):
    "How Sphinx is to build it"
    return dict(
        project=settings['lib_name'], version=settings['version'], author=settings['author'],
        copyright=settings['author'],
        extensions=['myst_parser', 'looks'], html_theme='furo', html_title=settings['lib_name'],
        language='en', myst_enable_extensions=['dollarmath'], myst_heading_anchors=4,
        myst_heading_slug_func='looks.heading_anchor', myst_links_external_new_tab=False, html_math_renderer='mathml',
        templates_path=[str(here/'templates')], html_static_path=[str(here/'static')], html_css_files=['site.css'],
        html_favicon=str(here/'static'/'icon.svg'),
        html_copy_source=False, html_show_sourcelink=False, html_use_index=False, html_permalinks_icon='#',
        html_baseurl='', pygments_style='a11y-high-contrast-light', pygments_dark_style='a11y-high-contrast-dark',
        html_extra_path=['source/extra'], suppress_warnings=['myst.header', 'config.cache'], smartquotes=False)


def write(folder, files):
    "Text or bytes, by their paths, into `folder`"
    for path, content in files.items():
        to = folder/path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(content if isinstance(content, bytes) else content.encode())


def sources(folder):
    "All pages as Markdown, into `folder`"
    (folder/'extra').mkdir(parents=True)
    for path, name in pages.pages.items():
        page = pages.notebook_page(root/path) if path.endswith('.ipynb') else pages.markdown_page(path)
        write(folder, {f'{name}.md': page.text})
        write(folder/'extra', {k: v for k, v in page.files.items() if not k.startswith('images/')})
        write(folder, {k: v for k, v in page.files.items() if k.startswith('images/')})
    write(folder, {'reference/index.md': pages.timed(reference.index_page())})
    for names in reference.modules().values():
        for o in names: write(folder, {f'reference/{o}.md': pages.timed(reference.module_page(o))})


def _raw(html): return '\n'.join(['```{raw} html', re.sub(r'\n\s*\n', '\n', html).strip(), '```'])


def doubted():
    "What was measured about pictures of no digit, in words"
    found = json.loads((here/'doubt.json').read_text(encoding='utf-8'))
    models, counted = found['models'], found['counted']
    kinds = {f'{k}_doubted': ' and '.join(f'{o[k]:g}%' for o in models.values() if o['shown']) for k in counted}
    scribbles = {k: models[k]['scribbles'] for k in ('linear', 'relu')}
    return (here/'doubt.md').read_text(encoding='utf-8').format(**counted, **kinds, **scribbles)


def first_page(
    files:dict, # From `first_page_files`
    drawing:bool, # Is there what answers?
): # Markdown
    "The first page, with a pad to draw on where there is what answers"
    large, version = len(files.get('packed/resnet18.js', '')), packing.version(files)
    runtime = sum(len(v) for k, v in files.items() if k in ('ort.js', 'packed/small.js') or 'ort-' in k)
    scripts = ['site', 'packed/digits', 'learn'] + (['pad', 'prepare', 'draw'] if drawing else [])
    html = {o: (here/'templates'/f'{o}.html').read_text(encoding='utf-8') for o in ('draw', 'learning')}
    if large: html['draw'] = html['draw'].replace('LARGE', f'{large/1e6:.0f}')
    else: html['draw'] = re.sub(r'<button.*?</button>\s*<progress.*?</progress>', '', html['draw'], flags=re.S)
    learning = html['learning'] + ''.join(f'<script src="_static/{o}.js?v={version}" defer></script>' for o in scripts)
    text, said = (here/'index.md').read_text(encoding='utf-8'), without_drawing
    if drawing:
        said = (here/'draw.md').read_text(encoding='utf-8').format(
            runtime=f'{runtime/1e6:.0f}', fifth=', and a fifth, ResNet18, when you fetch it' if large else '')
        said = '\n\n'.join([said, _raw(html['draw']), doubted()])
    return text.replace('<!-- draw -->', f'## Draw a digit\n\n{said}').replace('<!-- learning -->', _raw(learning))


def pad_script():
    "The notebooks' pad as a plain script: a page that is read from a file cannot import modules"
    pad = (root/'mnist_stages'/'app'/'pad.js').read_text(encoding='utf-8').replace('export function', 'function')
    return '(() => {\n%s})();\n' % re.sub(r'^export default .*$', 'globalThis.showPad = showPad;', pad, flags=re.M)


def first_page_files(
    keep:Path, # Where trained weights and what npm fetched are kept
    quick:bool, # Leave ResNet18 out if its weights are not there yet?
): # Files below `_static`, and whether there is something to draw on
    "What the first page fetches"
    files = {'packed/digits.js': packing.packed('digits', packing.digits())}
    runtime, listed, doubt = packing.fetch('onnxruntime-web', packing.runtime_files, keep), [], {}
    if runtime:
        trained, listed = models.write_models(keep, leave_out=['resnet18'] if quick else [])
        doubt = json.loads((here/'doubt.json').read_text(encoding='utf-8'))['models']
        doubt = {k: v for k, v in doubt.items() if v['shown']}
        files |= packing.pack_runtime(runtime) | packing.pack_models(trained, listed)
        files['pad.js'] = pad_script()
    else: print(without_drawing)
    files['site.js'] = packing.facts(listed, files, doubt)
    return files, bool(runtime)


def run_sphinx(source, out, work):
    "Sphinx from `source` into `out`. `ValueError` with its warnings, if there are any: a broken link is one."
    said = StringIO()
    try:
        # a file, since the theme's own settings are not known yet where overrides are looked at
        write(work, {'conf.py': f'globals().update({looks(pages.read_settings())!r})'})
        app = Sphinx(source, work, out, work/'doctrees', 'html', status=None, warning=said, freshenv=True)
        app.build()
    except SphinxError as e: raise ValueError(f'{e}\n{said.getvalue()}') from None
    if said.getvalue() or app.statuscode: raise ValueError(said.getvalue() or 'Sphinx failed')
    # our own search takes their place
    for o in ('searchindex.js', '_static/searchtools.js', '_static/language_data.js', 'objects.inv', '.buildinfo'):
        (out/o).unlink(missing_ok=True)
    shutil.rmtree(out/'_sources', ignore_errors=True)
    for o in out.rglob('*.html'):      # what scrolls sideways must be reached by keyboard
        text = o.read_text(encoding='utf-8')
        text = text.replace('<div class="highlight"><pre>', '<div class="highlight"><pre tabindex="0">')
        text = text.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')
        o.write_text(text, encoding='utf-8')
    for o in ('.nojekyll', marker): (out/o).touch()


def _aside(out): return out.with_name(f'.{out.name}-site-before')


def replace(new, old):
    "Put the folder `new` into the place of `old`"
    aside = _aside(old)
    shutil.rmtree(aside, ignore_errors=True)
    if old.exists(): old.rename(aside)
    try: new.rename(old)
    except OSError:
        if aside.exists(): aside.rename(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def build(
    out:Path, # Where the site is to be
    keep:Path, # Where trained weights and what npm fetched are kept
    quick:bool=False, # Leave ResNet18 out if its weights are not there yet?
):
    "Build the site, whole or not at all"
    aside = _aside(out)
    if aside.exists() and not out.exists(): aside.rename(out)      # a build was killed between its last two steps
    ours = (out/marker).is_file() and not (out/'.git').exists()
    if out.exists() and not ours and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f'{out} is there, and was not made by this command: choose another folder, or empty it.')
    out.parent.mkdir(parents=True, exist_ok=True)
    for o in out.parent.glob(f'.{out.name}-site-build-*'): shutil.rmtree(o)      # of builds that were killed
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}-site-build-', dir=out.parent) as tmp:
        work = Path(tmp)
        sources(work/'source')
        files, drawing = first_page_files(keep, quick)
        write(work/'source', {'index.md': first_page(files, drawing)})
        write(work/'source'/'extra'/'_static', files)
        run_sphinx(work/'source', work/'site', work)
        replace(work/'site', out)


def main():
    "The command"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=root/'_docs', help='where to build (default: _docs)')
    parser.add_argument('--keep', type=Path, default=root/'_proc'/'site',
                        help='where to keep trained weights and what npm fetched (default: _proc/site)')
    parser.add_argument('--quick', action='store_true', help='leave ResNet18 out if its weights are not there yet')
    args, start = parser.parse_args(), time.perf_counter()
    try: build(args.out.resolve(), args.keep.resolve(), args.quick)
    except (ValueError, OSError) as e: sys.exit(f'The site was not built, and {args.out} is as it was. {e}')
    size = sum(o.stat().st_size for o in args.out.rglob('*') if o.is_file())/1e6
    print(f'{args.out/"index.html"}: {size:.1f} MB in {time.perf_counter() - start:.0f} s')


if __name__ == '__main__': main()
