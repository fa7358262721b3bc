"""What the first page needs beside its scripts: pictures to learn from, models, and the program that runs them.

Each is a script with compressed bytes, so that a page can read it from a file, too, where browsers fetch nothing.
"""
import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

from pages import read_settings

from mnist_stages.tools.files import load_mnist
from mnist_stages.tools.pictures import example_strokes

#: Threes and sevens to learn from and to measure with. Of the latter 112 of 226 are threes: 0.4956, as in MNIST
learning, measuring = (300, 300), (112, 114)
#: Files of onnxruntime-web, and what each is called on the site
runtime_files = {'dist/ort.wasm.min.js': 'ort.js', 'dist/ort-wasm-simd-threaded.mjs': 'ort-glue',
                 'dist/ort-wasm-simd-threaded.wasm': 'ort-wasm'}


def packed(name, data):
    "A script that holds `data`"
    text = base64.b64encode(zlib.compress(data, 9)).decode()
    return f'(window.packed ??= {{}})[{json.dumps(name)}] = "{text}";\n'.encode()


def digits():
    "The pixels of threes and sevens, first to learn from and then to measure with"
    m, parts = load_mnist(), []
    for (threes, sevens), images, labels in ((learning, m.train_images, m.train_labels),
                                             (measuring, m.valid_images, m.valid_labels)):
        parts += [images[labels == 3][:threes], images[labels == 7][:sevens]]
    return b''.join(o.numpy().tobytes() for o in parts)


def fetch(
    name:str, # A package of npm's that settings.ini names
    files, # Paths of files in it
    folder:Path, # Where they are kept
    say=print, # Called with a sentence before it is fetched
) -> dict: # The files' bytes by their paths, or nothing where there is no npm
    "Files of a package, from `folder` or with npm. `OSError` if npm cannot fetch it."
    kept = folder/name
    if not all((kept/Path(o).name).is_file() for o in files):
        asked = next(o for o in read_settings()['npm_requirements'].split() if o.startswith(f'{name}>='))
        npm = shutil.which('npm')
        if not npm: return {}
        say(f'fetching {asked} …')
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as tmp:
            pack = [npm, 'pack', '--silent', asked.replace('>=', '@>=')]
            done = subprocess.run(pack, cwd=tmp, capture_output=True, text=True)
            if done.returncode: raise OSError(f'npm could not fetch {asked}: {(done.stderr or done.stdout).strip()}')
            [archive], found = Path(tmp).glob('*.tgz'), Path(tmp)/'found'
            found.mkdir()
            with tarfile.open(archive) as tar:
                for o in files:
                    try: (found/Path(o).name).write_bytes(tar.extractfile(f'package/{o}').read())
                    except KeyError: raise OSError(f'{archive.name} from npm has no {o} any more.') from None
            shutil.rmtree(kept, ignore_errors=True)
            found.rename(kept)
    return {o: (kept/Path(o).name).read_bytes() for o in files}


def pack_runtime(files):
    "onnxruntime-web's files as they stand on the site"
    # its map would be asked for by a debugger, and is not here
    out = {'ort.js': files['dist/ort.wasm.min.js'].replace(b'//# sourceMappingURL=ort.wasm.min.js.map', b'')}
    for name, to in list(runtime_files.items())[1:]: out[f'packed/{to}.js'] = packed(to, files[name])
    return out


def pack_models(files, listed):
    "Small models in one file, in the order in which they are listed, and each large one in its own"
    small = [o['name'] for o in listed if not o.get('large')]
    out = {'packed/small.js': packed('small', b''.join(files[f'{o}.onnx'] for o in small))}
    return out | {f'packed/{o["name"]}.js': packed(o['name'], files[f'{o["name"]}.onnx'])
                  for o in listed if o.get('large')}


def version(files):
    "Part of the addresses of scripts, so that a browser does not mix those that it kept with new ones"
    static = (Path(__file__).parent/'static').glob('*.js')
    whole = sorted(o.read_bytes() for o in static)
    whole += [o if isinstance(o, bytes) else o.encode() for o in files.values()]
    return hashlib.sha256(b''.join(whole)).hexdigest()[:10]


def facts(listed, files, doubt):
    "The script that tells the page what there is"
    sizes = {Path(k).stem: len(v) for k, v in files.items() if k.startswith('packed/')}
    site = dict(models=listed, sizes=sizes, doubt=doubt, version=version(files),
                examples=list(example_strokes.values()),
                learn=dict(train=sum(learning), valid=sum(measuring), threes=[learning[0], measuring[0]]))
    return f'window.site = {json.dumps(site)};\n'.encode()
