// Packs the stand-in for other Python extensions, and sees to the servers that it starts.
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packed } from '../pack.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, '../../node_modules');

/** The packed extension, and the environment in which it finds its servers. */
export async function neighbours(target) {
  const wheels = [join(here, '../../../tests/wheels.py'), 'neighbours', join(here, 'requirements.txt')];
  const bin = execFileSync('python3', wheels, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, CARGO_TARGET_DIR: target, PYTHONDONTWRITEBYTECODE: '1' } }).trim();
  const vsix = await packed('neighbours', target);
  const servers = [
    ['Pyright', process.execPath, join(modules, 'pyright/langserver.index.js'), '--stdio'],
    ['Ruff', join(bin, 'ruff'), 'server'],
    ['Jedi', join(bin, 'jedi-language-server')],
  ];
  return { extensions: [vsix], environment: { MVM_NEIGHBOURS: JSON.stringify(servers) } };
}
