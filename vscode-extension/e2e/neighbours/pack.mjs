// Packs the stand-in for other Python extensions, and sees to the servers that it starts.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, '../../node_modules');

/** The environment with the servers that come from PyPI: made once, and again when the list of packages is another. */
function environment(target) {
  const directory = join(target, 'neighbours');
  const wanted = join(here, 'requirements.txt');
  const stamp = join(directory, 'made-from');
  const key = createHash('sha256').update(readFileSync(wanted)).digest('hex');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== key) {
    console.log(`making ${directory}`);
    execFileSync('python3', ['-m', 'venv', '--clear', directory], { stdio: 'inherit' });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes', '--only-binary', ':all:'];
    execFileSync(join(directory, 'bin/python'), [...pip, '-r', wanted], { stdio: 'inherit' });
    writeFileSync(stamp, key);
  }
  return join(directory, 'bin');
}

/** The packed extension, and the environment in which it finds its servers. */
export async function neighbours(target) {
  const bin = environment(target);
  const folder = join(target, 'neighbours/extension');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(here, 'package.json'), join(folder, 'package.json'));
  writeFileSync(join(folder, '.vscodeignore'), '**/*.map\n');
  await build({ entryPoints: [join(here, 'extension.js')], outfile: join(folder, 'extension.js'), bundle: true, platform: 'node', external: ['vscode'], logLevel: 'warning' });
  const vsix = join(target, 'neighbours/neighbours.vsix');
  const flags = ['--no-dependencies', '--skip-license', '--allow-missing-repository', '--out', vsix];
  execFileSync(process.execPath, [join(modules, '@vscode/vsce/vsce'), 'package', ...flags], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const servers = [
    ['Pyright', process.execPath, join(modules, 'pyright/langserver.index.js'), '--stdio'],
    ['Ruff', join(bin, 'ruff'), 'server'],
    ['Jedi', join(bin, 'jedi-language-server')],
  ];
  return { extensions: [vsix], environment: { MVM_NEIGHBOURS: JSON.stringify(servers) } };
}
